// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/turn_lookup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "accounting/snapshot_file.h"
#include "accounting/snapshot_map.h"
#include "scheduler/predict.h"
#include "scheduler/predict_key.h"

#define SUBMIT INT64_C(1800000000)
#define NOW INT64_C(1000000)

static char directory[] = "/tmp/rain-turn-XXXXXX";

static int setup(void **state)
{
	struct rain_snapshot_writer writer = {0}, balances = {0};
	struct rain_snapshot_entry entries[] = {
		{.key = rain_predict_key(7, rain_predict_name("heat"), 4), .expected_s = 60},
		{.key = rain_predict_key(7, 0, 4), .expected_s = 600},
		{.key = rain_predict_key(7, 0, 0), .expected_s = 1000},
	}, balance = {.key = rain_snapshot_user(7), .balance_utok = 1000};
	struct rain_error err;

	(void)state;
	assert_non_null(mkdtemp(directory));
	assert_int_equal(rain_snapshot_publish(&writer, directory, RAIN_SNAPSHOT_PREDICTIONS, entries, 3, NOW, &err), 0);
	assert_int_equal(rain_snapshot_publish(&balances, directory, RAIN_SNAPSHOT_BALANCES, &balance, 1, NOW, &err), 0);
	rain_snapshot_writer_release(&writer);
	rain_snapshot_writer_release(&balances);
	return 0;
}

static int teardown(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof path, "%s/" RAIN_SNAPSHOT_PREDICTIONS, directory);
	unlink(path);
	snprintf(path, sizeof path, "%s/" RAIN_SNAPSHOT_BALANCES, directory);
	unlink(path);
	return rmdir(directory);
}

/* For how long the job may wait before those submitted now come first. */
static int64_t patience_of(enum rain_turn_order order, uid_t uid, const char *name, uint32_t procs,
			   int64_t limit, int64_t now_ms)
{
	const struct rain_turn_policy policy = {order, 5, 86400, 1000};
	const struct rain_turn_subject subject = {uid, name, procs, limit, SUBMIT};
	struct rain_error err;
	const struct rain_turn_lookup lookup = {
		rain_snapshot_copy_create(directory, RAIN_SNAPSHOT_PREDICTIONS, &err),
		rain_snapshot_copy_create(directory, RAIN_SNAPSHOT_BALANCES, &err),
	};
	const struct rain_turn_policy now = {RAIN_TURN_SHORTEST, 0, 86400, 1000};
	const struct rain_turn_job at_once = {.submit = SUBMIT, .expected = 1};
	int64_t points;

	assert_non_null(lookup.predictions);
	assert_non_null(lookup.balances);
	rain_snapshot_copy_refresh(lookup.predictions);
	rain_snapshot_copy_refresh(lookup.balances);
	points = rain_turn_look_up(&lookup, &policy, &subject, now_ms);
	rain_snapshot_copy_destroy(lookup.predictions);
	rain_snapshot_copy_destroy(lookup.balances);
	return order == RAIN_TURN_OFF ? points : rain_turn_points(&now, &at_once) - points;
}

static void likeness_is_loosened_step_by_step(void **state)
{
	(void)state;
	assert_int_equal(patience_of(RAIN_TURN_SHORTEST, 7, "heat", 4, 3600, NOW), 5 * 60);
	assert_int_equal(patience_of(RAIN_TURN_SHORTEST, 7, "cool", 4, 3600, NOW), 5 * 600);
	assert_int_equal(patience_of(RAIN_TURN_SHORTEST, 7, NULL, 4, 3600, NOW), 5 * 600);
	assert_int_equal(patience_of(RAIN_TURN_SHORTEST, 7, "heat", 8, 3600, NOW), 5 * 1000);
	assert_int_equal(patience_of(RAIN_TURN_SHORTEST, 8, "heat", 4, 3600, NOW), 5 * 3600);
	/* never longer than asked; without a limit the longest */
	assert_int_equal(patience_of(RAIN_TURN_SHORTEST, 7, "cool", 4, 300, NOW), 5 * 300);
	assert_int_equal(patience_of(RAIN_TURN_SHORTEST, 8, "heat", 4, 0, NOW), 86400);
}

static void without_followers_the_limit_counts(void **state)
{
	const struct rain_turn_lookup none = {NULL, NULL};
	const struct rain_turn_policy policy = {RAIN_TURN_SHORTEST, 5, 86400, 1000};
	const struct rain_turn_subject subject = {7, "heat", 4, 3600, SUBMIT};
	const struct rain_turn_job by_limit = {.submit = SUBMIT, .expected = 3600};

	(void)state;
	assert_int_equal(rain_turn_look_up(&none, &policy, &subject, NOW), rain_turn_points(&policy, &by_limit));
}

static void what_is_stale_or_missing_counts_for_nothing(void **state)
{
	(void)state;
	assert_int_equal(patience_of(RAIN_TURN_SHORTEST, 7, "heat", 4, 3600, NOW + 60000), 5 * 3600);
	assert_int_equal(patience_of(RAIN_TURN_CONTRIBUTION, 7, "heat", 4, 3600, NOW), 43200);
	assert_int_equal(patience_of(RAIN_TURN_CONTRIBUTION, 7, "heat", 4, 3600, NOW + 60000), 86400);
	assert_int_equal(patience_of(RAIN_TURN_CONTRIBUTION, 8, "heat", 4, 3600, NOW), 86400);
	assert_int_equal(patience_of(RAIN_TURN_OFF, 7, "heat", 4, 3600, NOW), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(likeness_is_loosened_step_by_step),
		cmocka_unit_test(without_followers_the_limit_counts),
		cmocka_unit_test(what_is_stale_or_missing_counts_for_nothing),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
