/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_CANDIDATES_H
#define RAIN_FEDERATION_CANDIDATES_H

#include "federation/mind.h"
#include "scheduler/eligible.h"
#include "scheduler/overflow.h"

/* Inside of candidates.c, ask.c and ask_memory.c: jobs that wait, and what peers say.  All of
 * it may be forgotten: after a restart it is asked anew. */

#define RAIN_ASK_PEERS RAIN_OVERFLOW_CHOICES /* asked at once for one job */
#define RAIN_ASKS_MAX 16	  /* jobs asked for at a time */
#define RAIN_ASK_ANSWER_MS 2500	  /* who says nothing by then isn't waited for */
#define RAIN_ASK_PATIENCE_MS 120  /* for a better offer than the first */
#define RAIN_ANNOTATE_GAP_MS 20000
#define RAIN_SAVE_GAP_MS 2000
#define RAIN_REFUSAL_MS 15000	  /* until a peer that refused a job for good is asked again */
#define RAIN_ROOM_MIN_MS 1000	  /* until a full peer is asked again, doubling up to … */
#define RAIN_ROOM_MAX_MS 8000
#define RAIN_ROOM_LINE_MS 20000	  /* the same, where we stand in line and hear when it is our turn */

#define RAIN_REBIND_S 3
#define RAIN_BROKEN_IN_A_ROW 5	  /* the same, for its nodes lack something */
#define RAIN_LOST_IN_A_ROW 3	  /* such a peer is left alone for a while */
#define RAIN_LOST_MS 60000

enum rain_answer { RAIN_ANSWER_NONE, RAIN_ANSWER_OFFER, RAIN_ANSWER_REFUSED };

struct rain_ask {
	struct rain_ask *next;
	char id[RAIN_UUID_SIZE]; /* of the burst to be */
	struct rain_queue_job job; /* a copy; job.peers is not to be used */
	struct rain_candidate candidate; /* the same as the policy saw it */
	int64_t asked_ms, offer_ms;
	size_t count;
	struct {
		struct rain_peer *peer;
		enum rain_answer answer;
		struct rain_terms terms;
		int64_t until_ms;
	} peers[RAIN_ASK_PEERS];
};

/* What a peer said about a job. */
struct rain_refusal {
	int64_t peer;
	int64_t until_ms;
	char reason[RAIN_REASON_SIZE];
};

struct rain_note {
	struct rain_note *next, *chain; /* chain: of the same bucket */
	int64_t job_id, submit_time, uid;
	char user[RAIN_USER_SIZE], name[RAIN_JOB_NAME_SIZE];
	bool only;
	int64_t since_ms; /* realtime */
	int64_t first_ms; /* the same, monotonic */
	int64_t seen_ms;  /* the pass that still saw it */
	int64_t unbind_ms, split_ms, annotated_ms;
	int32_t waits, ahead, known; /* as foretold; waits -1: not known */
	bool waits_more;
	char sentence[RAIN_OVERFLOW_SENTENCE], annotated[RAIN_OVERFLOW_SENTENCE];
};

/* A peer that has no room for so many nodes at this moment. */
struct rain_room {
	struct rain_room *next;
	int64_t peer, nodes, until_ms, delay_ms;
	int64_t probe_ms; /* one job is asked for, to see whether there is room again: until then */
	int lost;   /* jobs in a row */
	int broken; /* jobs in a row that found no program or library there */
	bool tells; /* it says when it has room again … */
	bool line;  /* … to one after the other */
	char reason[RAIN_REASON_SIZE];
	int64_t extra, window_ms; /* beyond so many nodes it has them until then; 0: not said */
	int64_t credit_utok, credit_until_ms; /* what more it would let us owe it */
};

#define RAIN_NOTE_BUCKETS 4096

struct rain_asks {
	struct event *pass;
	int64_t passed_ms, saved_ms;
	bool notes_changed;
	struct rain_note *notes, *buckets[RAIN_NOTE_BUCKETS];
	struct rain_ask *list;
	size_t count;
	struct rain_room *rooms;
	struct rain_refusal_of_job {
		struct rain_refusal_of_job *next;
		int64_t job_id;
		struct rain_refusal refusal;
	} *refusals;
	struct rain_money *money; /* sorted by user */
	size_t money_count;
};

/* What a user may spend. */
struct rain_money {
	char user[RAIN_USER_SIZE];
	int64_t available_utok, read_ms;
};

struct rain_note *rain_note_of(struct rain_asks *asks, int64_t job_id, int64_t submit_time);

/* --- array.c --- */
/* May one more task of the job's array start (%N of sbatch --array)? */
bool rain_array_has_room(const struct rain_gateway *gateway, const struct rain_queue_job *job);
/* Has some of a whole array's tasks split off, to be looked at one by one. */
void rain_array_split(struct rain_gateway *gateway, struct rain_note *note,
		      const struct rain_queue_job *job);

static inline struct rain_asks *rain_asks_of(const struct rain_gateway *gateway)
{
	return rain_mind_of(gateway)->asks;
}

/* candidates.c: the sentence that people see, here and in Slurm. */
void rain_candidates_say(struct rain_gateway *gateway, struct rain_note *note,
			 const char *sentence);

/* ask.c */
enum rain_eligibility rain_candidate_verdict(const struct rain_queue_job *job,
					     char sentence[static RAIN_OVERFLOW_SENTENCE]);
struct rain_ask *rain_ask_of(const struct rain_asks *asks, int64_t job_id);
/* Asks these peers about the job. `candidate` and `job` are copied. So many more wait. */
void rain_ask_send(struct rain_gateway *gateway, const struct rain_queue_job *job,
		   const struct rain_candidate *candidate, struct rain_peer *const peers[],
		   size_t count, int64_t waiting);
/* Takes the best of the offers, where it is time to. */
void rain_asks_judge(struct rain_gateway *gateway);
void rain_ask_drop(struct rain_asks *asks, struct rain_ask *ask);

/* ask_memory.c */
struct rain_room *rain_room_of(struct rain_asks *asks, int64_t peer, bool make);
/* It is left alone because it loses or breaks jobs, not because it is full. */
bool rain_room_is_throttled(const struct rain_room *room);
struct rain_refusal *rain_refusal_of(struct rain_asks *asks, int64_t job_id, int64_t peer,
				     bool make);
/* `capacity`: it has no room for so many nodes; else it won't have this job. */
void rain_refusal_note(struct rain_asks *asks, const struct rain_ask *ask,
		       const struct rain_peer *peer, const char *reason, bool capacity);
/* The peer says that it has so many nodes again; `line`: to us alone. */
void rain_room_told(struct rain_gateway *gateway, const struct rain_peer *peer, int64_t nodes, bool line);
/* We stand in line there. */
void rain_room_line(struct rain_asks *asks, const struct rain_peer *peer);
/* After a refusal for want of room one job goes first, and the others when it has an offer:
 * whether it is out. */
bool rain_room_is_probed(struct rain_asks *asks, const struct rain_peer *peer);
/* The peer has answered an ask with an offer. */
void rain_room_offered(struct rain_asks *asks, const struct rain_peer *peer);
/* So many of the nodes that it has are asked for. */
void rain_room_take(struct rain_asks *asks, const struct rain_peer *peer, int64_t nodes);
void rain_refusals_forget(struct rain_asks *asks, int64_t now);
/* Reads what the users of these jobs may spend, unless it is fresh. -1: the database
 * is away. */
int rain_money_read(struct rain_gateway *gateway, const struct rain_queue_job *const jobs[],
		    size_t count, struct rain_error *err);
/* What was read; NULL: nothing. */
const struct rain_money *rain_money_of(const struct rain_gateway *gateway, const char *user);
void rain_money_forget(struct rain_asks *asks, const char *user);
void rain_asks_release(struct rain_asks *asks);

#endif
