// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/turn_lookup.h"

#include "scheduler/predict.h"
#include "scheduler/predict_key.h"

static bool find(const struct rain_turn_lookup *lookup, uint64_t key, int64_t now_ms, int64_t *expected)
{
	struct rain_snapshot_entry entry;

	if (!lookup->predictions || !rain_snapshot_copy_find(lookup->predictions, key, now_ms, &entry))
		return false;
	*expected = entry.expected_s;
	return true;
}

/* Jobs of that name and size, of that size, any of the user's: as predict.h loosens. */
static int64_t expected(const struct rain_turn_lookup *lookup, const struct rain_turn_subject *subject,
			int64_t now_ms)
{
	uint64_t name = rain_predict_name(subject->name);
	int32_t procs = subject->procs < INT32_MAX ? (int32_t)subject->procs : INT32_MAX;
	int64_t seconds;

	if (!find(lookup, rain_predict_key(subject->uid, name, procs), now_ms, &seconds) &&
	    !find(lookup, rain_predict_key(subject->uid, 0, procs), now_ms, &seconds) &&
	    !find(lookup, rain_predict_key(subject->uid, 0, 0), now_ms, &seconds))
		return subject->limit;
	return subject->limit > 0 && seconds > subject->limit ? subject->limit : seconds;
}

int64_t rain_turn_look_up(const struct rain_turn_lookup *lookup, const struct rain_turn_policy *policy,
			  const struct rain_turn_subject *subject, int64_t now_ms)
{
	struct rain_turn_job job = {.submit = subject->submit};
	struct rain_snapshot_entry entry;

	if (policy->order == RAIN_TURN_SHORTEST)
		job.expected = expected(lookup, subject, now_ms);
	else if (policy->order == RAIN_TURN_CONTRIBUTION && lookup->balances &&
		 rain_snapshot_copy_find(lookup->balances, rain_snapshot_user(subject->uid), now_ms, &entry))
		job.balance_utok = entry.balance_utok;
	return rain_turn_points(policy, &job);
}
