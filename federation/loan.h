/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_LOAN_H
#define RAIN_FEDERATION_LOAN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "federation/message.h"

/*
 * A loan: a burst as the lender sees it, one guest job of a peer.  Pure, in
 * the same manner as federation/burst.h; drawn in doc/protocol.txt, "Lender".
 *
 * The guest job is submitted held and released when its id is stored; its agent
 * then waits until the inputs are here and asks before it begins the script.  It
 * is never submitted twice (the broker looks for it first) and never retried:
 * home decides what to do after a loss.
 */
enum rain_loan_state {
	RAIN_LOAN_ACCEPTED,  /* credit held, nothing in Slurm yet */
	RAIN_LOAN_SUBMITTED, /* held guest job, id stored */
	RAIN_LOAN_RELEASED,  /* free to start */
	RAIN_LOAN_RUNNING,   /* the agent has started the script */
	RAIN_LOAN_EXITED,    /* the agent has reported an end that Slurm may have caused: its verdict is awaited */
	RAIN_LOAN_RECEIPTED, /* `finished` and `receipt` are out; the countersignature is to come */
	RAIN_LOAN_CLOSED,
	RAIN_LOAN_VOID,	     /* came to nothing: nothing earned */
	RAIN_LOAN_STATES,
};

struct rain_loan_record {
	enum rain_loan_state state;
	bool job_known;	    /* the guest job's id is stored */
	bool job_over;	    /* the guest job has left the nodes */
	bool inputs;	    /* the manifest has come */
	bool staged;	    /* … and all of its blobs */
	bool recalled;	    /* home wants it to end */
	bool evicting;	    /* we want it to end */
	bool delivered;	    /* home has everything: streams and outputs may go */
	enum rain_outcome outcome;
	bool terminated;      /* … after Slurm had sent it SIGTERM */
	bool out_of_memory;   /* … by Slurm's word, which killed it for that */
	int64_t code, signal; /* as the agent reported them */
	int64_t accepted_ms; /* realtime */
	int64_t started_ms;
	int64_t ended_ms;    /* when the end became known */
	int64_t run_ms;
	int64_t claimed_utok;
	int64_t ceiling_utok;
	int64_t seq_in, seq_out;
};

/* What Slurm says about a guest job that is over. */
enum rain_loan_verdict {
	RAIN_LOAN_VERDICT_COMPLETED,
	RAIN_LOAN_VERDICT_FAILED,
	RAIN_LOAN_VERDICT_CANCELLED,
	RAIN_LOAN_VERDICT_PREEMPTED,
	RAIN_LOAN_VERDICT_TIMEOUT,
	RAIN_LOAN_VERDICT_OUT_OF_MEMORY,
	RAIN_LOAN_VERDICT_NODE_FAIL,
	RAIN_LOAN_VERDICT_UNKNOWN, /* it has been absent for long */
	RAIN_LOAN_VERDICTS,
};

enum rain_loan_event_type {
	RAIN_LOAN_EVENT_SUBMITTED,	/* broker */
	RAIN_LOAN_EVENT_SUBMIT_REFUSED, /* broker: it never will be */
	RAIN_LOAN_EVENT_RELEASED,	/* broker */
	RAIN_LOAN_EVENT_STAGED,		/* all blobs are here */
	RAIN_LOAN_EVENT_STAGE_FAILED,	/* they can't be had */
	RAIN_LOAN_EVENT_STARTED,	/* agent */
	RAIN_LOAN_EVENT_EXIT,		/* agent */
	RAIN_LOAN_EVENT_JOB_OVER,	/* Slurm */
	RAIN_LOAN_EVENT_EVICT,		/* our owner */
	RAIN_LOAN_EVENT_TICK,
	RAIN_LOAN_EVENT_INPUTS,		/* home, from here on */
	RAIN_LOAN_EVENT_SIGNAL,
	RAIN_LOAN_EVENT_DELIVERED,
	RAIN_LOAN_EVENT_OTHER,		/* an event of a kind that we don't know */
	RAIN_LOAN_EVENT_WITHDRAWN,
	RAIN_LOAN_EVENT_RECALL,
	RAIN_LOAN_EVENT_COUNTERSIGNED,
	RAIN_LOAN_EVENT_DISPUTED,
	RAIN_LOAN_EVENTS,
};

struct rain_loan_event {
	enum rain_loan_event_type type;
	int64_t claim_utok; /* exit, job over: what the run costs if it ends now
			       (rain_loan_run_ms long); bounded by the ceiling here */
	int64_t code, signal;		/* exit */
	bool other_agent;		/* started, exit: not by the agent that has started
					   it; Slurm may launch a job again after a crash */
	bool failed;			/* exit: RAIN failed there, not the script */
	bool terminated;		/* exit: Slurm itself had sent the agent SIGTERM */
	enum rain_loan_verdict verdict; /* job over */
	int64_t seq;			/* inputs, signal, delivered, other: the message's */
};

struct rain_loan_actions {
	bool send_staged;
	bool send_started;
	bool send_evict;
	bool send_finished;
	bool send_receipt; /* after finished */
	bool store_signal;
	bool hold_void;
	bool hold_post;
};

/* An accepted order whose inputs don't come. */
#define RAIN_LOAN_INPUTS_MS (4 * 60 * 1000)
/* A guest job that goes on after its end was reported is cancelled. */
#define RAIN_LOAN_LINGER_MS 20000

/* The agent's code when RAIN failed before there was one of the script. */
#define RAIN_LOAN_CODE_FAILED 125

/* As rain_burst_step(). */
int rain_loan_step(struct rain_loan_record *record, const struct rain_loan_event *event,
		   int64_t now_ms, struct rain_loan_actions *actions, struct rain_error *err);

/* How long the script has run if it ends now; 0 when it never started. */
int64_t rain_loan_run_ms(const struct rain_loan_record *record, int64_t now_ms);

enum rain_loan_due {
	RAIN_LOAN_DUE_SUBMIT = 1,
	RAIN_LOAN_DUE_FETCH = 2,   /* the blobs of the manifest */
	RAIN_LOAN_DUE_RELEASE = 4,
	RAIN_LOAN_DUE_CANCEL = 8,
};
unsigned rain_loan_due(const struct rain_loan_record *record, int64_t now_ms);

/* Over here: `finished` is out, or there never was anything. */
bool rain_loan_is_over(const struct rain_loan_record *record);
/* Needs no more attention, and its guest uid no longer. */
bool rain_loan_is_done(const struct rain_loan_record *record);

const char *rain_loan_state_name(enum rain_loan_state state);
int rain_loan_state_find(const char *name);

/* The verdict of a Slurm job state ("COMPLETED", …); -1 while it isn't over. */
int rain_loan_verdict_find(const char *slurm_state);

#endif
