/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "scheduler/cost.h"

static int64_t price(int64_t core_ms, int64_t mflops, int64_t num, int64_t den)
{
	int64_t micro = -1;

	assert_int_equal(rain_cost_price(core_ms, mflops, num, den, &micro, NULL), 0);
	return micro;
}

static void test_a_token_is_a_gigaflops_hour(void **state)
{
	(void)state;
	assert_int_equal(price(3600 * 1000, 1000, 1, 1), 1000000);
	/* 16 cores of 1 GFLOP/s for 9 s */
	assert_int_equal(price(16 * 9000, 1000, 100, 100), 40000);
	assert_int_equal(price(16 * 9000, 1000, 1, 4), 10000);
}

static void test_rounds_up_once(void **state)
{
	(void)state;
	assert_int_equal(price(1, 1, 1, 1), 1); /* 5/18000 */
	assert_int_equal(price(18000, 1, 1, 1), 5);
	assert_int_equal(price(18001, 1, 1, 1), 6);
	assert_int_equal(price(18000, 1, 1, 5), 1);
	assert_int_equal(price(18000, 1, 1, 4), 2); /* 5/4, not ceil(5)/4 */
}

static void test_nothing_costs_nothing(void **state)
{
	(void)state;
	assert_int_equal(price(0, 1000, 1, 1), 0);
	assert_int_equal(price(1000, 1000, 0, 1), 0);
}

static void test_large_values_use_128_bits(void **state)
{
	struct rain_error err;
	int64_t micro = 42;

	(void)state;
	/* The product is far beyond 64 bits, the price is not. */
	assert_int_equal(price(INT64_MAX, 3600, 1, 1), INT64_MAX);
	assert_int_equal(rain_cost_price(INT64_MAX, 3601, 1, 1, &micro, &err), -1);
	assert_int_equal(rain_cost_price(INT64_MAX, INT64_MAX, 1000, 1, &micro, &err), -1);
	assert_non_null(strstr(err.text, "more than can be counted"));
	assert_int_equal(micro, 42);
}

static void test_refuses_what_is_no_price(void **state)
{
	struct rain_error err;
	int64_t micro;

	(void)state;
	assert_int_equal(rain_cost_price(1, 0, 1, 1, &micro, &err), -1);
	assert_non_null(strstr(err.text, "calibrated"));
	assert_int_equal(rain_cost_price(-1, 1, 1, 1, &micro, &err), -1);
	assert_int_equal(rain_cost_price(1, 1, -1, 1, &micro, &err), -1);
	assert_int_equal(rain_cost_price(1, 1, 1, 0, &micro, &err), -1);
}

static void test_core_ms(void **state)
{
	int64_t core_ms = 0;

	(void)state;
	assert_int_equal(rain_cost_core_ms(16, 9000, &core_ms, NULL), 0);
	assert_int_equal(core_ms, 144000);
	assert_int_equal(rain_cost_core_ms(INT64_MAX, 2, &core_ms, NULL), -1);
	assert_int_equal(rain_cost_core_ms(-1, 2, &core_ms, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_token_is_a_gigaflops_hour),
		cmocka_unit_test(test_rounds_up_once),
		cmocka_unit_test(test_nothing_costs_nothing),
		cmocka_unit_test(test_large_values_use_128_bits),
		cmocka_unit_test(test_refuses_what_is_no_price),
		cmocka_unit_test(test_core_ms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
