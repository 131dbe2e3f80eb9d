/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "scheduler/estimate.h"

static struct rain_estimate_job job;
static struct rain_estimate_place places[2];
static char sentence[RAIN_ESTIMATE_TEXT];

static int setup(void **state)
{
	(void)state;
	job = (struct rain_estimate_job){.nodes = 2, .tasks = 8, .cpus_per_task = 1, .limit = 3600,
					 .expected = 600, .high = 900, .max_utok = RAIN_ESTIMATE_UNKNOWN,
					 .balance_utok = 100000000, .input_bytes = 10000000,
					 .array_tasks = 1};
	places[0] = (struct rain_estimate_place){.name = "alpha", .home = true, .start = 7200, .mflops = 1000,
						 .num = 1, .den = 4};
	places[1] = (struct rain_estimate_place){.name = "bravo", .mflops = 2000, .num = 100, .den = 100,
						 .lends_nodes = 8, .lends_minutes = 60, .lends_cpus_per_node = 4,
						 .overhead_ms = 1500, .bytes_per_s = 1000000, .reachable = true};
	return 0;
}

static size_t recommend(void)
{
	rain_estimate_place(&job, 1000, &places[0]);
	rain_estimate_place(&job, 1000, &places[1]);
	return rain_estimate_recommend(&job, places, 2, sentence);
}

static void figures_follow_speed_and_price(void **state)
{
	(void)state;
	assert_int_equal(recommend(), 1);
	/* 8 cores at 1 GFLOP/s for 600 s are 4/3 tokens, a quarter of it at home */
	assert_int_equal(places[0].cost_expected, 333334);
	assert_int_equal(places[0].cost_high, 500000);
	assert_int_equal(places[0].ceiling, 2000000);
	assert_int_equal(places[0].balance_after, 100000000 - 333334);
	assert_int_equal(places[0].transfer, 0);
	/* twice as fast: half the time, the same price but for the rate */
	assert_int_equal(places[1].run_expected, 300);
	assert_int_equal(places[1].run_high, 450);
	assert_int_equal(places[1].cost_expected, 1333334);
	assert_int_equal(places[1].ceiling, 16000000);
	assert_int_equal(places[1].transfer, 12);
	assert_non_null(strstr(sentence, "use --burst=auto: home can start it in 2:00:00; bravo"));
}

static void the_better_place_is_named_with_its_reason(void **state)
{
	(void)state;
	places[0].start = 0;
	assert_int_equal(recommend(), 0);
	assert_string_equal(sentence, "run it at home: it can start at once");
	job.asked = true;
	assert_int_equal(recommend(), 0);
	assert_string_equal(sentence, "home can start it at once");
	job.asked = false;
	places[0].start = 70;
	places[1].mflops = 1000;
	assert_int_equal(recommend(), 0);
	assert_non_null(strstr(sentence, "bravo would not be done sooner"));
	places[0].start = RAIN_ESTIMATE_UNKNOWN;
	assert_int_equal(recommend(), 1);
	assert_non_null(strstr(sentence, "nobody knows when home would start it; bravo can"));
	job.only = true;
	assert_int_equal(recommend(), 1);
	assert_non_null(strstr(sentence, "bravo can start it at once"));
	job.only = false;
	places[0].start = 7200;
	places[1].reachable = false;
	assert_int_equal(recommend(), 0);
	assert_non_null(strstr(sentence, "can't be reached"));
	job.only = true;
	assert_int_equal(recommend(), 0);
	assert_non_null(strstr(sentence, "it would wait"));
	assert_int_equal(rain_estimate_recommend(&job, places, 1, sentence), 0);
	assert_non_null(strstr(sentence, "there is none"));
	job.peers_unknown = true;
	assert_int_equal(rain_estimate_recommend(&job, places, 1, sentence), 0);
	assert_non_null(strstr(sentence, "nobody could be asked"));
}

static void tasks_of_an_array_are_counted(void **state)
{
	static const struct {
		const char *text;
		int64_t tasks;
	} cases[] = {
		{"7", 1}, {"1-10", 10}, {"0-9:3", 4}, {"1,3,5-6", 4}, {"1-10%4", 10}, {"1-10:2,17%4", 6}, {"", 0},
		{"x", 0}, {"3-1", 0}, {"1-", 0}, {"1-4:0", 0}, {"-3", 0}, {"1,", 0}, {"1;2", 0},
		{"0-999999999", 0}, {"0-99999999999999999999", 0}, {"0-3999999", 4000000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_int_equal(rain_estimate_array_tasks(cases[i].text), cases[i].tasks);
	/* all of them are paid for */
	job.array_tasks = 10;
	recommend();
	assert_int_equal(places[1].balance_after, 100000000 - 10 * 1333334);
	job.array_tasks = INT64_MAX;
	recommend();
	assert_int_equal(places[1].balance_after, RAIN_ESTIMATE_UNKNOWN);
}

static void says(const char *why)
{
	recommend();
	assert_false(places[1].fits);
	assert_non_null(strstr(places[1].why_not, why));
	setup(NULL);
}

static void each_misfit_is_named(void **state)
{
	(void)state;
	job.nodes = 9;
	says("lends 8 nodes");
	job.limit = 3601;
	says("up to 60 minutes");
	job.tasks = 10;
	says("4 CPUs");
	job.balance_utok = 15000000;
	says("16.000000 tokens would be held");
	job.balance_utok = 0;
	says("you can spend 0.000000");
	job.max_utok = 1000000;
	says("--burst-max-tokens");
	places[1].lends_nodes = 0;
	says("lends nothing");
	/* who isn't calibrated has no price, and never a guessed one */
	places[1].mflops = 0;
	says("not calibrated");
}

static void what_is_not_known_stays_so(void **state)
{
	char text[RAIN_ESTIMATE_TIME];

	(void)state;
	places[0].mflops = 0;
	places[1].overhead_ms = RAIN_ESTIMATE_UNKNOWN;
	job.balance_utok = RAIN_ESTIMATE_UNKNOWN;
	rain_estimate_place(&job, 0, &places[0]);
	rain_estimate_place(&job, 0, &places[1]);
	assert_int_equal(places[0].cost_expected, RAIN_ESTIMATE_UNKNOWN);
	assert_int_equal(places[0].ceiling, RAIN_ESTIMATE_UNKNOWN);
	assert_int_equal(places[0].balance_after, RAIN_ESTIMATE_UNKNOWN);
	assert_int_equal(places[1].run_expected, 600);
	assert_int_equal(places[1].transfer, RAIN_ESTIMATE_UNKNOWN);
	assert_true(places[1].fits);
	assert_string_equal(rain_estimate_time(RAIN_ESTIMATE_UNKNOWN, text), "not known");
	assert_string_equal(rain_estimate_time(59, text), "59 s");
	assert_string_equal(rain_estimate_time(123, text), "2:03 min");
	assert_string_equal(rain_estimate_time(3900, text), "1:05:00");
}

/* Sizes at the end of the scale must not wrap into small prices. */
static void too_much_has_no_price(void **state)
{
	(void)state;
	job.tasks = INT64_MAX / 2;
	job.cpus_per_task = 3;
	recommend();
	assert_int_equal(places[0].ceiling, RAIN_ESTIMATE_UNKNOWN);
	assert_false(places[1].fits);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(figures_follow_speed_and_price, setup),
		cmocka_unit_test_setup(the_better_place_is_named_with_its_reason, setup),
		cmocka_unit_test_setup(tasks_of_an_array_are_counted, setup),
		cmocka_unit_test_setup(each_misfit_is_named, setup),
		cmocka_unit_test_setup(what_is_not_known_stays_so, setup),
		cmocka_unit_test_setup(too_much_has_no_price, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
