// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "accounting/pricing.h"

static char path[] = "/etc/rain/rain.conf";
static struct rain_node_type types[] = {
	{"mark2", "node[1-8]", 1000},
	{"fast", "big[1-2]", 3000},
	{"same", "twin[1-2]", 1000},
	{"raw", "raw1", 0},
};

static struct rain_config config(int64_t num, int64_t den)
{
	struct rain_config made = {.path = path, .node_types = types, .node_type_count = 4};

	made.ledger.home_num = num;
	made.ledger.home_den = den;
	return made;
}

static int price(const struct rain_config *c, const char *nodes, enum rain_record_place place,
		 int64_t *micro, struct rain_error *err)
{
	/* 16 cores for 9 s */
	struct rain_record record = {.nodes = nodes, .core_ms = 144000, .cpus = 16, .run_ms = 9000,
				     .partition = "trainer", .qos = "", .tres = "cpu=16"};

	return rain_pricing_price(c, NULL, &record, place, micro, err);
}

static void test_home_rate(void **state)
{
	struct rain_config full = config(1, 1), quarter = config(1, 4);
	int64_t micro;

	(void)state;
	assert_int_equal(price(&full, "node[1-4]", RAIN_PLACE_HOME, &micro, NULL), 0);
	assert_int_equal(micro, 40000);
	assert_int_equal(price(&quarter, "node[1-4]", RAIN_PLACE_HOME, &micro, NULL), 0);
	assert_int_equal(micro, 10000);
	assert_int_equal(price(&full, "big1", RAIN_PLACE_HOME, &micro, NULL), 0);
	assert_int_equal(micro, 120000);
	assert_int_equal(price(&full, "node1,twin2", RAIN_PLACE_HOME, &micro, NULL), 0);
	assert_int_equal(micro, 40000);
}

static void test_others_pay_elsewhere(void **state)
{
	struct rain_config full = config(1, 1);
	int64_t micro = 1;

	(void)state;
	assert_int_equal(price(&full, "bravo-[1-4]", RAIN_PLACE_OVERFLOW, &micro, NULL), 0);
	assert_int_equal(micro, 0);
	assert_int_equal(price(&full, "node1", RAIN_PLACE_GUEST, &micro, NULL), 0);
	assert_int_equal(micro, 0);
}

static void test_never_guesses(void **state)
{
	struct rain_config full = config(1, 1), nothing = config(0, 1);
	struct rain_error err;
	int64_t micro;

	(void)state;
	assert_int_equal(price(&full, "raw1", RAIN_PLACE_HOME, &micro, &err), -1);
	assert_non_null(strstr(err.text, "isn't calibrated"));
	assert_non_null(strstr(err.text, "mflops-per-core"));
	assert_int_equal(price(&full, "node[8-9]", RAIN_PLACE_HOME, &micro, &err), -1);
	assert_non_null(strstr(err.text, "node9"));
	assert_int_equal(price(&full, "node1,big1", RAIN_PLACE_HOME, &micro, &err), -1);
	assert_non_null(strstr(err.text, "different speed"));
	assert_int_equal(price(&full, "node[1-", RAIN_PLACE_HOME, &micro, &err), -1);
	/* Free use needs no calibration. */
	assert_int_equal(price(&nothing, "raw1", RAIN_PLACE_HOME, &micro, &err), 0);
	assert_int_equal(micro, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_home_rate),
		cmocka_unit_test(test_others_pay_elsewhere),
		cmocka_unit_test(test_never_guesses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
