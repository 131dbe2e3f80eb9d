/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "scheduler/hpl.h"

#define RULE "--------------------------------------------------------------------------------\n"
#define HEAD "T/V                N    NB     P     Q               Time                 Gflops\n" RULE
#define PASSED RULE "||Ax-b||_oo/(eps*(||A||_oo*||x||_oo+||b||_oo)*N)=        0.0068161 ...... PASSED\n"
#define FAILED RULE "||Ax-b||_oo/(eps*(||A||_oo*||x||_oo+||b||_oo)*N)=     1234.0068161 ...... FAILED\n"

static int parse(const char *text, struct rain_hpl_result *result, struct rain_error *err)
{
	return rain_hpl_parse(text, strlen(text), result, err);
}

/* The trap: two speeds whose digits look alike but for the exponent. */
static void reads_the_exponent(void **state)
{
	struct rain_hpl_result result;
	struct rain_error err;

	(void)state;
	/* 2/3 N^3 + 3/2 N^2 = 5.3338e11 */
	assert_int_equal(parse(HEAD "WR11C2R4        9283   128     4     8              55.99              "
			       "9.525e+00\n" PASSED, &result, &err), 0);
	assert_int_equal(result.mflops, 9525);
	assert_int_equal(result.problem.order, 9283);
	assert_int_equal(result.problem.rows, 4);
	assert_int_equal(result.problem.columns, 8);
	assert_int_equal(parse(HEAD "WR11C2R4        9283   128     4     8              29.21              "
			       "1.826e+01\n" PASSED, &result, &err), 0);
	assert_int_equal(result.mflops, 18260);
	/* the other form, and HPL 2.3's longer one */
	assert_int_equal(parse(HEAD "WR00L2L2        9283   128     4     8              29.21              "
			       "18.26\n" PASSED, &result, &err), 0);
	assert_int_equal(result.mflops, 18260);
	assert_int_equal(parse(HEAD "WR11C2R4        9283   128     4     8              29.21              "
			       "1.8263e+01\n" PASSED, &result, &err), 0);
	assert_int_equal(result.mflops, 18263);
}

static void a_misread_exponent_contradicts_the_time(void **state)
{
	struct rain_hpl_result result;
	struct rain_error err;

	(void)state;
	assert_int_equal(parse(HEAD "WR11C2R4        9283   128     4     8              29.21              "
			       "1.826e+00\n" PASSED, &result, &err), -1);
	assert_non_null(strstr(err.text, "doesn't fit"));
	/* a run too short to be timed is believed */
	assert_int_equal(parse(HEAD "WR11C2R4         100    64     1     1               0.00              "
			       "1.826e+00\n" PASSED, &result, &err), 0);
	assert_int_equal(result.mflops, 1826);
}

static void takes_the_fastest_of_several(void **state)
{
	struct rain_hpl_result result;
	struct rain_error err;

	(void)state;
	assert_int_equal(parse("noise\n" HEAD
			       "WR11C2R4        9283   128     4     8              55.99              9.525e+00\n"
			       PASSED HEAD
			       "WC11C2R4        9283    64     4     8              29.21              1.826e+01\n"
			       PASSED "Finished      2 tests\n", &result, &err), 0);
	assert_int_equal(result.mflops, 18260);
	assert_int_equal(result.problem.block, 64);
}

static void refuses_what_is_no_result(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"", "no result"},
		{HEAD, "no result"},
		{HEAD "WR11C2R4 9283 128 4 8 55.99 9.525e+00\n" FAILED, "FAILED"},
		{HEAD "WR11C2R4 9283 128 4 8 55.99 9.525e+00\n", "before its residual check"},
		{HEAD "WR11C2R4 9283 128 4 8 55.99 9.525e+00\n" HEAD
		 "WR11C2R4 9283 128 4 8 55.99 9.525e+00\n" PASSED, "without its residual check"},
		{HEAD "WR11C2R4 9283 128 4 8 55.99 nan\n" PASSED, "number"},
		{HEAD "WR11C2R4 9283 128 4 8 0x10 9.525e+00\n" PASSED, "number"},
		{HEAD "WR11C2R4 0 128 4 8 55.99 9.525e+00\n" PASSED, "can't be"},
		{HEAD "WR11C2R4 9283 128 4 8 55.99 1e400\n" PASSED, "number"},
	};
	struct rain_hpl_result result;
	struct rain_error err;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(parse(cases[i].text, &result, &err), -1);
		assert_non_null(strstr(err.text, cases[i].says));
	}
}

static void the_grid_is_as_square_as_can_be(void **state)
{
	static const int64_t expected[][3] = {{1, 1, 1}, {2, 1, 2}, {7, 1, 7}, {8, 2, 4}, {16, 4, 4},
					      {24, 4, 6}, {32, 4, 8}, {36, 6, 6}};
	struct rain_hpl_problem problem;
	struct rain_error err;

	(void)state;
	for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
		const struct rain_hpl_machine machine = {.nodes = 1, .cores_per_node = expected[i][0],
							 .mem_mb_per_node = 2048, .mflops_per_core = 1000};

		assert_int_equal(rain_hpl_choose(&machine, 80, 60, &problem, &err), 0);
		assert_int_equal(problem.rows, expected[i][1]);
		assert_int_equal(problem.columns, expected[i][2]);
	}
}

/* Whatever the machine, the matrix fits and the time is kept. */
static void the_problem_fits(void **state)
{
	struct rain_hpl_problem problem;
	struct rain_error err;
	uint64_t seed = 42;
	int chosen = 0;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct rain_hpl_machine machine;
		int64_t percent, seconds;
		double bytes, flops;

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		machine = (struct rain_hpl_machine){
			.nodes = 1 + (int64_t)(seed >> 20) % 300,
			.cores_per_node = 1 + (int64_t)(seed >> 30) % 256,
			.mem_mb_per_node = 1 + (int64_t)(seed >> 40) % 200000,
			.mflops_per_core = 1 + (int64_t)(seed >> 12) % 60000,
		};
		percent = 1 + (int64_t)(seed >> 50) % 90;
		seconds = 1 + (int64_t)(seed >> 5) % 4000;
		if (rain_hpl_choose(&machine, percent, seconds, &problem, &err) < 0)
			continue;
		chosen++;
		bytes = (double)problem.order * (double)problem.order * 8;
		flops = (double)machine.mflops_per_core * 1e6 * (double)(problem.rows * problem.columns);
		assert_true(bytes <= (double)machine.mem_mb_per_node * 1048576 * (double)machine.nodes *
					     (double)percent / 100);
		assert_true(pow((double)problem.order, 3) * 2 / 3 <= flops * (double)seconds * 1.001);
		assert_int_equal(problem.rows * problem.columns, machine.nodes * machine.cores_per_node);
		assert_int_equal(problem.order % problem.block, 0);
		assert_true(problem.rows <= problem.columns);
	}
	assert_true(chosen > 10000);
}

static void nonsense_is_refused(void **state)
{
	static const struct rain_hpl_machine bad[] = {
		{0, 4, 2048, 1000}, {1, 0, 2048, 1000}, {8, 4, 0, 1000}, {8, 4, 2048, 0},
		{INT64_MAX, INT64_MAX, 2048, 1000}, {1, 1, 1, 1},
	};
	struct rain_hpl_problem problem;
	struct rain_error err;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(rain_hpl_choose(&bad[i], 80, 1, &problem, &err), -1);
}

static void the_input_has_hpls_lines(void **state)
{
	const struct rain_hpl_problem problem = {.order = 9216, .block = 128, .rows = 4, .columns = 8};
	char text[4096], *line = text;

	(void)state;
	assert_int_equal(rain_hpl_input(&problem, text, sizeof text), 0);
	for (int i = 1; i < 6; i++)
		line = strchr(line, '\n') + 1;
	assert_memory_equal(line, "9216 ", 5);
	assert_int_equal(rain_hpl_input(&problem, text, 100), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_exponent),
		cmocka_unit_test(a_misread_exponent_contradicts_the_time),
		cmocka_unit_test(takes_the_fastest_of_several),
		cmocka_unit_test(refuses_what_is_no_result),
		cmocka_unit_test(the_grid_is_as_square_as_can_be),
		cmocka_unit_test(the_problem_fits),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(the_input_has_hpls_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
