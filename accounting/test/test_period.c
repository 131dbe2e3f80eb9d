// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "accounting/period.h"

/* 2024-03-15 13:14:15 UTC */
#define NOW INT64_C(1710508455)

static int64_t when(const char *text)
{
	int64_t at = -1;

	assert_int_equal(rain_period_parse(text, NOW, &at, NULL), 0);
	return at;
}

static int utc(void **state)
{
	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	return 0;
}

static int berlin(void **state)
{
	(void)state;
	/* Central Europe without a zone database: CET, and CEST from March 31. */
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	return 0;
}

static void test_forms(void **state)
{
	(void)state;
	assert_int_equal(when("now"), NOW);
	assert_int_equal(when("today"), 1710460800);
	assert_int_equal(when("yesterday"), 1710374400);
	assert_int_equal(when("month"), 1709251200);
	assert_int_equal(when("-2h"), NOW - 7200);
	assert_int_equal(when("-7d"), NOW - 7 * 86400);
	assert_int_equal(when("2024-03-01"), 1709251200);
	assert_int_equal(when("2024-03-01T01:00"), 1709254800);
	assert_int_equal(when("2024-03-01 01:00:05"), 1709254805);
	/* as --csv and --parsable2 print them */
	assert_int_equal(when("2024-03-01T02:00:05+0100"), 1709254805);
	assert_int_equal(when("2024-02-29T20:00-0500"), 1709254800);
	assert_int_equal(when("2024-03-01T01:00:05Z"), 1709254805);
}

static void test_local_time(void **state)
{
	char text[RAIN_PERIOD_TEXT_SIZE];
	struct rain_error err;
	int64_t at;

	(void)state;
	assert_int_equal(when("2024-03-01"), 1709251200 - 3600);
	assert_int_equal(when("2024-07-01"), 1719792000 - 7200);
	/* the clocks go from 02:00 to 03:00, and back in October */
	assert_int_equal(when("2024-03-31T01:59:59"), 1711846799);
	assert_int_equal(when("2024-03-31T03:00"), 1711846800);
	assert_int_equal(rain_period_parse("2024-03-31T02:30", NOW, &at, &err), -1);
	assert_non_null(strstr(err.text, "never was"));
	assert_int_equal(when("2024-03-31T02:30+0100"), 1711848600);
	assert_int_equal(when("2024-10-27T03:00"), 1729994400);
	assert_string_equal(rain_period_format(NOW, text), "2024-03-15 14:14:15 CET");
}

static void test_refuses(void **state)
{
	static const char *const bad[] = {"", "-", "-7", "-7x", "-7dd", "--7d", "2024-02-30",
					  "2024-13-01", "2024-03-01T25:00", "2024-03-01x", "soon",
					  "-99999999999999999999d", "-99999w"};
	struct rain_error err;
	int64_t at;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(rain_period_parse(bad[i], NOW, &at, &err), -1);
		assert_non_null(strstr(err.text, "YYYY-MM-DD"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_forms, utc),
		cmocka_unit_test_setup(test_local_time, berlin),
		cmocka_unit_test_setup(test_refuses, utc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
