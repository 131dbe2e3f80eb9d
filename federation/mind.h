/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_MIND_H
#define RAIN_FEDERATION_MIND_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "federation/gateway.h"
#include "federation/message.h"
#include "federation/row.h"
#include "scheduler/overflow.h"

/*
 * The mind of rain-gatewayd: what the messages mean.  One module of
 * federation/gateway.h, in parts:
 *
 *   mind.c       the module: start, recovery, which blobs may travel
 *   mind_live.c  rows that need attention, in memory
 *   mind_messages.c  which message is whose
 *   home.c       our bursts: transactions and messages
 *   home_work.c  … and what is done for them outside of the database
 *   queue.c      what Slurm shows, asked again and again
 *   candidates.c which of our jobs should go;  array.c  … of tasks of arrays;
 *   ask.c        asking peers, ordering;
 *   ask_memory.c what peers said before
 *   policy.h     … by which policy, and what it knows
 *   lender.c     loans: transactions and messages
 *   lender_ask.c asks of peers;  lender_decide.c … and what they are told;
 *   lender_lease.c  nodes kept free for an offer;  lender_room.c  … and who found none;
 *   lender_terms.c  what the owner lets peers have;
 *   ban.c        … and whom of their users not
 *   lender_work.c … and what is done for loans outside of the database
 *   settle.c     receipts, both sides;  dispute.c  … and chains of them that broke
 *   fetch.c      the blobs of bursts and loans
 *   stream.c     their stdout and stderr;  stream_move.c  … between clusters
 *   stream_input.c  stdin of what somebody sits before
 *   system.c     what our card says of the machine
 *   waiter.c     long polls
 *   faces.c      HTTP: routes, and streams for peers;
 *   job_face.c   … for rain-relay;  agent_face.c  … for rain-agent;
 *   bursts_ops.c for the command rain-bursts;  owner_ops.c for rain-recall, rain-offers
 *
 * The database is the truth.  What is kept in memory is a copy of the rows
 * that still need attention ("live"), read anew after each change ("touched"),
 * and what may be forgotten: asks, leases, requests under way.
 */

/* --- long polls: waiter.c --- */

struct rain_waiter;
struct rain_waiters {
	struct rain_waiter *first;
};

/* Answers the request when it can; must when `last`. Returns whether it did. */
typedef bool (*rain_waiter_answer)(struct rain_gateway *gateway, struct rain_waiter *waiter,
				   bool last);

struct rain_waiter {
	struct rain_waiter *next;
	struct rain_waiters *list;
	struct rain_gateway *gateway;
	struct rain_http_request *request;
	rain_waiter_answer answer;
	/* what is waited for, in the words of who waits */
	char id[RAIN_UUID_SIZE];
	char text[RAIN_SHA256_TEXT_SIZE];
	int64_t after;
};

/* Answers at once when it can, else when the list is woken, or after wait_s.
 * `waiter` is copied. */
void rain_waiters_add(struct rain_waiters *list, const struct rain_waiter *waiter, int64_t wait_s);
void rain_waiters_wake(struct rain_waiters *list);
/* Makes all of them answer. */
void rain_waiters_end(struct rain_waiters *list);

/* --- live rows --- */

struct rain_live {
	bool touched;	    /* to be read anew */
	bool busy;	    /* a call to the broker is under way */
	int64_t changed_ms; /* monotonic: what Slurm showed before is out of date */
	int64_t retry_ms;   /* monotonic: not before */
	int retries;
	int64_t absent_ms;  /* monotonic, since when Slurm doesn't show the job; 0: it does */
};

struct rain_fetch; /* a blob on its way */
struct rain_stream_move; /* a piece of a stream on its way */

/* stdin on its way. */
struct rain_input_move;
struct rain_input {
	struct rain_input_move *move;
	int64_t moved; /* bytes that the lender has; on the lender, the program */
	int64_t retry_ms;
	bool done;
};

struct rain_live_burst {
	struct rain_live_burst *next;
	struct rain_live live;
	struct rain_burst_row row;
	struct rain_waiters waiters;
	struct rain_fetch *fetches;
	bool bringing; /* the fetches are of inputs, not of outputs */
	json_t *early; /* blobs that the relay brought before it named them, or NULL */
	struct rain_stream_move *polls[2]; /* stdout, stderr: fetched from the lender */
	struct rain_input input;
	int64_t relay_signal;	/* number of the last signal that the relay passed on */
	char annotated[RAIN_OVERFLOW_SENTENCE];
	char return_error[RAIN_SENTENCE_SIZE]; /* why the job can't go back */
	bool clocked; /* Slurm knows when the job's time is over */
};

struct rain_live_loan {
	struct rain_live_loan *next;
	struct rain_live live;
	struct rain_loan_row row;
	struct rain_waiters waiters;
	struct rain_fetch *fetches;
	struct rain_stream_move *pushes[2];
	struct rain_input input;
	int64_t pushed[2]; /* bytes that home has */
	int64_t push_retry_ms;
	bool fetch_failed;
};

/* --- what Slurm shows: queue.c --- */

struct rain_queue_job {
	int64_t job_id, uid, submit_time, restart;
	int64_t eligible_s; /* for how long it could have started; < 0: not yet */
	int64_t mem_mb_per_node, mem_mb_per_cpu;
	int64_t array_job_id;	 /* 0: no part of an array */
	int64_t array_task_id;	 /* -1: none, or a whole array */
	int64_t array_max_tasks; /* that may run at once; 0: all */
	char user[RAIN_USER_SIZE];
	char name[RAIN_JOB_NAME_SIZE];
	char partition[RAIN_PARTITION_SIZE];
	char state[32], reason[64];
	char nodelist[RAIN_REASON_SIZE];
	char loan[RAIN_UUID_SIZE]; /* "": one of our own */
	bool completing, held, preempted, batch, requeues, whole_array, het, gres, constrained, no_limit, returning;
	struct rain_shape shape;
	bool only;
	int64_t max_utok; /* -1: no bound */
	json_t *peers;	  /* borrowed from the snapshot */
};

struct rain_queue {
	json_t *pages; /* what `jobs` points into */
	struct rain_queue_job *jobs; /* sorted by job_id */
	size_t count;
	int64_t asked_ms; /* monotonic, when the broker was asked */
};

/* Asks the broker soon (or at latest in the usual interval). */
void rain_queue_nudge(struct rain_gateway *gateway);
const struct rain_queue_job *rain_queue_find(const struct rain_queue *queue, int64_t job_id);
/* Adds a page of the broker's answer. -1 with err: it isn't one, or no memory. */
int rain_queue_add(struct rain_queue *queue, const json_t *page, struct rain_error *err);
void rain_queue_release(struct rain_queue *queue);
int rain_queue_start(struct rain_gateway *gateway, struct rain_error *err);
void rain_queue_stop(struct rain_gateway *gateway);

/* --- the whole --- */

struct rain_asks;   /* candidates.c */
struct rain_policy; /* policy.c */
struct rain_leases; /* lender_ask.c */

struct rain_mind {
	struct event *turn;	/* live rows were touched */
	struct event *tick;	/* every second */
	struct rain_live_burst *bursts;
	struct rain_live_loan *loans;
	bool recovered; /* the open rows have been read */
	int64_t dropped_ms; /* monotonic: when a burst was last done with */
	int64_t orphans_ms; /* monotonic: not to look for guests without a loan before */

	struct event *poll; /* queue.c */
	bool polling, nudged;
	int64_t polled_ms;
	struct rain_queue queue, next_queue;
	int64_t poll_errors;

	struct rain_asks *asks;
	struct rain_policy *policy;
	struct rain_leases *leases;
	struct rain_system *system; /* system.c */
};

static inline struct rain_mind *rain_mind_of(const struct rain_gateway *gateway)
{
	return gateway->mind;
}

extern const struct rain_gateway_module rain_mind_module;

/* A new UUID (version 4). */
void rain_mind_uuid(char id[static RAIN_UUID_SIZE]);

/* The row is (or may be) changed: read it anew in the next turn of the loop.
 * May be called within a transaction, whatever becomes of it. */
void rain_burst_touch(struct rain_gateway *gateway, const char *id);
void rain_loan_touch(struct rain_gateway *gateway, const char *id);
/* NULL when it isn't live. */
struct rain_live_burst *rain_burst_live(const struct rain_gateway *gateway, const char *id);
struct rain_live_loan *rain_loan_live(const struct rain_gateway *gateway, const char *id);
/* The burst of a home job: the live one, the newest if there are several. */
struct rain_live_burst *rain_burst_of_job(const struct rain_gateway *gateway, int64_t job_id);

/* Reads what was touched and works on it: the callback of mind->turn. */
void rain_live_turn(evutil_socket_t fd, short what, void *gateway);
/* Forgets a burst that needs no more attention, and its streams. */
void rain_burst_drop_when_done(struct rain_gateway *gateway, struct rain_live_burst *burst);
void rain_live_drop_all(struct rain_mind *mind);

/* The peer of a row. */
struct rain_peer *rain_mind_peer(const struct rain_gateway *gateway, int64_t row);
/* Messages reach it, as far as we know. */
bool rain_mind_peer_is_near(const struct rain_peer *peer);
/* Bundles may come to it in parts, and before a manifest names them. */
bool rain_mind_peer_takes_parts(const struct rain_peer *peer);

/* Sends m about burst `id` to the peer, in this transaction. */
int rain_mind_send(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
		   const char *id, struct rain_message *m, struct rain_error *err);

/* Prices core_ms on the terms. */
int rain_mind_price(const struct rain_terms *terms, int64_t core_ms, int64_t *utok,
		    struct rain_error *err);

/* --- home.c --- */

/* What comes along with an event. All may be NULL or zero. */
struct rain_home_extra {
	const struct rain_peer *peer; /* who says it; checked against the row's */
	const struct rain_message *message;
	json_t *manifest;
	int64_t signal, rows, columns;
	int64_t amount_utok, observed_utok; /* settle */
	bool disputed;
};

/* Applies an event to a burst within a transaction: state, holds and messages.
 * Returns as rain_burst_step(); -1 also when there is no such burst. */
int rain_home_apply(struct rain_gateway *gateway, PGconn *tx, const char *id,
		    const struct rain_burst_event *event, const struct rain_home_extra *extra,
		    struct rain_error *err);
/* The same in a transaction of its own. */
int rain_home_do(struct rain_gateway *gateway, const char *id, enum rain_burst_event_type type,
		 const struct rain_home_extra *extra, struct rain_error *err);
/* Creates a burst from an accepted offer: hold, row and order. */
int rain_home_order(struct rain_gateway *gateway, const struct rain_burst_row *row,
		    struct rain_error *err);
int rain_home_on_message(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
			 const struct rain_message *m, struct rain_error *err);

/* --- home_work.c --- */
void rain_home_work(struct rain_gateway *gateway, struct rain_live_burst *burst);
void rain_home_on_queue(struct rain_gateway *gateway, struct rain_live_burst *burst);
void rain_home_stop(struct rain_live_burst *burst);
/* The relay of this user's job has brought a blob that its manifest will name:
 * it goes on to the lender at once. */
void rain_home_bring(struct rain_gateway *gateway, int64_t job_id, int64_t uid, const char *sha256);

/* --- candidates.c --- */
int rain_candidates_start(struct rain_gateway *gateway, struct rain_error *err);
void rain_candidates_stop(struct rain_gateway *gateway);
/* A new picture of the queue, or an answer has come. */
void rain_candidates_work(struct rain_gateway *gateway);
/* An offer or refusal (in the message's transaction; only memory changes). */
void rain_candidates_answer(struct rain_gateway *gateway, const struct rain_peer *peer,
			    const struct rain_message *m);
/* One of our jobs has ended there, so it may have room again. */
void rain_candidates_room(struct rain_gateway *gateway, const struct rain_peer *peer);
/* It has lost one of our jobs, or has brought one to its end. */
void rain_candidates_lost(struct rain_gateway *gateway, int64_t job_id, const struct rain_peer *peer,
			  const char *reason);
void rain_candidates_kept(struct rain_gateway *gateway, const struct rain_peer *peer, int64_t code);
/* Puts `text` into the job's record in Slurm, when it isn't there. */
void rain_candidates_annotate(struct rain_gateway *gateway, int64_t job_id, int64_t submit_time,
			      const char *text);

/* --- policy.c --- */
int rain_policy_start(struct rain_gateway *gateway, struct rain_error *err);
void rain_policy_stop(struct rain_gateway *gateway);
void rain_policy_tick(struct rain_gateway *gateway);

/* --- lender.c --- */
struct rain_lender_extra {
	const struct rain_peer *peer;
	const struct rain_message *message;
	int64_t job_id; /* submitted */
	const char *reason;
	const char *job_nodes;
	const char *agent; /* started, exit: which one says it */
	int64_t stdout_bytes, stderr_bytes; /* exit */
	json_t *outputs;		    /* exit */
	int64_t amount_utok;		    /* countersigned */
};
int rain_lender_apply(struct rain_gateway *gateway, PGconn *tx, const char *id,
		      const struct rain_loan_event *event, const struct rain_lender_extra *extra,
		      struct rain_error *err);
int rain_lender_do(struct rain_gateway *gateway, const char *id, struct rain_loan_event event,
		   const struct rain_lender_extra *extra, struct rain_error *err);
int rain_lender_on_message(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
			   const struct rain_message *m, struct rain_error *err);

/* --- lender_ask.c --- */
int rain_leases_start(struct rain_gateway *gateway, struct rain_error *err);
void rain_leases_stop(struct rain_gateway *gateway);
/* An ask has come (in its transaction; only memory changes). */
void rain_leases_ask(struct rain_gateway *gateway, const struct rain_peer *peer,
		     const struct rain_message *m);
/* Does the order fit a lease that still stands? */
bool rain_leases_fits(const struct rain_gateway *gateway, const struct rain_peer *peer,
		      const struct rain_message *order);
void rain_leases_drop(struct rain_gateway *gateway, const char *id);
/* The offer isn't taken: its nodes are somebody else's. */
void rain_leases_return(struct rain_gateway *gateway, const char *id);
void rain_leases_tick(struct rain_gateway *gateway);
/* So many nodes have become free: who found none before is told (lender_room.c). */
void rain_room_again(struct rain_gateway *gateway);
/* Processors that we lend at most. */
int64_t rain_leases_processors(const struct rain_gateway *gateway);
/* Adds what leases of the peer (0: of all) promise, or of one user of it (NULL: of all). */
void rain_leases_promised(const struct rain_gateway *gateway, int64_t peer, const char *user, int64_t *nodes,
			  int64_t *cores);
/* What we lend this peer (NULL: anybody), for our card. */
json_t *rain_leases_card(struct rain_gateway *gateway, const struct rain_peer *peer);

/* --- lender_terms.c --- */
struct rain_lender_answer {
	char reason[RAIN_REASON_SIZE]; /* why not */
	bool capacity;		       /* … only for want of room at this moment */
};
/* The bounds for this user of a peer (NULL: any): the nearest of its own, the peer's and
 * everybody's. */
const struct rain_config_bounds *rain_lender_bounds(const struct rain_gateway *gateway, const char *peer,
						    const char *user);
/* May the peer (NULL: anybody) have anything at all just now? */
bool rain_lender_lends(const struct rain_gateway *gateway, const struct rain_peer *peer,
		       struct rain_lender_answer *answer);
/* May this user of it have so much just now? */
bool rain_lender_may(const struct rain_gateway *gateway, const struct rain_peer *peer, const char *user,
		     const struct rain_shape *shape, struct rain_lender_answer *answer);

/* --- dispute.c --- */
json_t *rain_dispute_op_settle(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
			       struct rain_error *err);
json_t *rain_dispute_op_list(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
			     struct rain_error *err);

/* --- ban.c --- */
/* 1: the owner doesn't take this user's jobs, and `reason` says so; 0; -1. */
int rain_ban_find(PGconn *tx, const struct rain_peer *peer, const char *user, char reason[RAIN_REASON_SIZE],
		  struct rain_error *err);
json_t *rain_ban_op_set(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
			struct rain_error *err);
json_t *rain_ban_op_lift(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
			 struct rain_error *err);
json_t *rain_ban_op_list(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
			 struct rain_error *err);

/* --- lender_work.c --- */
void rain_lender_work(struct rain_gateway *gateway, struct rain_live_loan *loan);
void rain_lender_on_queue(struct rain_gateway *gateway, struct rain_live_loan *loan);
/* Cancels guest jobs that no loan knows. */
void rain_lender_orphans(struct rain_gateway *gateway);
void rain_lender_stop(struct rain_live_loan *loan);

/* --- fetch.c: the blobs of a burst or loan --- */

/* Makes sure that all of `blobs` (visited by `each`) get here from the peer, or
 * there from here (`push`).  Moves that are under way go on; each end touches
 * the row.  Returns how many are still to come; *error, when one can't be had. */
size_t rain_fetches_work(struct rain_gateway *gateway, struct rain_fetch **list,
			 struct rain_peer *peer, const json_t *blobs, bool push, const char *owner,
			 bool is_loan, const char *id, const char **error);
/* Why this blob doesn't come, or NULL while it may. */
const char *rain_fetches_error(const struct rain_fetch *list, const char *sha256);
/* How many bytes of `blobs` have come here for `owner`, or been sent there (`push`: also
 * fetched by the peer), of how many. Whether that is neither none nor all. */
bool rain_fetches_progress(const struct rain_gateway *gateway, const struct rain_fetch *list,
			   const json_t *blobs, bool push, const char *owner, int64_t *at, int64_t *size);
void rain_fetches_stop(struct rain_fetch **list);
/* How many bytes of `blobs` are still to come for `owner`; 0: all are here, whole. */
int64_t rain_fetches_missing(struct rain_gateway *gateway, const json_t *blobs, const char *owner);
/* True while somebody brings some of `blobs` here for `owner`, and none is fetched by `list`. */
bool rain_fetches_are_brought(struct rain_gateway *gateway, const struct rain_fetch *list,
			      const json_t *blobs, const char *owner);
/* A new list of all blobs that a manifest names. */
json_t *rain_fetches_of_manifest(const json_t *manifest);

/* --- settle.c --- */
int rain_settle_sign(struct rain_gateway *gateway, PGconn *tx, const struct rain_loan_row *row,
		     struct rain_error *err);
int rain_settle_receipt(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
			const struct rain_message *m, struct rain_error *err);
int rain_settle_countersigned(struct rain_gateway *gateway, PGconn *tx,
			      const struct rain_peer *peer, const struct rain_message *m,
			      struct rain_error *err);
int rain_settle_disputed(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
			 const struct rain_message *m, struct rain_error *err);

/* --- stream.c --- */
#define RAIN_STREAM_PIECE (256 * 1024)

/* "stdout" is 0, "stderr" 1, anything else -1. */
int rain_stream_find(const char *name);
extern const char *const rain_stream_names[3];
#define RAIN_STREAM_STDIN 2 /* of what somebody sits before: stream_input.c */
/* Bytes that are there. */
int64_t rain_stream_size(const struct rain_gateway *gateway, bool is_loan, const char *id,
			 int which);
/* Appends what is new of `size` bytes at `offset`; *now gets the stream's size.
 * 1 when `offset` lies beyond it (nothing is written), -1 with err. */
int rain_stream_write(const struct rain_gateway *gateway, bool is_loan, const char *id, int which,
		      int64_t offset, const void *data, size_t size, int64_t *now,
		      struct rain_error *err);
/* Answers with what there is from `after` on (at most one piece), Rain-Offset,
 * and Rain-End when the stream is whole (`total` >= 0) . */
void rain_stream_reply(struct rain_gateway *gateway, struct rain_http_request *request,
		       bool is_loan, const char *id, int which, int64_t after, int64_t total);
int rain_stream_open(const struct rain_gateway *gateway, bool is_loan, const char *id, int which);
/* Nothing more comes behind what there is of stdin; whether that was said. */
int rain_stream_end(const struct rain_gateway *gateway, bool is_loan, const char *id,
		    struct rain_error *err);
bool rain_stream_has_ended(const struct rain_gateway *gateway, bool is_loan, const char *id);
void rain_stream_remove(const struct rain_gateway *gateway, bool is_loan, const char *id);
/* Removes directories of bursts and loans that aren't live. */
void rain_streams_clean(struct rain_gateway *gateway);

/* Moving them between clusters (stream_move.c). */
void rain_stream_push(struct rain_gateway *gateway, struct rain_live_loan *loan);
void rain_stream_pull(struct rain_gateway *gateway, struct rain_live_burst *burst);
void rain_stream_move_stop(struct rain_stream_move **move);

/* … and stdin (stream_input.c): home brings it, or the lender fetches it. */
void rain_input_push(struct rain_gateway *gateway, struct rain_live_burst *burst);
void rain_input_pull(struct rain_gateway *gateway, struct rain_live_loan *loan);
void rain_input_stop(struct rain_input *input);

extern const struct rain_message_handler rain_mind_messages[];
extern const struct rain_http_route rain_mind_routes[];
extern const struct rain_rpc_op rain_mind_ops[];
/* … and of owner_ops.c. */
json_t *rain_owner_op_recall(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
			     struct rain_error *err);
/* Sends the guests away: all, of one peer, or of one user of it (NULL: of all).
 * 0 with how many; -1. */
int rain_owner_evict(struct rain_gateway *gateway, const struct rain_peer *peer, const char *user,
		     const char *reason, int64_t *count, struct rain_error *err);
json_t *rain_owner_op_offers(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
			     struct rain_error *err);
#endif
