/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_BURST_H
#define RAIN_FEDERATION_BURST_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "federation/message.h"

/*
 * A burst as home sees it: one of its jobs, bound to one peer.  Pure: stored
 * state, an event and the time go in; the new state and what has to happen
 * with it in the same transaction come out.  What has to be done outside of
 * the database follows from the state alone (rain_burst_due), so that a
 * gateway that was killed anywhere goes on from what is stored.
 *
 * Two promises rest here:
 *   - RAIN puts a job back into the home queue only when the lender can't be
 *     running it: no inputs were ever sent, or it has said that it's over;
 *   - the hold is resolved exactly when the burst reaches settled or void.
 *
 * Drawn in doc/protocol.txt, "Home".
 */
enum rain_burst_state {
	RAIN_BURST_BOUND,   /* tokens held, order on its way */
	RAIN_BURST_PLACED,  /* the peer has accepted */
	RAIN_BURST_RUNNING, /* the script runs there */
	RAIN_BURST_ENDED,   /* over; the receipt is still to come */
	RAIN_BURST_SETTLED, /* paid */
	RAIN_BURST_VOID,    /* came to nothing: hold voided */
	RAIN_BURST_STATES,
};

/* What becomes of the home job in Slurm. */
enum rain_burst_job {
	RAIN_BURST_JOB_TO_BIND,	  /* the broker is to move it to the overflow partition */
	RAIN_BURST_JOB_BOUND,	  /* it is there */
	RAIN_BURST_JOB_TO_RETURN, /* the broker is to put it back into the home queue */
	RAIN_BURST_JOB_OVER,	  /* nothing more to do with it */
	RAIN_BURST_JOBS,
};

struct rain_burst_record {
	enum rain_burst_state state;
	enum rain_burst_job job;
	bool inputs_given; /* the relay has handed over what the job needs */
	bool inputs_sent;  /* … and the lender has been told: from here it may run */
	bool recalled;
	bool delivered;    /* streams and outputs have reached the user */
	bool timed_out;	   /* … and Slurm is to say that of the job … */
	bool out_of_memory; /* … or this */
	int64_t bound_ms;    /* realtime */
	int64_t inputs_ms;   /* when the inputs were sent */
	int64_t finished_ms; /* when `finished` came */
	int64_t seq_in, seq_out; /* last event of each direction */
};

enum rain_burst_event_type {
	RAIN_BURST_EVENT_BIND_DONE,    /* broker: the job is in the overflow partition */
	RAIN_BURST_EVENT_BIND_REFUSED, /* broker: it isn't pending any more */
	RAIN_BURST_EVENT_RETURN_DONE,  /* broker: it is in its own partition */
	RAIN_BURST_EVENT_JOB_UNBOUND,  /* Slurm forgot the move: the same run waits at home again */
	RAIN_BURST_EVENT_JOB_OVER,     /* the home job ended, or was cancelled */
	RAIN_BURST_EVENT_JOB_REQUEUED, /* somebody else put it back into the queue */
	RAIN_BURST_EVENT_INPUTS,       /* relay */
	RAIN_BURST_EVENT_SIGNAL,       /* relay */
	RAIN_BURST_EVENT_DELIVERED,    /* relay */
	RAIN_BURST_EVENT_ACCEPTED,     /* peer, from here on */
	RAIN_BURST_EVENT_REJECTED,
	RAIN_BURST_EVENT_STAGED,
	RAIN_BURST_EVENT_STARTED,
	RAIN_BURST_EVENT_EVICT,
	RAIN_BURST_EVENT_FINISHED,
	RAIN_BURST_EVENT_SETTLE,       /* a receipt was checked: pay */
	RAIN_BURST_EVENT_TICK,	       /* time passes */
	RAIN_BURST_EVENTS,
};

struct rain_burst_event {
	enum rain_burst_event_type type;
	enum rain_outcome outcome; /* finished */
	int64_t claimed_utok;	   /* finished */
	bool out_of_memory;	   /* finished */
	int64_t seq;		   /* staged, started: the message's */
};

/* What the same transaction does. */
struct rain_burst_actions {
	bool send_withdrawn;
	bool send_inputs;
	bool send_signal;
	bool send_delivered;
	bool send_recall;
	bool hold_void;
	bool hold_post;
};

/* An order that isn't answered, a relay that doesn't come, a receipt that doesn't. */
#define RAIN_BURST_ACCEPT_MS 20000
#define RAIN_BURST_INPUTS_MS 180000
#define RAIN_BURST_RECEIPT_MS (INT64_C(7) * 24 * 3600 * 1000)

/* Applies the event. 1: changed (or actions to do); 0: nothing to do, as with
 * repeats and messages that crossed each other; -1 with err: the event can't
 * happen here, so the other side is at fault, and *record is unchanged. */
int rain_burst_step(struct rain_burst_record *record, const struct rain_burst_event *event,
		    int64_t now_ms, struct rain_burst_actions *actions, struct rain_error *err);

enum rain_burst_due {
	RAIN_BURST_DUE_BIND = 1,
	RAIN_BURST_DUE_RETURN = 2,
	RAIN_BURST_DUE_END = 4, /* the broker is to end the job as timed out, or out of memory */
};
unsigned rain_burst_due(const struct rain_burst_record *record);

/* Settled or void, and nothing left to do: needs no more attention. */
bool rain_burst_is_done(const struct rain_burst_record *record);

const char *rain_burst_state_name(enum rain_burst_state state);
const char *rain_burst_job_name(enum rain_burst_job job);
/* -1 when there is no such name. */
int rain_burst_state_find(const char *name);
int rain_burst_job_find(const char *name);

#endif
