/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scheduler/overflow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CPU_DAY 86400

static const struct rain_overflow_policy policies[] = {
	{"simple", "late binding, first come, first served, no limit",
	 RAIN_CREDIT_NONE, RAIN_ASK_OLDEST, RAIN_CHOOSE_CHEAP, 0, 0},
	{"open", "late binding, shortest first, no limit",
	 RAIN_CREDIT_NONE, RAIN_ASK_SHORTEST, RAIN_CHOOSE_FIT, 0, 0},
	{"clever", "late binding, shortest first, bilateral proportional credit",
	 RAIN_CREDIT_PROPORTIONAL, RAIN_ASK_SHORTEST, RAIN_CHOOSE_FIT, 300, CPU_DAY / 10},
	{"flocking", "peers in a fixed order after a wait at home, oldest first",
	 RAIN_CREDIT_NONE, RAIN_ASK_OLDEST, RAIN_CHOOSE_FIRST, 0, 0},
	{"favours", "asks of whoever is owed most first, no limit",
	 RAIN_CREDIT_NONE, RAIN_ASK_FAVOURS, RAIN_CHOOSE_FIT, 0, 0},
	{"tokens", "a purse per site, spent and earned one to one",
	 RAIN_CREDIT_TOKENS, RAIN_ASK_SHORTEST, RAIN_CHOOSE_FIT, 0, CPU_DAY / 2},
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

int64_t rain_overflow_credit(const struct rain_overflow_policy *policy,
			     const struct rain_standing *standing, int64_t processors)
{
	int64_t earned = standing->borrowed;

	if (policy->credit == RAIN_CREDIT_NONE)
		return INT64_MAX;
	if (policy->credit == RAIN_CREDIT_PROPORTIONAL)
		earned = sum(product(earned / 100, policy->k_percent),
			     earned % 100 * policy->k_percent / 100);
	return difference(sum(product(policy->allowance, processors), earned),
			  sum(standing->lent, standing->held));
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

/* How long the job would hold the peer's processors. */
static int64_t there(const struct rain_candidate *job, const struct rain_capacity *peer)
{
	int64_t run = job->plan;

	if (peer->speed_permille > 0 && peer->speed_permille != 1000)
		run = (run * 1000 + peer->speed_permille - 1) / peer->speed_permille;
	return run + peer->overhead;
}

enum rain_overflow_verdict rain_overflow_judge(const struct rain_candidate *job,
					       const struct rain_capacity *peer)
{
	if (job->procs > peer->free)
		return RAIN_OVERFLOW_FULL;
	if (job->procs > peer->extra && there(job, peer) > peer->window)
		return RAIN_OVERFLOW_OWNER;
	if (job->work > peer->credit)
		return RAIN_OVERFLOW_DEBT;
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
	if (policy->choice == RAIN_CHOOSE_CHEAP)
		return a->price != b->price ? a->price < b->price : a->overhead < b->overhead;
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
