// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/tokens.h"

static void test_parse(void **state)
{
	static const struct {
		const char *text;
		int64_t micro;
	} good[] = {{"0", 0},		{"12", 12000000},
		    {"12.5", 12500000}, {"0.000001", 1},
		    {"007.10", 7100000}, {"1000000000000", RAIN_TOKENS_MAX}};
	static const char *const bad[] = {"",	 "-1",	 "+1", " 1", "1 ", "1e3",
					  "1.",	 ".5",	 "1,5", "0.0000001", "nan",
					  "1000000000000.000001", "99999999999999999999"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		int64_t micro = -1;

		assert_int_equal(rain_tokens_parse(good[i].text, &micro, NULL), 0);
		assert_int_equal(micro, good[i].micro);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct rain_error err = {""};
		int64_t micro = 42;

		assert_int_equal(rain_tokens_parse(bad[i], &micro, &err), -1);
		assert_int_equal(micro, 42);
		assert_true(err.text[0] != '\0');
	}
}

static void test_format(void **state)
{
	char text[RAIN_TOKENS_TEXT_SIZE];

	(void)state;
	assert_string_equal(rain_tokens_format(0, text), "0.000000");
	assert_string_equal(rain_tokens_format(12500000, text), "12.500000");
	assert_string_equal(rain_tokens_format(-1, text), "-0.000001");
	assert_string_equal(rain_tokens_format(INT64_MAX, text), "9223372036854.775807");
	assert_string_equal(rain_tokens_format(INT64_MIN, text), "-9223372036854.775808");
}

static void test_ratio(void **state)
{
	static const char *const bad[] = {"", "/", "1/", "/2", "1/0", "-1", "1/2/3", "2147483648", "1 /2"};
	int64_t num, den;

	(void)state;
	assert_int_equal(rain_ratio_parse("3/4", &num, &den, NULL), 0);
	assert_int_equal(num, 3);
	assert_int_equal(den, 4);
	assert_int_equal(rain_ratio_parse("0", &num, &den, NULL), 0);
	assert_int_equal(num, 0);
	assert_int_equal(den, 1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(rain_ratio_parse(bad[i], &num, &den, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_ratio),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
