/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a node keeps of its heat: against a model, over restarts, wrong clocks and
 * half-written places. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "panel/record.h"

#define HOUR 3600
#define BEGAN (INT64_C(490000) * HOUR)

static char directory[] = "/tmp/rain-record-XXXXXX";
static char path[128];

static void open_again(struct rain_record *record)
{
	struct rain_error err;

	assert_int_equal(rain_record_open(record, directory, "node1", &err), 0);
}

static bool look(struct rain_record *record, int64_t time_s, int64_t now_ms,
		 enum rain_panel_temperature temperature, int64_t millidegrees, int64_t khz)
{
	struct rain_heat_look one = {.time_s = time_s, .temperature = temperature,
				     .millidegrees = millidegrees, .clock_khz = khz};

	return rain_record_look(record, &one, now_ms);
}

static json_t *tell(struct rain_record *record, int64_t since, int64_t until, int64_t step)
{
	struct rain_error err;
	char *line = rain_record_tell(record, since, until, step, &err);
	json_t *answer = line ? json_loads(line, 0, NULL) : NULL;

	assert_non_null(answer);
	assert_int_equal(line[strlen(line) - 1], '\n');
	assert_true(json_is_true(json_object_get(answer, "ok")));
	free(line);
	return answer;
}

static json_int_t number(const json_t *answer, const char *list, size_t i, const char *key)
{
	const json_t *all = json_object_get(json_object_get(answer, "result"), list);
	const json_t *value = json_object_get(json_array_get(all, i), key);

	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

static size_t count_of(const json_t *answer, const char *list)
{
	return json_array_size(json_object_get(json_object_get(answer, "result"), list));
}

static int fresh(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/rain-record-XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/node1.record", directory);
	return 0;
}

static int gone(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

static void test_sums_and_events(void **state)
{
	struct rain_record record;
	json_t *answer;

	(void)state;
	open_again(&record);
	assert_false(look(&record, BEGAN, 10000, RAIN_PANEL_TEMPERATURE_OK, 50000, 1000000));
	assert_true(look(&record, BEGAN + 10, 20000, RAIN_PANEL_TEMPERATURE_HOT, 82000, 600000));
	assert_false(look(&record, BEGAN + 20, 30000, RAIN_PANEL_TEMPERATURE_HOT, 84000, 700000));
	assert_true(look(&record, BEGAN + 30, 40000, RAIN_PANEL_TEMPERATURE_SLOW, 60000, 500000));
	assert_true(look(&record, BEGAN + 40, 50000, RAIN_PANEL_TEMPERATURE_OK, 54000, 1000000));
	answer = tell(&record, BEGAN, BEGAN + 60, 0);
	assert_int_equal(count_of(answer, "rows"), 1);
	assert_int_equal(number(answer, "rows", 0, "coolest_mdeg"), 50000);
	assert_int_equal(number(answer, "rows", 0, "mean_mdeg"), 66000);
	assert_int_equal(number(answer, "rows", 0, "hottest_mdeg"), 84000);
	assert_int_equal(number(answer, "rows", 0, "slowest_khz"), 500000);
	assert_int_equal(number(answer, "rows", 0, "mean_khz"), 760000);
	assert_int_equal(number(answer, "rows", 0, "seen_ms"), 40000);
	assert_int_equal(number(answer, "rows", 0, "hot_ms"), 20000);
	assert_int_equal(number(answer, "rows", 0, "slow_ms"), 10000);
	assert_int_equal(number(answer, "rows", 0, "throttles"), 2);
	assert_int_equal(count_of(answer, "events"), 2);
	assert_int_equal(number(answer, "events", 0, "at"), BEGAN + 10);
	assert_int_equal(number(answer, "events", 0, "lasted_s"), 20);
	assert_int_equal(number(answer, "events", 0, "hottest_mdeg"), 84000);
	assert_int_equal(number(answer, "events", 0, "slowest_khz"), 600000);
	assert_int_equal(number(answer, "events", 1, "lasted_s"), 10);
	for (size_t i = 0; i < 2; i++)
		assert_true(json_is_true(json_object_get(
			json_array_get(json_object_get(json_object_get(answer, "result"), "events"), i),
			"over")));
	json_decref(answer);
	rain_record_close(&record);
}

static void test_no_sensor(void **state)
{
	struct rain_record record;
	const json_t *row;
	json_t *answer;

	(void)state;
	open_again(&record);
	look(&record, BEGAN, 10000, RAIN_PANEL_TEMPERATURE_UNKNOWN, 0, 0);
	look(&record, BEGAN + 10, 20000, RAIN_PANEL_TEMPERATURE_UNKNOWN, 0, 0);
	answer = tell(&record, BEGAN, BEGAN + HOUR, 1);
	row = json_array_get(json_object_get(json_object_get(answer, "result"), "rows"), 0);
	assert_null(json_object_get(row, "mean_mdeg"));
	assert_null(json_object_get(row, "mean_khz"));
	assert_int_equal(number(answer, "rows", 0, "seen_ms"), 10000);
	json_decref(answer);
	rain_record_close(&record);
}

/* Ten days of looks, stopped cleanly or by kill -9 now and then: of each hour no
 * more than what was not yet written is lost, and nothing is counted twice. */
static void test_restarts(void **state)
{
	static uint32_t sure[240], most[240];
	struct rain_record record;
	int64_t now_ms = 1000;
	uint32_t unwritten = 0;

	(void)state;
	srand(11);
	open_again(&record);
	for (int i = 0; i < 240 * 360; i++) {
		int64_t time_s = BEGAN + i * 10;
		int hour = i / 360;
		bool same_hour = i % 360 != 0;

		now_ms += 10000;
		look(&record, time_s, now_ms, RAIN_PANEL_TEMPERATURE_OK, 50000 + hour, 1000000);
		most[hour]++;
		unwritten = same_hour && record.dirty ? unwritten + 1 : record.dirty;
		if (rand() % 2000 == 0) {
			if (rand() % 2)
				rain_record_close(&record);
			else
				close(record.fd), most[hour] -= unwritten;
			open_again(&record);
			unwritten = 0;
			sure[hour] = most[hour];
		}
	}
	rain_record_close(&record);
	open_again(&record);
	for (int hour = 0; hour < 240; hour++) {
		json_t *answer = tell(&record, BEGAN + hour * HOUR, BEGAN + (hour + 1) * HOUR, 1);

		assert_int_equal(number(answer, "rows", 0, "hottest_mdeg"), 50000 + hour);
		/* The first look after a start lasted no time. */
		assert_in_range(number(answer, "rows", 0, "seen_ms"), (most[hour] - 12) * 10000,
				most[hour] * 10000);
		json_decref(answer);
	}
	assert_true(sure[0] <= most[0]);
	rain_record_close(&record);
}

static void test_event_over_a_crash(void **state)
{
	struct rain_record record;
	json_t *answer;

	(void)state;
	open_again(&record);
	look(&record, BEGAN, 10000, RAIN_PANEL_TEMPERATURE_OK, 50000, 0);
	look(&record, BEGAN + 10, 20000, RAIN_PANEL_TEMPERATURE_HOT, 90000, 0);
	close(record.fd); /* kill -9 */
	open_again(&record);
	look(&record, BEGAN + 100, 10000, RAIN_PANEL_TEMPERATURE_HOT, 91000, 0);
	answer = tell(&record, BEGAN, BEGAN + HOUR, 0);
	assert_int_equal(count_of(answer, "events"), 2);
	assert_int_equal(number(answer, "events", 1, "at"), BEGAN + 100);
	assert_int_equal(number(answer, "rows", 0, "throttles"), 2);
	json_decref(answer);
	rain_record_close(&record);
}

/* A board without a clock of its own starts in 1970, and finds the time later. */
static void test_wrong_clock(void **state)
{
	struct rain_record record;
	json_t *answer;

	(void)state;
	open_again(&record);
	look(&record, BEGAN, 10000, RAIN_PANEL_TEMPERATURE_OK, 50000, 0);
	look(&record, 7200, 20000, RAIN_PANEL_TEMPERATURE_OK, 99000, 0);
	look(&record, BEGAN + 20, 30000, RAIN_PANEL_TEMPERATURE_OK, 52000, 0);
	answer = tell(&record, BEGAN, BEGAN + HOUR, 1);
	assert_int_equal(number(answer, "rows", 0, "hottest_mdeg"), 52000);
	assert_int_equal(number(answer, "rows", 0, "mean_mdeg"), 51000);
	json_decref(answer);
	rain_record_close(&record);
}

static void test_broken_places(void **state)
{
	struct rain_record record;
	unsigned char noise[64];
	struct stat status;
	json_t *answer;
	int fd;

	(void)state;
	open_again(&record);
	for (int i = 0; i < 1000; i++)
		look(&record, BEGAN + i * HOUR, 10000 + i * 10000,
		     i % 2 ? RAIN_PANEL_TEMPERATURE_HOT : RAIN_PANEL_TEMPERATURE_OK, 50000, 0);
	rain_record_close(&record);
	assert_int_equal(stat(path, &status), 0);
	assert_true(status.st_size < 900000);
	fd = open(path, O_RDWR);
	memset(noise, 0xa5, sizeof(noise));
	for (off_t at = 4096; at < status.st_size; at += 7919)
		assert_int_equal(pwrite(fd, noise, sizeof(noise), at), sizeof(noise));
	close(fd);
	open_again(&record);
	answer = tell(&record, BEGAN, BEGAN + 1000 * HOUR, 24);
	assert_in_range(count_of(answer, "rows"), 30, 42);
	assert_in_range(count_of(answer, "events"), 50, RAIN_RECORD_EVENTS_TOLD_MAX);
	for (size_t i = 0; i < count_of(answer, "rows"); i++)
		assert_int_equal(number(answer, "rows", i, "hottest_mdeg"), 50000);
	json_decref(answer);
	rain_record_close(&record);
}

static void test_bounds(void **state)
{
	struct rain_record record;
	struct rain_error err;
	json_t *answer;

	(void)state;
	open_again(&record);
	for (int i = 0; i < 400; i++)
		look(&record, BEGAN + i * HOUR / 2, INT64_C(1000000) + i * 10000,
		     i % 2 ? RAIN_PANEL_TEMPERATURE_HOT : RAIN_PANEL_TEMPERATURE_SLOW, -99999, 4294967);
	assert_null(rain_record_tell(&record, BEGAN, BEGAN + 169 * HOUR, 1, &err));
	assert_non_null(strstr(err.text, "168 rows"));
	answer = tell(&record, BEGAN, BEGAN + 168 * HOUR, 1);
	assert_int_equal(count_of(answer, "rows"), 168);
	assert_int_equal(count_of(answer, "events"), 36); /* of the last 100 */
	json_decref(answer);
	json_decref(tell(&record, 0, INT64_C(1) << 40, 0));
	rain_record_close(&record);
}

static void test_refuses(void **state)
{
	struct rain_record record;
	struct rain_error err;
	int fd = open(path, O_CREAT | O_WRONLY, 0644);

	(void)state;
	assert_int_equal(write(fd, "somebody's own letter, not a record\n", 36), 36);
	close(fd);
	assert_int_equal(rain_record_open(&record, directory, "node1", &err), -1);
	assert_non_null(strstr(err.text, "another file"));
	assert_int_equal(rain_record_open(&record, "/nonexistent", "node1", &err), -1);
	/* It goes on in memory. */
	look(&record, BEGAN, 10000, RAIN_PANEL_TEMPERATURE_OK, 50000, 0);
	json_decref(tell(&record, BEGAN, BEGAN + HOUR, 1));
	rain_record_close(&record);
	assert_int_equal(rain_record_open(&record, "", "node1", &err), 0);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, fresh, gone)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_sums_and_events), TEST(test_no_sensor),     TEST(test_restarts),
		TEST(test_event_over_a_crash), TEST(test_wrong_clock), TEST(test_broken_places),
		TEST(test_bounds),	    TEST(test_refuses),
	};

	return cmocka_run_group_tests_name("panel/record", tests, NULL, NULL);
}
