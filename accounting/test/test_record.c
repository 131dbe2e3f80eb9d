// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "accounting/record.h"

static const char good[] =
	"{\"v\":1,\"cluster\":\"alpha\",\"job_id\":42,\"array_job_id\":40,\"array_task_id\":2,"
	"\"het_job_id\":null,\"restart\":1,\"uid\":1000,\"user\":\"ada\",\"group\":\"users\","
	"\"account\":null,\"partition\":\"trainer\",\"qos\":\"normal\",\"name\":\"heat\","
	"\"state\":\"COMPLETED\",\"exit_code\":0,\"exit_signal\":0,\"submit\":1000,"
	"\"eligible\":1000,\"start\":1010,\"end\":1020,\"nodes\":\"node[1-4]\",\"node_count\":4,"
	"\"cpus\":16,\"tres\":\"cpu=16\",\"admin_comment\":\"x\",\"later\":true}";

/* `good` with one field replaced. */
static int parse_with(struct rain_record *record, const char *key, json_t *value,
		      struct rain_error *err)
{
	json_t *json = json_loads(good, 0, NULL);
	char *text;
	int rc;

	assert_non_null(json);
	if (value)
		json_object_set_new(json, key, value);
	else
		json_object_del(json, key);
	text = json_dumps(json, 0);
	rc = rain_record_parse(record, text, strlen(text), err);
	free(text);
	json_decref(json);
	return rc;
}

static void assert_refused(const char *key, json_t *value, const char *said)
{
	struct rain_record record;
	struct rain_error err;

	assert_int_equal(parse_with(&record, key, value, &err), -1);
	assert_non_null(strstr(err.text, said));
	assert_null(record.json);
}

static void test_reads_a_record(void **state)
{
	struct rain_record record;

	(void)state;
	assert_int_equal(rain_record_parse(&record, good, strlen(good), NULL), 0);
	assert_string_equal(record.cluster, "alpha");
	assert_int_equal(record.job_id, 42);
	assert_int_equal(record.restart, 1);
	assert_int_equal(record.array_task_id, 2);
	assert_int_equal(record.het_job_id, -1);
	assert_string_equal(record.account, "");
	assert_int_equal(record.core_ms, 160000);
	rain_record_release(&record);
}

static void test_a_job_that_never_ran_used_nothing(void **state)
{
	struct rain_record record;

	(void)state;
	assert_int_equal(parse_with(&record, "start", json_integer(0), NULL), 0);
	assert_int_equal(record.core_ms, 0);
	assert_int_equal(record.start, 1020);
	rain_record_release(&record);
	assert_int_equal(parse_with(&record, "nodes", json_string(""), NULL), 0);
	assert_int_equal(record.core_ms, 0);
	rain_record_release(&record);
}

static void test_suspended_time_is_free(void **state)
{
	struct rain_record record;

	(void)state;
	assert_int_equal(parse_with(&record, "suspended", json_integer(4), NULL), 0);
	assert_int_equal(record.core_ms, 96000);
	rain_record_release(&record);
	assert_refused("suspended", json_integer(11), "suspended");
	assert_refused("suspended", json_integer(-1), "suspended");
}

static void test_refuses_what_is_out_of_bounds(void **state)
{
	char long_name[RAIN_RECORD_TEXT_MAX + 2];

	(void)state;
	memset(long_name, 'x', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	assert_refused("v", json_integer(2), "version");
	assert_refused("v", NULL, "v");
	assert_refused("job_id", json_integer(0), "job_id");
	assert_refused("job_id", json_integer(4294967296), "job_id");
	assert_refused("job_id", json_string("42"), "job_id");
	assert_refused("cluster", json_string(""), "cluster");
	assert_refused("user", json_string(""), "account");
	assert_refused("user", json_string("a:b"), "account");
	assert_refused("restart", json_integer(-1), "restart");
	assert_refused("name", json_string(long_name), "name");
	assert_refused("end", json_integer(1009), "before it started");
	assert_refused("end", json_integer(INT64_MAX), "end");
	assert_refused("cpus", json_integer(-1), "cpus");
	assert_refused("partition", NULL, "partition");
}

static void test_core_time_is_checked(void **state)
{
	struct rain_record record;
	struct rain_error err;
	static const char huge[] =
		"{\"v\":1,\"cluster\":\"a\",\"job_id\":1,\"restart\":0,\"user\":\"u\","
		"\"partition\":\"p\",\"state\":\"s\",\"exit_code\":0,\"exit_signal\":0,"
		"\"submit\":0,\"start\":1,\"end\":1099511627776,\"nodes\":\"n\",\"node_count\":1,"
		"\"cpus\":4294967295}";

	(void)state;
	assert_int_equal(rain_record_parse(&record, huge, strlen(huge), &err), -1);
	assert_non_null(strstr(err.text, "more core time"));
}

static void test_refuses_what_is_no_json(void **state)
{
	static const char *const bad[] = {"", "{", "[]", "1", "{} {}", "\xff\xfe"};
	struct rain_record record;
	struct rain_error err;
	char *large = malloc(RAIN_RECORD_SIZE_MAX + 2);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(rain_record_parse(&record, bad[i], strlen(bad[i]), &err), -1);
	assert_non_null(large);
	memset(large, ' ', RAIN_RECORD_SIZE_MAX + 1);
	assert_int_equal(rain_record_parse(&record, large, RAIN_RECORD_SIZE_MAX + 1, &err), -1);
	free(large);
}

static void test_every_prefix_is_refused_or_read(void **state)
{
	struct rain_record record;

	(void)state;
	for (size_t size = 0; size < strlen(good); size++)
		assert_int_equal(rain_record_parse(&record, good, size, NULL), -1);
}

static void test_place_is_told_by_the_partition(void **state)
{
	struct rain_record record = {.partition = "trainer"};

	(void)state;
	assert_int_equal(rain_record_place(&record, "overflow", "guest"), RAIN_PLACE_HOME);
	record.partition = "overflow";
	assert_int_equal(rain_record_place(&record, "overflow", "guest"), RAIN_PLACE_OVERFLOW);
	record.partition = "guest";
	assert_int_equal(rain_record_place(&record, "overflow", "guest"), RAIN_PLACE_GUEST);
}

static void test_run_carries_all(void **state)
{
	struct rain_record record;
	json_t *run;

	(void)state;
	assert_int_equal(rain_record_parse(&record, good, strlen(good), NULL), 0);
	run = rain_record_to_run(&record, RAIN_PLACE_HOME, 77);
	assert_non_null(run);
	assert_string_equal(json_string_value(json_object_get(run, "place")), "home");
	assert_int_equal(json_integer_value(json_object_get(run, "price")), 77);
	assert_int_equal(json_integer_value(json_object_get(run, "core_ms")), 160000);
	assert_true(json_is_null(json_object_get(run, "het_job_id")));
	assert_string_equal(json_string_value(json_object_get(run, "job_name")), "heat");
	json_decref(run);
	rain_record_release(&record);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_a_record),
		cmocka_unit_test(test_a_job_that_never_ran_used_nothing),
		cmocka_unit_test(test_suspended_time_is_free),
		cmocka_unit_test(test_refuses_what_is_out_of_bounds),
		cmocka_unit_test(test_core_time_is_checked),
		cmocka_unit_test(test_refuses_what_is_no_json),
		cmocka_unit_test(test_every_prefix_is_refused_or_read),
		cmocka_unit_test(test_place_is_told_by_the_partition),
		cmocka_unit_test(test_run_carries_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
