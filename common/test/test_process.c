// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/process.h"

static void test_output_and_exit(void **state)
{
	const char *const cat[] = {"/bin/cat", NULL};
	const char *const exits[] = {"/bin/sh", "-c", "echo out; echo err >&2; exit 3", NULL};
	struct rain_process_result result;

	(void)state;
	assert_int_equal(rain_process_run(cat, NULL, "through", 5000, &result, NULL), 0);
	assert_int_equal(result.exit_code, 0);
	assert_string_equal(result.output, "through");
	rain_process_result_release(&result);

	assert_int_equal(rain_process_run(exits, NULL, NULL, 5000, &result, NULL), 0);
	assert_int_equal(result.exit_code, 3);
	assert_string_equal(result.output, "out\nerr\n");
	rain_process_result_release(&result);
}

static void test_large(void **state)
{
	const char *const cat[] = {"/bin/cat", NULL};
	const size_t size = 300000; /* more than a pipe and than the bound hold */
	char *input = malloc(size + 1);
	struct rain_process_result result;

	(void)state;
	memset(input, 'x', size);
	input[size] = '\0';
	assert_int_equal(rain_process_run(cat, NULL, input, 5000, &result, NULL), 0);
	assert_int_equal(result.size, 65536);
	rain_process_result_release(&result);
	free(input);
}

static void test_deaf_child(void **state)
{
	const char *const deaf[] = {"/bin/true", NULL};
	char input[200001];
	struct rain_process_result result;

	(void)state;
	memset(input, 'x', sizeof(input) - 1);
	input[sizeof(input) - 1] = '\0';
	assert_int_equal(rain_process_run(deaf, NULL, input, 5000, &result, NULL), 0);
	assert_int_equal(result.exit_code, 0);
	rain_process_result_release(&result);
}

static void test_signal_and_failures(void **state)
{
	const char *const killed[] = {"/bin/sh", "-c", "kill -9 $$", NULL};
	const char *const slow[] = {"/bin/sleep", "60", NULL};
	const char *const missing[] = {"/nonexistent/program", NULL};
	struct rain_process_result result;
	struct rain_error err = {""};

	(void)state;
	assert_int_equal(rain_process_run(killed, NULL, NULL, 5000, &result, NULL), 0);
	assert_int_equal(result.signal, SIGKILL);
	assert_int_equal(result.exit_code, -1);
	rain_process_result_release(&result);

	assert_int_equal(rain_process_run(slow, NULL, NULL, 50, &result, &err), -1);
	assert_non_null(strstr(err.text, "50 ms"));
	assert_int_equal(rain_process_run(missing, NULL, NULL, 50, &result, &err), -1);
	assert_non_null(strstr(err.text, "/nonexistent/program"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_output_and_exit),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_deaf_child),
		cmocka_unit_test(test_signal_and_failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
