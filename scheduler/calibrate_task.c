/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What runs on the nodes. */
#include "scheduler/calibrate_job.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cli.h"
#include "common/file.h"
#include "scheduler/survey.h"

#define OUTPUT_MAX ((size_t)1024 * 1024)

static int task_survey(const char *seconds)
{
	struct rain_survey survey;
	struct rain_error err;
	json_t *object;

	if (rain_survey_run(atoi(seconds), &survey, &err) < 0)
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	object = rain_survey_encode(&survey);
	if (!object)
		return RAIN_EXIT_FAILURE;
	json_dumpf(object, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(object);
	return fflush(stdout) == 0 ? RAIN_EXIT_OK : RAIN_EXIT_FAILURE;
}

/* In the current directory, which is our own. */
static int input_write(const struct rain_hpl_problem *problem, struct rain_error *err)
{
	char text[4096];

	if (rain_hpl_input(problem, text, sizeof text) < 0)
		return rain_error_set(err, "HPL's input doesn't fit");
	if (rain_file_write("HPL.dat", text, strlen(text), 0600, err) < 0)
		return -1;
	return rain_file_write("hpccinf.txt", text, strlen(text), 0600, err);
}

/* hpcc writes what HPL says into a file; xhpl prints it. */
static int output_print(struct rain_error *err)
{
	size_t size;
	char *text;
	int rc;

	if (access("hpccoutf.txt", F_OK) < 0)
		return 0;
	text = rain_file_read("hpccoutf.txt", OUTPUT_MAX, &size, err);
	if (!text)
		return -1;
	rc = rain_file_write_fd(STDOUT_FILENO, text, size, err);
	free(text);
	return rc;
}

/* The first process writes the input and reads the output; both are on its node. */
static int task_first(const char *program, const struct rain_hpl_problem *problem)
{
	char directory[] = "/tmp/rain-calibrate-XXXXXX";
	struct rain_error err;
	int status = 0, rc;
	pid_t pid = -1;

	if (!mkdtemp(directory) || chdir(directory) < 0)
		rc = rain_error_set(&err, "can't make %s: %s", directory, strerror(errno));
	else
		rc = input_write(problem, &err);
	if (rc == 0) {
		pid = fork();
		if (pid == 0) {
			execl(program, program, (char *)NULL);
			_exit(127);
		}
		while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		if (pid < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
			rc = rain_error_set(&err, "%s failed on %s", program, getenv("SLURMD_NODENAME"));
		else
			rc = output_print(&err);
	}
	unlink("HPL.dat");
	unlink("hpccinf.txt");
	unlink("hpccoutf.txt");
	unlink("hpccmemf.txt");
	if (chdir("/") == 0)
		rmdir(directory);
	return rc < 0 ? rain_cli_fail(RAIN_EXIT_FAILURE, &err) : RAIN_EXIT_OK;
}

static int task_hpl(char *argv[])
{
	const struct rain_hpl_problem problem = {
		.order = atoll(argv[1]), .block = atoll(argv[2]), .rows = atoll(argv[3]),
		.columns = atoll(argv[4])};
	const char *rank = getenv("SLURM_PROCID");
	struct rain_error err;

	if (!rank || strcmp(rank, "0") == 0)
		return task_first(argv[0], &problem);
	execl(argv[0], argv[0], (char *)NULL);
	rain_error_set(&err, "can't run %s here: %s", argv[0], strerror(errno));
	return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
}

int rain_calibrate_task(int argc, char *argv[])
{
	if (argc == 2 && strcmp(argv[0], "survey") == 0)
		return task_survey(argv[1]);
	if (argc == 6 && strcmp(argv[0], "hpl") == 0)
		return task_hpl(argv + 1);
	return rain_cli_usage("task is for the jobs that rain calibrate starts");
}
