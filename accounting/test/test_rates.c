// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "accounting/rates.h"

static struct rain_rates *rates_of(const char *text)
{
	struct rain_error err;
	json_t *rows = json_loads(text, 0, NULL);
	struct rain_rates *rates;

	assert_non_null(rows);
	rates = rain_rates_create(rows, &err);
	json_decref(rows);
	if (!rates)
		fail_msg("%s", err.text);
	return rates;
}

/* 16 cores for 9 s at 1 GFLOP/s: 40000 micro-tokens at the full price */
static struct rain_rates_use use(const char *tres)
{
	return (struct rain_rates_use){.partition = "trainer", .qos = "normal", .tres = tres, .ms = 9000,
				       .at = 1000, .core_ms = 144000, .mflops_per_core = 1000,
				       .home_num = 1, .home_den = 4};
}

static int64_t price(const struct rain_rates *rates, struct rain_rates_use use)
{
	struct rain_error err;
	int64_t price = -1;

	if (rain_rates_price(rates, &use, &price, &err) < 0)
		fail_msg("%s", err.text);
	return price;
}

static void test_home_rate_stands_for_the_calibrated(void **state)
{
	struct rain_rates *rates;
	struct rain_rates_use uncalibrated = use("cpu=16");

	(void)state;
	assert_int_equal(price(NULL, use("cpu=16")), 10000);
	rates = rates_of("[{\"partition\":\"*\",\"qos\":\"*\",\"tres\":\"cpu\",\"num\":5,\"den\":1,\"since\":0}]");
	assert_int_equal(price(rates, use("cpu=16,mem=64G")), 10000 + 5 * 16 * 9);
	rain_rates_destroy(rates);
	rates = rates_of("[{\"partition\":\"*\",\"qos\":\"*\",\"tres\":\"calibrated\",\"num\":1,\"den\":2,"
			 "\"since\":0}]");
	assert_int_equal(price(rates, use("cpu=16")), 20000);
	rain_rates_destroy(rates);
	rates = rates_of("[{\"partition\":\"*\",\"qos\":\"*\",\"tres\":\"calibrated\",\"num\":0,\"den\":1,"
			 "\"since\":0},{\"partition\":\"*\",\"qos\":\"*\",\"tres\":\"node\",\"num\":1,\"den\":3,"
			 "\"since\":0}]");
	/* free cores need no calibration; 4 nodes x 9 s / 3 */
	uncalibrated.mflops_per_core = 0;
	uncalibrated.tres = "cpu=16,node=4";
	assert_int_equal(price(rates, uncalibrated), 12);
	rain_rates_destroy(rates);
}

static void test_the_most_particular_and_its_time(void **state)
{
	struct rain_rates *rates = rates_of(
		"[{\"partition\":\"*\",\"qos\":\"*\",\"tres\":\"cpu\",\"num\":1,\"den\":1,\"since\":0},"
		"{\"partition\":\"*\",\"qos\":\"high\",\"tres\":\"cpu\",\"num\":2,\"den\":1,\"since\":0},"
		"{\"partition\":\"big\",\"qos\":\"*\",\"tres\":\"cpu\",\"num\":3,\"den\":1,\"since\":0,\"until\":1000},"
		"{\"partition\":\"big\",\"qos\":\"*\",\"tres\":\"cpu\",\"num\":4,\"den\":1,\"since\":1000,\"until\":2000},"
		"{\"partition\":\"big\",\"qos\":\"high\",\"tres\":\"cpu\",\"num\":5,\"den\":1,\"since\":0}]");
	static const struct {
		const char *partition, *qos;
		int64_t at, rate;
	} cases[] = {
		{"trainer", "normal", 1000, 1}, {"trainer", "high", 1000, 2}, {"big", "normal", 999, 3},
		{"big", "normal", 1000, 4},	{"big", "normal", 1999, 4},   {"big", "normal", 2000, 1},
		{"big", "high", 1500, 5},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rain_rates_use one = use("cpu=1,node=1");

		one.partition = cases[i].partition;
		one.qos = cases[i].qos;
		one.at = cases[i].at;
		one.home_num = 0;
		assert_int_equal(price(rates, one), 9 * cases[i].rate);
	}
	rain_rates_destroy(rates);
}

static void test_units(void **state)
{
	struct rain_rates *rates = rates_of(
		"[{\"partition\":\"*\",\"qos\":\"*\",\"tres\":\"mem\",\"num\":1,\"den\":9,\"since\":0},"
		"{\"partition\":\"*\",\"qos\":\"*\",\"tres\":\"gres/gpu\",\"num\":1,\"den\":9,\"since\":0}]");
	static const struct {
		const char *tres;
		int64_t units;
	} cases[] = {
		{"mem=64000M", 64000}, {"cpu=1,mem=2G,node=1", 2048}, {"mem=1T", 1048576},
		{"mem=1025K", 2},      {"mem=0", 0},		      {"gres/gpu=2", 2},
		{"gres/gpu=2K", 2048}, {"gres/gpu:tesla=2", 0},	      {"", 0},
		{"mem=1M,gres/gpu=1", 2},
	};
	static const char *const wrong[] = {"mem", "mem=", "mem=x", "mem=1.5G", "mem=1MM", "mem=-1",
					    "mem=99999999999999999999", "mem=9999999999999999P"};
	struct rain_error err;
	int64_t micro;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rain_rates_use one = use(cases[i].tres);

		one.home_num = 0;
		assert_int_equal(price(rates, one), cases[i].units);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct rain_rates_use one = use(wrong[i]);

		assert_int_equal(rain_rates_price(rates, &one, &micro, &err), -1);
	}
	rain_rates_destroy(rates);
}

/* Thirds, sevenths and elevenths add up before anything is rounded. */
static void test_rounded_once(void **state)
{
	struct rain_rates *rates = rates_of(
		"[{\"partition\":\"*\",\"qos\":\"*\",\"tres\":\"a\",\"num\":1,\"den\":3,\"since\":0},"
		"{\"partition\":\"*\",\"qos\":\"*\",\"tres\":\"b\",\"num\":2,\"den\":7,\"since\":0},"
		"{\"partition\":\"*\",\"qos\":\"*\",\"tres\":\"c\",\"num\":88,\"den\":231,\"since\":0}]");
	struct rain_rates_use one = use("a=1,b=1,c=1"), huge = use("a=1000000000000");
	struct rain_error err;
	int64_t micro;

	(void)state;
	one.home_num = huge.home_num = 0;
	one.ms = 1000; /* 77/231 + 66/231 + 88/231 = 1 */
	assert_int_equal(price(rates, one), 1);
	one.ms = 1001;
	assert_int_equal(price(rates, one), 2);
	huge.ms = INT64_C(1000000000000000);
	assert_int_equal(rain_rates_price(rates, &huge, &micro, &err), -1);
	assert_non_null(strstr(err.text, "more than can be counted"));
	rain_rates_destroy(rates);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_home_rate_stands_for_the_calibrated),
		cmocka_unit_test(test_the_most_particular_and_its_time),
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_rounded_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
