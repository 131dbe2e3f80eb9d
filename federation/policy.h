/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_POLICY_H
#define RAIN_FEDERATION_POLICY_H

#include "federation/candidates.h"
#include "scheduler/forecast.h"
#include "scheduler/overflow.h"
#include "scheduler/overhead.h"
#include "scheduler/predict.h"

/*
 * What the overflow policy (scheduler/overflow.h) is told by rain-gatewayd, inside of
 *
 *   policy.c     start and stop; what is known of peers and of sending
 *   standing.c   what lies between us and each peer, in the database
 *   history.c    how long jobs ran
 *   load.c       what runs and waits at home;  load_rows.c  … in the broker's words
 *   pass.c       all jobs that may go, decided at once;  pass_peers.c  … to which peers
 */

/* --- what runs and waits at home --- */

#define RAIN_LOAD_JOBS_MAX 50000 /* tasks of arrays counted one by one; more are left out */

struct rain_load_job {
	int64_t job_id, submit, priority, start; /* start 0: it waits */
	int64_t uid, name;
	int32_t pool, cpus, limit, tasks;
};

struct rain_load_pool {
	json_t *partitions; /* their names; borrowed from `pages` */
	int32_t cpus;
};

struct rain_load {
	json_t *pages, *ended; /* ended: rows of runs that are over */
	struct rain_load_pool *pools;
	size_t pool_count;
	struct rain_load_job *jobs; /* sorted by job_id */
	size_t count;
	int64_t now;	  /* the broker's clock, epoch seconds */
	int64_t asked_ms; /* monotonic; 0: no picture yet */
};

/* Adds a page of the broker's answer. -1 with err: it isn't one, or no memory. */
int rain_load_add(struct rain_load *load, const json_t *page, struct rain_error *err);
void rain_load_release(struct rain_load *load);
/* The pool of a job's (first) partition, or -1. */
int rain_load_pool_find(const struct rain_load *load, const char *partition);

/* How long each of these jobs would wait at home. Jobs that the picture doesn't show
 * as waiting wait behind all others. `predict` NULL: by time limits alone. waits[i]
 * is for jobs[i]. -1 with err: no memory. */
int rain_load_forecast(const struct rain_load *load, const struct rain_predict *predict,
		       const struct rain_queue_job *const jobs[], size_t count,
		       struct rain_forecast_wait waits[], struct rain_error *err);

/* Asks the broker when it is time to; soon, when `wanted`. */
void rain_load_look(struct rain_gateway *gateway, bool wanted);
/* The picture may be used for a job that was first seen then (or can't be had). */
bool rain_load_covers(const struct rain_gateway *gateway, int64_t seen_ms);

/* --- run times --- */

/* Reads what the database remembers. */
int rain_history_read(struct rain_gateway *gateway, struct rain_error *err);
/* Takes runs that are over, as the broker tells them. */
void rain_history_learn(struct rain_gateway *gateway, json_t *ended);
/* The last second of which runs are known. */
int64_t rain_history_until(const struct rain_gateway *gateway);
/* A burst has ended at a peer, in tx. */
int rain_history_burst(struct rain_gateway *gateway, PGconn *tx, const struct rain_burst_row *row,
		       int64_t now_ms, struct rain_error *err);
/* Fills *prediction for a job of the queue; `predict` NULL: by its limit. */
void rain_history_predict(const struct rain_predict *predict, const struct rain_queue_job *job,
			  struct rain_prediction *prediction);

/* --- between us and peers --- */

struct rain_policy_peer {
	struct rain_policy_peer *next;
	int64_t peer;
	struct rain_overhead overhead;
	struct rain_standing standing; /* we are the lender; without what is held */
	struct rain_trust trust;       /* we are the borrower */
};

struct rain_policy {
	struct rain_overflow_policy rule; /* as configured; the allowance in micro-tokens per processor */
	bool predicts;
	struct rain_predict *predict;
	struct rain_trust home;
	struct rain_staging staging;
	struct rain_policy_peer *peers;
	bool read;	     /* the database has been read */
	int64_t standing_ms; /* monotonic, when the standings were read; 0: to be read anew */
	int64_t learnt_until; /* epoch seconds */
	json_t *learnt;	     /* rows that the last answer told of */

	struct rain_load load, next_load;
	bool looking;
	int64_t looked_ms, failed_ms, took_ms;
};

static inline struct rain_policy *rain_policy_of(const struct rain_gateway *gateway)
{
	return rain_mind_of(gateway)->policy;
}

/* What is known of the peer; made when there is nothing. NULL: no memory. */
struct rain_policy_peer *rain_policy_peer(struct rain_gateway *gateway, int64_t peer);
/* Reads the standings, unless they are fresh. -1 with err: the database is away. */
int rain_standing_read(struct rain_gateway *gateway, struct rain_error *err);
/* A burst has changed, in tx: what it tells of its peer. */
int rain_standing_note(struct rain_gateway *gateway, PGconn *tx, const struct rain_burst_row *row,
		       int64_t now_ms, struct rain_error *err);
/* The speed of a core, in MFLOP/s, that the lender of this burst is paid for, in tx: what
 * it claimed, but beyond home's own speed no more than its jobs have shown (struct
 * rain_trust). -1 with err. */
int rain_standing_speed(struct rain_gateway *gateway, PGconn *tx, const struct rain_burst_row *row,
			int64_t *mflops, struct rain_error *err);
/* How much more a peer may have from us, `promised` micro-tokens counted as held,
 * within tx. *owed: what we owe it. -1 with err. */
int rain_standing_credit(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
			 int64_t promised, int64_t *credit, int64_t *owed, struct rain_error *err);

/* A burst has begun to run at its peer: how long that took. */
void rain_policy_sent(struct rain_gateway *gateway, const struct rain_burst_row *row);
uint64_t rain_policy_key(int64_t uid, const char *job_name);

/* --- deciding --- */

/* A peer, as far as all jobs are concerned. */
struct rain_view {
	struct rain_peer *peer;
	struct rain_capacity capacity;
	char said[RAIN_REASON_SIZE]; /* "": nothing */
	bool direct; /* takes what somebody sits before (srun, salloc) */
};

/* NULL: no memory, or no peers. *count gets how many; the caller frees it. */
struct rain_view *rain_views_create(struct rain_gateway *gateway, size_t *count);

/* Jobs that may go, of one look at the queue. */
struct rain_pass {
	const struct rain_queue_job **jobs;
	struct rain_note **notes;
	size_t count, size;
};

void rain_pass_add(struct rain_pass *pass, const struct rain_queue_job *job,
		   struct rain_note *note);
/* Decides for all of them: asks peers, and says why the others wait. */
void rain_pass_decide(struct rain_gateway *gateway, struct rain_pass *pass);
void rain_pass_release(struct rain_pass *pass);

/* The job for the policy, without `barred`. */
void rain_candidate_of(const struct rain_policy *policy, const struct rain_queue_job *job,
		       const struct rain_forecast_wait *wait, int64_t purse,
		       struct rain_candidate *candidate);

#endif
