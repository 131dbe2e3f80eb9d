/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_SCHEDULER_OVERFLOW_H
#define RAIN_SCHEDULER_OVERFLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/*
 * The overflow policy: which waiting job goes to which peer, which of the jobs
 * that peers ask for is taken first, and how far a peer may run into debt.
 * Pure; the gateway and the simulator call the same functions.
 *
 * Work is counted in any one unit (micro-tokens, processor-seconds), the same
 * in all arguments of a call.  Times are seconds.
 */
#define RAIN_OVERFLOW_SENTENCE 400

enum rain_credit_rule {
	RAIN_CREDIT_NONE,	  /* everybody may have everything */
	RAIN_CREDIT_PROPORTIONAL, /* allowance + k x what the peer has given us */
	RAIN_CREDIT_TOKENS,	  /* a purse: what all have paid for, less what was spent */
};

enum rain_ask_order {
	RAIN_ASK_OLDEST,   /* first come, first served */
	RAIN_ASK_SHORTEST, /* the shortest expected job first */
	RAIN_ASK_FAVOURS,  /* of whoever we owe the most, then the shortest */
};

enum rain_peer_choice {
	RAIN_CHOOSE_FIRST, /* the first in the list: fixed order */
	RAIN_CHOOSE_CHEAP, /* the cheapest, then the nearest */
	RAIN_CHOOSE_FIT,   /* where it ends first; then whoever owes us most; then the tightest fit */
};

/* A policy has a name; rain_overflow_policy_find knows all of them. */
struct rain_overflow_policy {
	const char *name;
	const char *what; /* one line for people */
	enum rain_credit_rule credit;
	enum rain_ask_order asks;
	enum rain_peer_choice choice;
	int32_t k_percent;	   /* PROPORTIONAL: k, in percent */
	bool verifies;		   /* pays for no more than was observed, and avoids evictors */
	int64_t allowance;	   /* per processor of the lender (PROPORTIONAL), of the site (TOKENS) */
};

/* The policies by name: "simple", "clever", "flocking", "favours", "tokens";
 * index beyond the last: NULL. */
const struct rain_overflow_policy *rain_overflow_policy_at(size_t index);
const struct rain_overflow_policy *rain_overflow_policy_find(const char *name,
							     struct rain_error *err);

/* What lies between us and one peer, as we (the lender) see it. */
struct rain_standing {
	int64_t lent;	  /* the peer has had from us, settled */
	int64_t held;	  /* its jobs that run here now, at their full limit */
	int64_t borrowed; /* we have had from the peer, settled */
	int64_t stranded; /* debts beyond k x borrowed of names that are gone, not yet forgotten */
};

/* How much more the peer may have from us. `processors`: the lender's own.
 *
 *	allowance x processors - stranded + k x borrowed - lent - held
 *
 * where the first two terms together are at least 0: what newcomers took and left
 * with is taken from what the next newcomer gets, so new names gain nothing. */
int64_t rain_overflow_credit(const struct rain_overflow_policy *policy,
			     const struct rain_standing *standing, int64_t processors);

/* What the peer has had beyond k x what it gave: stranded, should it never come back. */
int64_t rain_overflow_debt(const struct rain_overflow_policy *policy,
			   const struct rain_standing *standing);

/*
 * Trust, learnt from what was observed, pair by pair.
 *
 * Speed: a peer that claims fast processors must end jobs early. How much longer
 * jobs were expected to run than they did, there against at home, tells how fast
 * it is; nobody is paid for more than a quarter above that, and until
 * RAIN_TRUST_RUNS jobs have ended there, for no more than home's own speed.
 *
 * Evictions: a part of what was thrown away comes off what the peer has given, so
 * that who evicts gets less in turn; that alone disciplines. An owner who needs the
 * machine is forgiven that way. Only a peer that throws out nearly everything is left
 * alone for a while, the longer the more often it happens.
 */
#define RAIN_TRUST_RUNS 20

struct rain_trust {
	int64_t expected, observed; /* seconds, of all jobs that have ended there */
	int64_t runs;
	int32_t evicting; /* permille of the last some thirty jobs, a moving average */
	int64_t closed_until;
};

/* A job that was expected to run `expected` seconds has ended after `observed`. */
void rain_trust_ended(struct rain_trust *trust, int64_t expected, int64_t observed);
/* A job was evicted at `now`, after `work`: returns how much of it comes off what the
 * peer has given. */
int64_t rain_trust_evicted(struct rain_trust *trust, int64_t now, int64_t work);
/* The speed, in permille of home's, that a peer that claims `claimed` is paid for.
 * `home`: the same book for jobs that ran at home. */
int32_t rain_trust_speed(const struct rain_trust *peer, const struct rain_trust *home,
			 int32_t claimed);

/* A job as a candidate.  Room is counted in any one unit (nodes, processors). */
struct rain_candidate {
	int64_t submitted;
	int64_t work;	/* the most that it may cost, for the credit */
	int32_t plan;	/* seconds to reserve for it: its limit, or a safe prediction */
	int32_t expected; /* seconds it is expected to run: for the order */
	int32_t procs;
	int32_t waits;	/* seconds it is expected to wait on at home; -1: not known */
	int64_t owed;	/* we owe to its home: borrowed - lent */

	/* What the simulator leaves 0: nothing of it matters then. */
	int32_t staging; /* seconds more than others that its files take on the way */
	int32_t nodes, cpus_per_node, minutes; /* what a peer's bounds may rule out */
	int64_t mem_mb_per_node;
	int64_t core_ms;  /* priced at the peer's rate instead of `work` */
	int64_t purse;	  /* what its user may spend */
	int64_t max_price; /* what its user wants to spend at most; -1: no bound */
	const uint8_t *barred; /* for each peer a verdict that stands, or 0; NULL: none */

	/* How `waits` was found, for the sentence. */
	bool waits_more;  /* it is only known that it waits longer than that */
	int32_t ahead;	  /* jobs that come before it */
	int32_t known;	  /* of them, those whose users have a history */
};

/* True when a lender should take ask `a` before ask `b`. */
bool rain_overflow_ask_before(const struct rain_overflow_policy *policy,
			      const struct rain_candidate *a, const struct rain_candidate *b);

enum rain_overflow_verdict {
	RAIN_OVERFLOW_GO,
	/* From the nearest to a yes to the farthest. */
	RAIN_OVERFLOW_SOON,   /* home starts it before a peer could */
	RAIN_OVERFLOW_TOKENS, /* its user hasn't the tokens, or doesn't want to spend them */
	RAIN_OVERFLOW_DEBT,   /* beyond what we may have from it */
	RAIN_OVERFLOW_OWNER,  /* it would delay the peer's own next job */
	RAIN_OVERFLOW_FULL,   /* not enough free there */
	RAIN_OVERFLOW_REFUSED, /* the peer has refused this job just now */
	RAIN_OVERFLOW_UNFIT,  /* it doesn't fit within what the peer lends at all */
	RAIN_OVERFLOW_EVICTS, /* the peer throws jobs out */
	RAIN_OVERFLOW_AWAY,   /* the peer can't be reached */
	RAIN_OVERFLOW_MISER,  /* the peer doesn't lend */
	RAIN_OVERFLOW_UNWANTED, /* the user wants other peers */
};

/* What a peer could start at this moment. */
struct rain_capacity {
	int32_t free;	/* room; 0: nothing */
	int32_t extra;	/* of it, how much isn't promised to its own next job */
	int32_t window; /* seconds until that job needs the rest */
	int32_t overhead; /* seconds that a job costs more there */
	int32_t speed_permille; /* against home; 0: the same */
	int64_t credit; /* what we may still have from it */
	int64_t price;	/* what this job could cost there, for RAIN_CHOOSE_CHEAP */
	int64_t owes;	/* it owes us: what it had from us less what we had from it */

	/* What the simulator leaves 0. */
	enum rain_overflow_verdict closed; /* a verdict that holds for all jobs, or GO */
	int32_t nodes, cpus_per_node, minutes; /* its bounds; 0: none */
	int64_t mem_mb_per_node;
	int64_t mflops, percent; /* its rate (scheduler/cost.h); 0: `price` is the price */
};

/* Whether this job may go to this peer now. Looks at `closed`, not at `barred`. */
enum rain_overflow_verdict rain_overflow_judge(const struct rain_candidate *job,
					       const struct rain_capacity *peer);

/* What the job could cost there; INT64_MAX when that can't be said. */
int64_t rain_overflow_price(const struct rain_candidate *job, const struct rain_capacity *peer);

/* The best peer of those that may have it, or -1. */
int rain_overflow_choose(const struct rain_overflow_policy *policy,
			 const struct rain_candidate *job, const struct rain_capacity *peers,
			 size_t count);

/* What was decided for one job. */
#define RAIN_OVERFLOW_CHOICES 3
struct rain_placement {
	int peer;  /* index, or -1: waits at home */
	int others[RAIN_OVERFLOW_CHOICES - 1]; /* the next best, or -1 */
	int about; /* index of the peer that the verdict is about; -1: there are no peers */
	enum rain_overflow_verdict verdict; /* of the peer that came closest to taking it */
};

/* Decides for all waiting jobs at once: in the policy's order, each to its best
 * peer, whose room and credit then shrink (peers is changed). order[i] is the index
 * of the job that comes i-th (may be NULL). -1: no memory. */
int rain_overflow_plan(const struct rain_overflow_policy *policy,
		       const struct rain_candidate *jobs, size_t count,
		       struct rain_capacity *peers, size_t peer_count,
		       struct rain_placement *placements, size_t *order, struct rain_error *err);

/* The decision in words, for the job's owner: "goes to bravo, which can start it
 * now; at home it would wait about 2.0 h". `peer` as it was when judged, `name` its;
 * `said`: what the peer said, or how long it has been away, when that is the reason. */
void rain_overflow_explain(const struct rain_candidate *job, const struct rain_capacity *peer,
			   enum rain_overflow_verdict verdict, const char *name, const char *said,
			   char sentence[static RAIN_OVERFLOW_SENTENCE]);

#endif
