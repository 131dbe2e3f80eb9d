/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scheduler/overflow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/cost.h"

#define CPU_DAY 86400

static const struct rain_overflow_policy policies[] = {
	{"simple", "late binding, first come, first served, no limit",
	 RAIN_CREDIT_NONE, RAIN_ASK_OLDEST, RAIN_CHOOSE_CHEAP, 0, false, 0},
	{"open", "late binding, shortest first, no limit",
	 RAIN_CREDIT_NONE, RAIN_ASK_SHORTEST, RAIN_CHOOSE_FIT, 0, false, 0},
	{"clever", "late binding within bilateral proportional credit, whoever is owed first",
	 RAIN_CREDIT_PROPORTIONAL, RAIN_ASK_FAVOURS, RAIN_CHOOSE_FIT, 300, true, CPU_DAY / 10},
	{"flocking", "peers in a fixed order after a wait at home, oldest first",
	 RAIN_CREDIT_NONE, RAIN_ASK_OLDEST, RAIN_CHOOSE_FIRST, 0, false, 0},
	{"favours", "asks of whoever is owed most first, no limit",
	 RAIN_CREDIT_NONE, RAIN_ASK_FAVOURS, RAIN_CHOOSE_FIT, 0, false, 0},
	{"tokens", "a purse per site, spent and earned one to one",
	 RAIN_CREDIT_TOKENS, RAIN_ASK_SHORTEST, RAIN_CHOOSE_FIT, 0, false, CPU_DAY / 2},
};

const struct rain_overflow_policy *rain_overflow_policy_at(size_t index)
{
	return index < sizeof policies / sizeof *policies ? &policies[index] : NULL;
}

const struct rain_overflow_policy *rain_overflow_policy_find(const char *name,
							     struct rain_error *err)
{
	char known[256] = "";

	for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
		size_t used = strlen(known);

		if (!strcmp(policies[i].name, name))
			return &policies[i];
		snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", policies[i].name);
	}
	rain_error_set(err, "'%.40s' is no overflow policy; there are %s", name, known);
	return NULL;
}

/* Amounts are far from the end of the range in practice; at it, they stay there. */
static int64_t sum(int64_t a, int64_t b)
{
	int64_t result;

	if (__builtin_add_overflow(a, b, &result))
		return a > 0 ? INT64_MAX : INT64_MIN;
	return result;
}

static int64_t product(int64_t a, int64_t b)
{
	int64_t result;

	if (__builtin_mul_overflow(a, b, &result))
		return (a > 0) == (b > 0) ? INT64_MAX : INT64_MIN;
	return result;
}

static int64_t difference(int64_t a, int64_t b)
{
	int64_t result;

	if (__builtin_sub_overflow(a, b, &result))
		return a > 0 ? INT64_MAX : INT64_MIN;
	return result;
}

static int64_t earned(const struct rain_overflow_policy *policy,
		      const struct rain_standing *standing)
{
	int64_t given = standing->borrowed;

	if (policy->credit != RAIN_CREDIT_PROPORTIONAL)
		return given;
	return sum(product(given / 100, policy->k_percent), given % 100 * policy->k_percent / 100);
}

int64_t rain_overflow_credit(const struct rain_overflow_policy *policy,
			     const struct rain_standing *standing, int64_t processors)
{
	int64_t allowance = difference(product(policy->allowance, processors), standing->stranded);

	if (policy->credit == RAIN_CREDIT_NONE)
		return INT64_MAX;
	if (allowance < 0)
		allowance = 0;
	return difference(sum(allowance, earned(policy, standing)),
			  sum(standing->lent, standing->held));
}

int64_t rain_overflow_debt(const struct rain_overflow_policy *policy,
			   const struct rain_standing *standing)
{
	int64_t debt = difference(sum(standing->lent, standing->held), earned(policy, standing));

	return debt > 0 ? debt : 0;
}

#define EVICTING_MEMORY 32     /* jobs */
#define EVICTING_TOO_OFTEN 900 /* permille */
#define THROWN_AWAY_PERCENT 40

void rain_trust_ended(struct rain_trust *trust, int64_t expected, int64_t observed)
{
	trust->expected = sum(trust->expected, expected > 0 ? expected : 1);
	trust->observed = sum(trust->observed, observed > 0 ? observed : 1);
	trust->runs++;
	trust->evicting -= trust->evicting / EVICTING_MEMORY;
}

int64_t rain_trust_evicted(struct rain_trust *trust, int64_t now, int64_t work)
{
	int64_t often, wait;

	trust->evicting += (1000 - trust->evicting) / EVICTING_MEMORY;
	often = trust->evicting;
	wait = often < EVICTING_TOO_OFTEN ? 0 : 600 * often * often / 10000;
	if (wait > 0 && now + wait > trust->closed_until)
		trust->closed_until = now + wait;
	return work / 100 * THROWN_AWAY_PERCENT + work % 100 * THROWN_AWAY_PERCENT / 100;
}

int32_t rain_trust_speed(const struct rain_trust *peer, const struct rain_trust *home,
			 int32_t claimed)
{
	double there, here, most;

	if (peer->runs < RAIN_TRUST_RUNS || home->runs < RAIN_TRUST_RUNS)
		return claimed < 1000 ? claimed : 1000;
	there = (double)peer->expected / (double)peer->observed;
	here = (double)home->expected / (double)home->observed;
	most = 1250 * there / here;
	return most < claimed ? (int32_t)most : claimed;
}

bool rain_overflow_ask_before(const struct rain_overflow_policy *policy,
			      const struct rain_candidate *a, const struct rain_candidate *b)
{
	if (policy->asks == RAIN_ASK_FAVOURS && a->owed != b->owed)
		return a->owed > b->owed;
	if (policy->asks != RAIN_ASK_OLDEST && a->expected != b->expected)
		return a->expected < b->expected;
	return a->submitted < b->submitted;
}

/* How long a job of so many seconds would hold the peer's processors. */
static int64_t seconds_there(int64_t run, const struct rain_candidate *job, const struct rain_capacity *peer)
{
	if (peer->speed_permille > 0 && peer->speed_permille != 1000)
		run = (run * 1000 + peer->speed_permille - 1) / peer->speed_permille;
	return run + peer->overhead + job->staging;
}

static int64_t there(const struct rain_candidate *job, const struct rain_capacity *peer)
{
	return seconds_there(job->plan, job, peer);
}

/* Whether it might still run when the peer's own next job is to begin. There its time
 * limit counts, where it has one: a Slurm starts no job whose limit is in the way. */
static bool is_in_the_way(const struct rain_candidate *job, const struct rain_capacity *peer)
{
	int64_t limit = job->minutes > 0 ? (int64_t)job->minutes * 60 + peer->overhead + job->staging
					 : there(job, peer);

	return limit > peer->window;
}

int64_t rain_overflow_price(const struct rain_candidate *job, const struct rain_capacity *peer)
{
	int64_t price;

	if (peer->mflops == 0)
		return peer->price;
	if (rain_cost_price(job->core_ms, peer->mflops, peer->percent, 100, &price, NULL) < 0)
		return INT64_MAX;
	return price;
}

static bool exceeds(int64_t wanted, int64_t bound)
{
	return bound > 0 && wanted > bound;
}

static bool fits(const struct rain_candidate *job, const struct rain_capacity *peer)
{
	return !exceeds(job->nodes, peer->nodes) && !exceeds(job->minutes, peer->minutes) &&
	       !exceeds(job->cpus_per_node, peer->cpus_per_node) &&
	       !exceeds(job->mem_mb_per_node, peer->mem_mb_per_node);
}

/* Whether what it could cost there is within what may be owed and spent. */
static enum rain_overflow_verdict afford(const struct rain_candidate *job,
					 const struct rain_capacity *peer)
{
	int64_t price;

	if (peer->mflops == 0)
		return job->work > peer->credit ? RAIN_OVERFLOW_DEBT : RAIN_OVERFLOW_GO;
	price = rain_overflow_price(job, peer);
	if (price > job->purse || (job->max_price >= 0 && price > job->max_price))
		return RAIN_OVERFLOW_TOKENS;
	return price > peer->credit ? RAIN_OVERFLOW_DEBT : RAIN_OVERFLOW_GO;
}

enum rain_overflow_verdict rain_overflow_judge(const struct rain_candidate *job,
					       const struct rain_capacity *peer)
{
	enum rain_overflow_verdict verdict;

	if (peer->closed != RAIN_OVERFLOW_GO)
		return peer->closed;
	if (!fits(job, peer))
		return RAIN_OVERFLOW_UNFIT;
	if (job->procs > peer->free)
		return RAIN_OVERFLOW_FULL;
	if (job->procs > peer->extra && is_in_the_way(job, peer))
		return RAIN_OVERFLOW_OWNER;
	verdict = afford(job, peer);
	if (verdict != RAIN_OVERFLOW_GO)
		return verdict;
	if (job->waits >= 0 && (int64_t)job->waits + job->plan <= there(job, peer))
		return RAIN_OVERFLOW_SOON;
	return RAIN_OVERFLOW_GO;
}

static bool better(const struct rain_overflow_policy *policy, const struct rain_candidate *job,
		   const struct rain_capacity *a, const struct rain_capacity *b)
{
	int64_t end_a = there(job, a), end_b = there(job, b);

	if (policy->choice == RAIN_CHOOSE_FIRST)
		return false;
	if (policy->choice == RAIN_CHOOSE_CHEAP) {
		int64_t price_a = rain_overflow_price(job, a), price_b = rain_overflow_price(job, b);

		return price_a != price_b ? price_a < price_b : a->overhead < b->overhead;
	}
	if (end_a != end_b)
		return end_a < end_b;
	if (a->owes != b->owes && policy->credit == RAIN_CREDIT_PROPORTIONAL)
		return a->owes > b->owes;
	return a->free < b->free;
}

int rain_overflow_choose(const struct rain_overflow_policy *policy,
			 const struct rain_candidate *job, const struct rain_capacity *peers,
			 size_t count)
{
	int best = -1;

	for (size_t i = 0; i < count; i++) {
		if (rain_overflow_judge(job, &peers[i]) != RAIN_OVERFLOW_GO)
			continue;
		if (best < 0 || better(policy, job, &peers[i], &peers[best]))
			best = (int)i;
	}
	return best;
}

/* Jobs in the policy's order; sorting indexes keeps the caller's array as it is. */
struct ranked {
	const struct rain_overflow_policy *policy;
	const struct rain_candidate *job;
	size_t index;
};

static int by_rank(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (rain_overflow_ask_before(x->policy, x->job, y->job))
		return -1;
	if (rain_overflow_ask_before(x->policy, y->job, x->job))
		return 1;
	return (x->index > y->index) - (x->index < y->index);
}

/* Puts peer `i` among the best, in order. */
static void keep(const struct rain_overflow_policy *policy, const struct rain_candidate *job,
		 const struct rain_capacity *peers, int i, int best[static RAIN_OVERFLOW_CHOICES])
{
	int at = RAIN_OVERFLOW_CHOICES;

	while (at > 0 && (best[at - 1] < 0 || better(policy, job, &peers[i], &peers[best[at - 1]])))
		at--;
	if (at == RAIN_OVERFLOW_CHOICES)
		return;
	memmove(&best[at + 1], &best[at], (size_t)(RAIN_OVERFLOW_CHOICES - 1 - at) * sizeof *best);
	best[at] = i;
}

static struct rain_placement place(const struct rain_overflow_policy *policy,
				   const struct rain_candidate *job,
				   const struct rain_capacity *peers, size_t count)
{
	struct rain_placement placement = {.about = -1, .verdict = RAIN_OVERFLOW_UNWANTED};
	int best[RAIN_OVERFLOW_CHOICES];

	for (int i = 0; i < RAIN_OVERFLOW_CHOICES; i++)
		best[i] = -1;
	for (size_t i = 0; i < count; i++) {
		enum rain_overflow_verdict verdict = job->barred ? job->barred[i] : RAIN_OVERFLOW_GO;

		if (verdict == RAIN_OVERFLOW_GO)
			verdict = rain_overflow_judge(job, &peers[i]);
		if (verdict == RAIN_OVERFLOW_GO)
			keep(policy, job, peers, (int)i, best);
		if (placement.about < 0 || verdict < placement.verdict) {
			placement.about = (int)i;
			placement.verdict = verdict;
		}
	}
	placement.peer = best[0];
	memcpy(placement.others, best + 1, sizeof placement.others);
	if (placement.peer >= 0)
		placement.about = placement.peer;
	return placement;
}

static void use(const struct rain_candidate *job, struct rain_capacity *peer)
{
	int64_t work = peer->mflops == 0 ? job->work : rain_overflow_price(job, peer);

	peer->free -= job->procs;
	if (is_in_the_way(job, peer))
		peer->extra -= job->procs;
	if (peer->extra > peer->free)
		peer->extra = peer->free;
	peer->credit = difference(peer->credit, work);
	peer->owes = difference(peer->owes, work);
}

int rain_overflow_plan(const struct rain_overflow_policy *policy,
		       const struct rain_candidate *jobs, size_t count,
		       struct rain_capacity *peers, size_t peer_count,
		       struct rain_placement *placements, size_t *order, struct rain_error *err)
{
	struct ranked *ranked = calloc(count ? count : 1, sizeof *ranked);

	if (!ranked)
		return rain_error_set(err, "no memory to rank %zu waiting jobs", count);
	for (size_t i = 0; i < count; i++)
		ranked[i] = (struct ranked){policy, &jobs[i], i};
	qsort(ranked, count, sizeof *ranked, by_rank);
	for (size_t i = 0; i < count; i++) {
		struct rain_placement *placement = &placements[ranked[i].index];

		if (order)
			order[i] = ranked[i].index;
		*placement = place(policy, ranked[i].job, peers, peer_count);
		if (placement->peer >= 0)
			use(ranked[i].job, &peers[placement->peer]);
	}
	free(ranked);
	return 0;
}
