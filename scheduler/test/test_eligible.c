/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "scheduler/eligible.h"

static char sentence[RAIN_ELIGIBLE_SENTENCE];

static struct rain_eligible_job waiting(const char *reason)
{
	return (struct rain_eligible_job){ .state = "PENDING", .reason = reason };
}

static void test_which_jobs(void **state)
{
	struct rain_eligible_job job = waiting("Resources");

	(void)state;
	assert_int_equal(rain_eligible(&job, sentence), RAIN_ELIGIBLE_ASK);
	job.reason = "Priority";
	assert_int_equal(rain_eligible(&job, sentence), RAIN_ELIGIBLE_ASK);
	job.reason = "BeginTime";
	job.eligible_s = -5;
	assert_int_equal(rain_eligible(&job, sentence), RAIN_ELIGIBLE_IGNORE);
	job.eligible_s = 5;
	assert_int_equal(rain_eligible(&job, sentence), RAIN_ELIGIBLE_ASK);
	job.reason = "Dependency";
	assert_int_equal(rain_eligible(&job, sentence), RAIN_ELIGIBLE_IGNORE);
	job.reason = "JobHeldUser";
	job.held = true;
	assert_int_equal(rain_eligible(&job, sentence), RAIN_ELIGIBLE_IGNORE);
	job.only = true;
	assert_int_equal(rain_eligible(&job, sentence), RAIN_ELIGIBLE_ASK);
	job = waiting("Resources");
	job.state = "RUNNING";
	assert_int_equal(rain_eligible(&job, sentence), RAIN_ELIGIBLE_IGNORE);
	job = waiting("Resources");
	job.het = true;
	assert_int_equal(rain_eligible(&job, sentence), RAIN_ELIGIBLE_HOME);
	assert_non_null(strstr(sentence, "heterogeneous"));
	job = waiting("Resources");
	job.no_limit = true;
	assert_int_equal(rain_eligible(&job, sentence), RAIN_ELIGIBLE_HOME);
	assert_non_null(strstr(sentence, "time limit"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_which_jobs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
