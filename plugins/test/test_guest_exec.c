// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/guest_exec.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/file.h"
#include "plugins/guest_confine.h"

static struct rain_error error;
static char directory[] = "/tmp/rain-guest-exec-XXXXXX";

static int group_setup(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int group_teardown(void **state)
{
	(void)state;
	return rmdir(directory);
}

static void test_environment_is_sealed(void **state)
{
	char *environment[] = {"LD_PRELOAD=/evil.so", "A=b", NULL};
	char text[64];
	int fd = rain_guest_environment_seal(environment, &error);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(read(fd, text, sizeof text), 24);
	assert_memory_equal(text, "LD_PRELOAD=/evil.so\0A=b\0", 24);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	close(fd);
}

/* Runs the task with `sandbox` in place of rain-sandbox in a child process and
 * returns its wait status; *output gets what it prints. */
static int run(const struct rain_guest_task *task, char **output)
{
	int pipes[2], status;
	pid_t child;

	assert_int_equal(pipe(pipes), 0);
	child = fork();
	if (child == 0) {
		dup2(pipes[1], STDOUT_FILENO);
		close(pipes[0]);
		close(pipes[1]);
		rain_guest_exec(task, &error);
		_exit(99);
	}
	close(pipes[1]);
	*output = rain_file_read_fd(pipes[0], "the pipe", 65536, NULL, &error);
	close(pipes[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_non_null(*output);
	return status;
}

static void test_sandbox_gets_a_clean_environment(void **state)
{
	/* a program that shows its environment and leaves its arguments alone
	 * is hard to come by: a script in the temporary directory */
	char *argv[] = {"hello world", "--", "-x", NULL};
	char *environment[] = {"LD_PRELOAD=/evil.so", "PMIX_SERVER_TMPDIR=/home", NULL};
	struct rain_guest_task task = {
		.uid = 61000, .job = 7, .step = 3, .argv = argv, .environment = environment};
	char script[128], *output;
	static const char body[] =
		"#!/bin/sh\nfor a; do echo \"[$a]\"; done\nenv | grep -c LD_PRELOAD\ncat <&\"$4\"\n";

	(void)state;
	snprintf(script, sizeof script, "%s/sandbox", directory);
	assert_int_equal(rain_file_write(script, body, sizeof body - 1, 0755, &error), 0);
	task.sandbox = script;
	assert_int_equal(run(&task, &output), 0);
	assert_ptr_equal(strstr(output, "[--job]\n[7]\n[--environment-fd]\n["), output);
	/* PMIX_SERVER_TMPDIR isn't Slurm's, so that it isn't handed on */
	assert_null(strstr(output, "--pmix-dir"));
	assert_non_null(strstr(output, "]\n[--]\n[hello world]\n[--]\n[-x]\n0\n"));
	free(output);
	unlink(script);
}

static void test_failure_returns(void **state)
{
	char *argv[] = {"true", NULL}, *none[] = {NULL}, *output;
	struct rain_guest_task task = {.sandbox = "/nonexistent", .argv = argv, .environment = none};

	(void)state;
	assert_int_equal(WEXITSTATUS(run(&task, &output)), 99);
	free(output);
	task.argv = none;
	assert_int_equal(rain_guest_exec(&task, &error), -1);
	assert_non_null(strstr(error.text, "no command"));
}

static void test_pmix_directory(void **state)
{
	char path[128], link_path[128];

	(void)state;
	snprintf(path, sizeof path, "%s/pmix.7.3", directory);
	snprintf(link_path, sizeof link_path, "%s/pmix.7.4", directory);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(symlink(path, link_path), 0);
	assert_true(rain_guest_pmix_directory_is_genuine(path, 7, 3, getuid() + 1));
	/* the wrong job or step, the guest's own directory, a link, no directory */
	assert_false(rain_guest_pmix_directory_is_genuine(path, 8, 3, getuid() + 1));
	assert_false(rain_guest_pmix_directory_is_genuine(path, 7, 4, getuid() + 1));
	assert_false(rain_guest_pmix_directory_is_genuine(path, 7, 3, getuid()));
	assert_false(rain_guest_pmix_directory_is_genuine(link_path, 7, 4, getuid() + 1));
	assert_false(rain_guest_pmix_directory_is_genuine("/home", 7, 3, getuid() + 1));
	assert_false(rain_guest_pmix_directory_is_genuine("pmix.7.3", 7, 3, getuid() + 1));
	chmod(directory, 0777);
	assert_false(rain_guest_pmix_directory_is_genuine(path, 7, 3, getuid() + 1));
	chmod(directory, 0700);
	unlink(link_path);
	rmdir(path);
}

/* 0: fine, 77: this needs root, else which step failed. */
static int confined_child(void)
{
	struct stat status;
	pid_t child;
	int result;

	if (geteuid())
		return 77;
	if (rain_guest_confine_files(&error) || stat("/home", &status) || status.st_nlink > 2)
		return 1;
	if (!mkdir("/home/x", 0700) || errno != EROFS)
		return 2;
	if (rain_guest_confine_exec(&error))
		return 3;
	child = fork();
	if (child == 0) {
		execl("/bin/true", "true", NULL);
		_exit(errno == EPERM ? 0 : 4);
	}
	waitpid(child, &result, 0);
	return WEXITSTATUS(result);
}

static void test_confinement(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	if (child == 0)
		_exit(confined_child());
	waitpid(child, &status, 0);
	if (WEXITSTATUS(status) == 77) {
		print_message("# only root can shut a guest in\n");
		skip();
	}
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_environment_is_sealed),
		cmocka_unit_test(test_sandbox_gets_a_clean_environment),
		cmocka_unit_test(test_failure_returns),
		cmocka_unit_test(test_pmix_directory),
		cmocka_unit_test(test_confinement),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
