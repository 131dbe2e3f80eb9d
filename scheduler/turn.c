/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scheduler/turn.h"

#define EPOCH INT64_C(1735689600) /* 2025-01-01 UTC */

static int64_t by_length(const struct rain_turn_policy *policy, int64_t expected)
{
	int64_t wait;

	if (expected <= 0 || __builtin_mul_overflow(expected, (int64_t)policy->patience, &wait) ||
	    wait > policy->max_wait)
		return policy->max_wait;
	return wait;
}

/* max_wait x reference / (reference + balance) */
static int64_t by_contribution(const struct rain_turn_policy *policy, int64_t balance)
{
	__int128 reference = policy->reference_utok;

	if (balance <= 0)
		return policy->max_wait;
	return (int64_t)(policy->max_wait * reference / (reference + balance));
}

int64_t rain_turn_deadline(const struct rain_turn_policy *policy, const struct rain_turn_job *job)
{
	int64_t wait = policy->order == RAIN_TURN_CONTRIBUTION
			       ? by_contribution(policy, job->balance_utok)
			       : by_length(policy, job->expected), deadline;

	return __builtin_add_overflow(job->submit, wait, &deadline) ? INT64_MAX : deadline;
}

int64_t rain_turn_points(const struct rain_turn_policy *policy, const struct rain_turn_job *job)
{
	int64_t points;

	if (policy->order == RAIN_TURN_OFF)
		return 0;
	if (__builtin_sub_overflow(EPOCH + RAIN_TURN_POINTS_MAX, rain_turn_deadline(policy, job), &points))
		points = 1;
	return points < 1 ? 1 : points > RAIN_TURN_POINTS_MAX ? RAIN_TURN_POINTS_MAX : points;
}
