// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/spank_settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct rain_spank_settings settings;
static struct rain_error error;

static int parse(char *argument)
{
	return rain_spank_settings_parse(argument ? 1 : 0, &argument, &settings, &error);
}

static void test_defaults(void **state)
{
	(void)state;
	assert_int_equal(parse(NULL), 0);
	assert_string_equal(settings.overflow_partition, "overflow");
	assert_false(rain_spank_settings_is_guest(&settings, 0));
	assert_false(rain_spank_settings_is_guest(&settings, 61000));
}

static void test_both(void **state)
{
	char *arguments[] = {"overflow_partition=away", "guest_uids=61000-61015"};

	(void)state;
	assert_int_equal(rain_spank_settings_parse(2, arguments, &settings, &error), 0);
	assert_string_equal(settings.overflow_partition, "away");
	assert_false(rain_spank_settings_is_guest(&settings, 60999));
	assert_true(rain_spank_settings_is_guest(&settings, 61000));
	assert_true(rain_spank_settings_is_guest(&settings, 61015));
	assert_false(rain_spank_settings_is_guest(&settings, 61016));
}

static void test_wrong_arguments_are_named(void **state)
{
	static char *const wrong[] = {
		"guest_uids=", "guest_uids=61000", "guest_uids=61015-61000", "guest_uids=0-10",
		"guest_uids=61000-61015x", "guest_uids=-1-5", "guest_uids=61000-4294967295",
		"guest_uids= 61000-61015", "overflow_partition=", "overflow_partition",
		"guests=1-2", "=", "", "guest_uid=61000-61015"};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		assert_int_equal(parse(wrong[i]), -1);
		assert_non_null(strstr(error.text, "plugstack.conf"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_both),
		cmocka_unit_test(test_wrong_arguments_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
