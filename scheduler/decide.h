/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_SCHEDULER_DECIDE_H
#define RAIN_SCHEDULER_DECIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * To which peer a job should go.  Pure.
 *
 * The simple policy of late binding: home first; a job that home can't start
 * at this moment goes to the cheapest peer that can, if its user has the
 * tokens.  Sentences are for the user and end up in Slurm's job record.
 */
#define RAIN_DECIDE_SENTENCE 400

/* One peer, as far as one job is concerned. */
struct rain_decide_peer {
	const char *name;
	bool reachable;
	bool lends;
	bool wanted;		/* the user's --burst-peers allows it */
	const char *unfit;	/* why the job doesn't fit there (from its card), or NULL */
	const char *refusal;	/* its last answer about this job, or NULL */
	int64_t silent_s;	/* not reachable: for how long; -1: since ever */
	int64_t ceiling_utok;	/* what the job could cost there; from its card, or its offer */
	int64_t latency_ms;
	bool may_ask;		/* not asked just now, not backing off */
};

struct rain_decide_money {
	const char *user;
	int64_t available_utok; /* of the user */
	int64_t max_utok;	/* --burst-max-tokens; -1: no bound */
};

/* Picks at most `max` peers to ask, cheapest first (indexes into peers).
 * Returns how many; with 0 the sentence says why the job waits. */
size_t rain_decide_ask(const struct rain_decide_peer *peers, size_t count,
		       const struct rain_decide_money *money, size_t max, size_t picked[],
		       char sentence[static RAIN_DECIDE_SENTENCE]);

/* Picks the best of the offers (peers with their ceilings): the cheapest, then
 * the nearest. -1 when none can be paid; the sentence says why. */
int rain_decide_offer(const struct rain_decide_peer *offers, size_t count,
		      const struct rain_decide_money *money,
		      char sentence[static RAIN_DECIDE_SENTENCE]);

#endif
