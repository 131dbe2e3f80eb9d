// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "common/hours.h"

enum { MON, TUE, WED, THU, FRI, SAT, SUN };

static int at(int day, int hour, int minute)
{
	return day * RAIN_HOURS_DAY + hour * 60 + minute;
}

static void test_parse(void **state)
{
	static const char *const bad[] = {"", "Mon-", "Mon 8:00-10:00", "25:00-26:00", "10:00-10:00", "10:60-11:00",
					  "Mon-Fri-Sat", "10:00", "24:00-08:00", "Mon 10:00-11:00x", "xyz"};
	struct rain_error err;
	struct rain_hours h;

	(void)state;
	assert_int_equal(rain_hours_parse("Mon-Fri 18:00-08:00", &h, &err), 0);
	assert_int_equal(h.first_day, MON);
	assert_int_equal(h.last_day, FRI);
	assert_int_equal(h.begin, 18 * 60);
	assert_int_equal(h.minutes, 14 * 60);
	assert_int_equal(rain_hours_parse("sat", &h, &err), 0);
	assert_int_equal(h.minutes, RAIN_HOURS_DAY);
	assert_int_equal(rain_hours_parse("00:00-24:00", &h, &err), 0);
	assert_int_equal(h.minutes, RAIN_HOURS_DAY);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (rain_hours_parse(bad[i], &h, &err) == 0)
			fail_msg("'%s' was taken", bad[i]);
}

static void test_left(void **state)
{
	static const char *const texts[] = {"Mon-Fri 18:00-08:00", "Sat-Sun"};
	struct rain_hours w[2];
	struct rain_error err;

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(rain_hours_parse(texts[i], &w[i], &err), 0);
	assert_int_equal(rain_hours_left(w, 0, at(MON, 12, 0)), RAIN_HOURS_WEEK);
	assert_int_equal(rain_hours_left(w, 2, at(MON, 12, 0)), 0);
	assert_int_equal(rain_hours_left(w, 2, at(MON, 17, 59)), 0);
	assert_int_equal(rain_hours_left(w, 2, at(MON, 18, 0)), 14 * 60);
	assert_int_equal(rain_hours_left(w, 2, at(TUE, 7, 59)), 1);
	/* Friday evening, Saturday and Sunday without a gap; Monday begins outside. */
	assert_int_equal(rain_hours_left(w, 2, at(FRI, 20, 0)), 4 * 60 + 2 * RAIN_HOURS_DAY);
	assert_int_equal(rain_hours_left(w, 2, at(SUN, 23, 59)), 1);
	assert_int_equal(rain_hours_left(w, 2, at(MON, 0, 0)), 0);
	/* Days that run over the end of the week. */
	assert_int_equal(rain_hours_parse("Sun-Mon 22:00-06:00", &w[0], &err), 0);
	assert_int_equal(rain_hours_left(w, 1, at(MON, 5, 0)), 60);
	assert_int_equal(rain_hours_left(w, 1, at(TUE, 5, 0)), 60);
	assert_int_equal(rain_hours_left(w, 1, at(WED, 5, 0)), 0);
	/* Always, in two pieces. */
	assert_int_equal(rain_hours_parse("12:00-24:00", &w[0], &err), 0);
	assert_int_equal(rain_hours_parse("00:00-12:00", &w[1], &err), 0);
	assert_int_equal(rain_hours_left(w, 2, at(WED, 5, 0)), RAIN_HOURS_WEEK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_parse), cmocka_unit_test(test_left)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
