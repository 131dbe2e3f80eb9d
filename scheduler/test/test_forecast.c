/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "scheduler/forecast.h"
#include "scheduler/overhead.h"
#include "scheduler/predict.h"

static struct rain_forecast_job running(int64_t start, int32_t procs, int32_t expected, int32_t limit)
{
	return (struct rain_forecast_job){.start = start, .procs = procs, .expected = expected,
					  .limit = limit, .known = expected < limit};
}

static struct rain_forecast_job waiting(int64_t priority, int32_t procs, int32_t expected)
{
	return (struct rain_forecast_job){.priority = priority, .procs = procs,
					  .expected = expected, .limit = expected};
}

static void test_waits_for_what_is_before_it(void **state)
{
	const struct rain_forecast_job jobs[] = {
		running(900, 6, 300, 600), /* ends at 1200 */
		waiting(10, 8, 50),	   /* then */
		waiting(9, 2, 500),	   /* beside both, at once */
		waiting(8, 9, 10),	   /* when both have ended: 1500 */
		waiting(7, 11, 10),	   /* never: too large */
	};
	struct rain_forecast_wait waits[5];

	(void)state;
	assert_int_equal(rain_forecast(10, jobs, 5, 1000, 0, waits, NULL), 0);
	assert_int_equal(waits[0].seconds, -1);
	assert_int_equal(waits[1].seconds, 200);
	assert_int_equal(waits[1].ahead, 2);
	assert_int_equal(waits[1].known, 1);
	assert_int_equal(waits[2].seconds, 0);
	assert_int_equal(waits[2].ahead, 1);
	assert_int_equal(waits[3].seconds, 500);
	assert_int_equal(waits[3].ahead, 3);
	assert_int_equal(waits[4].seconds, -1);
	assert_false(waits[3].longer);
}

static void test_priority_then_age_orders(void **state)
{
	struct rain_forecast_job jobs[] = {running(0, 4, 100, 100), waiting(1, 4, 10),
					   waiting(2, 4, 20), waiting(1, 4, 30)};
	struct rain_forecast_wait waits[4];

	(void)state;
	jobs[1].order = 7;
	jobs[3].order = 6;
	assert_int_equal(rain_forecast(4, jobs, 4, 0, 0, waits, NULL), 0);
	assert_int_equal(waits[2].seconds, 0); /* what has start 0 isn't running */
	jobs[0].start = 1;
	assert_int_equal(rain_forecast(4, jobs, 4, 1, 0, waits, NULL), 0);
	assert_int_equal(waits[2].seconds, 100);
	assert_int_equal(waits[3].seconds, 120);
	assert_int_equal(waits[1].seconds, 150);
}

static void test_what_is_late_ends_at_its_limit_at_last(void **state)
{
	struct rain_forecast_job jobs[] = {running(1, 4, 100, 5000), waiting(1, 4, 10)};
	struct rain_forecast_wait waits[2];

	(void)state;
	assert_int_equal(rain_forecast(4, jobs, 2, 1001, 0, waits, NULL), 0);
	assert_int_equal(waits[1].seconds, 1000); /* as long again as it has run */
	assert_int_equal(rain_forecast(4, jobs, 2, 4001, 0, waits, NULL), 0);
	assert_int_equal(waits[1].seconds, 1000); /* its limit */
	assert_int_equal(rain_forecast(4, jobs, 2, 9001, 0, waits, NULL), 0);
	assert_int_equal(waits[1].seconds, 1); /* Slurm is about to end it */
	assert_int_equal(rain_forecast(2, jobs, 2, 1001, 0, waits, NULL), 0);
	assert_int_equal(waits[1].seconds, 1000); /* nodes went down, and jobs run on */
}

static void test_work_is_bounded(void **state)
{
	enum { JOBS = 1000 };
	struct rain_forecast_job *jobs = calloc(JOBS, sizeof *jobs);
	struct rain_forecast_wait *waits = calloc(JOBS, sizeof *waits);

	(void)state;
	for (int i = 0; i < JOBS; i++)
		jobs[i] = waiting(JOBS - i, 4, 10);
	jobs[0].start = 1;
	assert_int_equal(rain_forecast(4, jobs, JOBS, 1, 20000, waits, NULL), 0);
	assert_int_equal(waits[1].seconds, 10);
	assert_false(waits[10].longer);
	assert_int_equal(waits[10].seconds, 100);
	assert_true(waits[JOBS - 1].longer);
	assert_in_range(waits[JOBS - 1].seconds, 100, 9 * JOBS);
	assert_int_equal(rain_forecast(4, jobs, JOBS, 1, 0, waits, NULL), 0);
	assert_int_equal(waits[JOBS - 1].seconds, 10 * (JOBS - 1));
	free(jobs);
	free(waits);
}

static void test_sending_is_measured(void **state)
{
	struct rain_overhead overhead = {0};
	struct rain_staging staging = {0};

	(void)state;
	assert_int_equal(rain_overhead_usual(&overhead, 9), 9);
	for (int i = 0; i < 100; i++)
		rain_overhead_learn(&overhead, i < 80 ? 100 : 3);
	assert_int_equal(rain_overhead_usual(&overhead, 9), 3);
	rain_overhead_learn(&overhead, 5000);
	assert_int_equal(rain_overhead_usual(&overhead, 9), 3); /* one is no habit */
	assert_int_equal(rain_staging_expect(&staging, 7), 0);
	rain_staging_learn(&staging, 7, 40);
	rain_staging_learn(&staging, 8, -2);
	assert_int_equal(rain_staging_expect(&staging, 7), 40);
	assert_int_equal(rain_staging_expect(&staging, 8), 0);
	for (uint64_t i = 0; i < RAIN_STAGING_DEPTH; i++)
		rain_staging_learn(&staging, 100 + i, 1);
	assert_int_equal(rain_staging_expect(&staging, 7), 0); /* forgotten */
	assert_int_equal(rain_staging_expect(&staging, 100), 1);
}

static void test_runs_of_a_series_have_one_name(void **state)
{
	(void)state;
	assert_int_equal(rain_predict_name("run-17"), rain_predict_name("run-18"));
	assert_int_not_equal(rain_predict_name("run-17"), rain_predict_name("fun-17"));
	assert_true((int64_t)rain_predict_name("x") > 0);
	assert_int_equal(rain_predict_name(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waits_for_what_is_before_it),
		cmocka_unit_test(test_priority_then_age_orders),
		cmocka_unit_test(test_what_is_late_ends_at_its_limit_at_last),
		cmocka_unit_test(test_work_is_bounded),
		cmocka_unit_test(test_sending_is_measured),
		cmocka_unit_test(test_runs_of_a_series_have_one_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
