// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "accounting/history.h"
#include "scheduler/predict_key.h"

static void learn(struct rain_history *history, uint32_t uid, const char *name, int32_t procs,
		  int64_t end, int32_t run)
{
	const struct rain_history_run r = {.uid = uid, .name = rain_predict_name(name), .procs = procs,
					   .submit = end - run - 10, .end = end, .run = run};
	struct rain_error err;

	assert_int_equal(rain_history_learn(history, &r, &err), 0);
}

static int64_t ready(const struct rain_history *history, uint32_t uid, const char *name, int32_t procs)
{
	struct rain_snapshot_entry *entries;
	int64_t expected = -1;
	size_t count;

	entries = rain_history_entries(history, &count);
	for (size_t i = 0; i < count; i++)
		if (entries[i].key == rain_predict_key(uid, rain_predict_name(name), procs))
			expected = entries[i].expected_s;
	free(entries);
	return expected;
}

static void only_what_had_ended_counts(void **state)
{
	struct rain_history *history = rain_history_create();
	struct rain_prediction prediction;

	(void)state;
	for (int i = 0; i < 12; i++)
		learn(history, 7, "heat", 4, 1000 + i, 100);
	for (int i = 0; i < 12; i++)
		learn(history, 7, "heat", 4, 2000 + i, 500);
	rain_history_predict(history, 7, rain_predict_name("heat"), 4, 3600, 1500, &prediction);
	assert_int_equal(prediction.expected, 100);
	assert_int_equal(prediction.high, 100);
	assert_int_equal(prediction.basis, RAIN_PREDICT_NAME);
	rain_history_predict(history, 7, rain_predict_name("heat"), 4, 3600, 3000, &prediction);
	assert_int_equal(prediction.expected, 500);
	rain_history_predict(history, 7, rain_predict_name("heat"), 4, 3600, 999, &prediction);
	assert_int_equal(prediction.basis, RAIN_PREDICT_LIMIT);
	assert_int_equal(prediction.expected, 3600);
	/* others' runs are others' */
	rain_history_predict(history, 8, rain_predict_name("heat"), 4, 3600, 3000, &prediction);
	assert_int_equal(prediction.basis, RAIN_PREDICT_LIMIT);
	rain_history_destroy(history);
}

/* Twenty short runs and then two long ones: both beyond nine of ten, and expected now. */
static void the_bound_is_never_below_what_is_expected(void **state)
{
	struct rain_history *history = rain_history_create();
	struct rain_prediction prediction;

	(void)state;
	for (int i = 0; i < 30; i++)
		learn(history, 7, "heat", 4, 1000 + i, i < 28 ? 10 : 5000);
	rain_history_predict(history, 7, rain_predict_name("heat"), 4, INT32_MAX, INT64_MAX, &prediction);
	assert_int_equal(prediction.expected, 5000);
	assert_int_equal(prediction.high, 5000);
	rain_history_destroy(history);
}

static void what_is_ready_is_what_would_be_said(void **state)
{
	struct rain_history *history = rain_history_create();

	(void)state;
	assert_int_equal(ready(history, 7, "heat", 4), -1);
	learn(history, 7, "heat", 4, 1000, 100);
	learn(history, 7, "heat", 4, 1001, 200);
	learn(history, 7, "cool", 4, 1002, 1000);
	assert_int_equal(ready(history, 7, "heat", 4), 150);
	assert_int_equal(ready(history, 7, NULL, 4), 600); /* the last two of this size */
	assert_int_equal(ready(history, 7, NULL, 0), 600);
	assert_int_equal(ready(history, 7, "heat", 8), -1);
	assert_int_equal(ready(history, 8, "heat", 4), -1);
	rain_history_destroy(history);
}

/* More kinds than are kept, more users than the first tables hold. */
static void it_stays_within_its_bounds(void **state)
{
	struct rain_history *history = rain_history_create();
	size_t count;

	(void)state;
	for (int i = 0; i < RAIN_HISTORY_KINDS_MAX; i++)
		learn(history, (uint32_t)(i % 300), "x", i, 1000 + i, 60);
	free(rain_history_entries(history, &count));
	assert_true(count > 0 && count <= RAIN_HISTORY_KINDS_MAX);
	assert_int_equal(ready(history, (RAIN_HISTORY_KINDS_MAX - 1) % 300, "x", RAIN_HISTORY_KINDS_MAX - 1), 60);
	rain_history_destroy(history);
	rain_history_destroy(NULL);
}

static void keys_differ(void **state)
{
	(void)state;
	assert_int_equal(rain_predict_name(NULL), 0);
	assert_int_not_equal(rain_predict_name("a"), rain_predict_name("b"));
	assert_int_not_equal(rain_predict_key(1, 0, 4), rain_predict_key(4, 0, 1));
	assert_int_not_equal(rain_predict_key(1, 0, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_had_ended_counts),
		cmocka_unit_test(the_bound_is_never_below_what_is_expected),
		cmocka_unit_test(what_is_ready_is_what_would_be_said),
		cmocka_unit_test(it_stays_within_its_bounds),
		cmocka_unit_test(keys_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
