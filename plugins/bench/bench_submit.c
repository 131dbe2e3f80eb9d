// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The C part of `make bench-submit` (submit.sh):
 *   bench_submit compare CONF CONF PAIRS N  submits N held jobs to the slurmctld of one slurm.conf
 *                                 and N to that of the other, PAIRS times; prints for each pair how
 *                                 many a second the two took in
 *   bench_submit run N            submits N jobs that run `true` to that of $SLURM_CONF; prints the
 *                                 number of the first
 *   bench_submit publish DIR      keeps the snapshots of rain-ledgerd fresh until it is ended
 *   bench_submit hooks FILE FIRST N  what the jobs FIRST .. FIRST+N-1 cost inside slurmctld
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "accounting/snapshot_file.h"
#include "accounting/snapshot_map.h"
#include "common/clock.h"
#include "plugins/bench/hook_clock.h"
#include "scheduler/predict.h"
#include "scheduler/predict_key.h"

#define JOBS_MAX 100000
#define USERS 1000

static uint32_t jobs[JOBS_MAX];

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "bench_submit: %s: %s\n", what, why);
	return EXIT_FAILURE;
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Each asks for the most that job_submit does: an overflow option, and the balance. */
static uint32_t submit(bool held)
{
	char *environment[] = {(char[]){"PATH=/usr/bin:/bin"}};
	char *options[] = {(char[]){"_SLURM_SPANK_OPTION_rain_burst=auto"}};
	submit_response_msg_t *answer = NULL;
	job_desc_msg_t desc;
	uint32_t id = 0;

	slurm_init_job_desc_msg(&desc);
	desc.name = (char[]){"bench"};
	desc.user_id = getuid();
	desc.group_id = getgid();
	desc.min_nodes = desc.num_tasks = desc.min_cpus = 1;
	desc.time_limit = 10;
	desc.script = (char[]){"#!/bin/sh\ntrue\n"};
	desc.work_dir = (char[]){"/tmp"};
	desc.std_out = (char[]){"/dev/null"};
	desc.environment = environment;
	desc.env_size = 1;
	desc.spank_job_env = options;
	desc.spank_job_env_size = 1;
	if (held)
		desc.priority = 0;
	if (slurm_submit_batch_job(&desc, &answer) == SLURM_SUCCESS && answer)
		id = answer->job_id;
	if (answer)
		slurm_free_submit_response_response_msg(answer);
	return id;
}

static int submit_all(long count, bool held)
{
	for (long i = 0; i < count; i++) {
		jobs[i] = submit(held);
		if (!jobs[i])
			return fail("slurmctld refuses a job", slurm_strerror(slurm_get_errno()));
	}
	return EXIT_SUCCESS;
}

static int run(long count)
{
	if (submit_all(count, false))
		return EXIT_FAILURE;
	printf("%u\n", jobs[0]);
	return EXIT_SUCCESS;
}

/* A process that knows one of the two slurmctld, for libslurm knows no more. */
struct side {
	pid_t pid;
	int commands, answers; /* our ends */
};

/* Waits for a byte, submits, answers with the seconds that took, and cancels until it answers
 * once more; ends with its standard input. */
static int serve(long count)
{
	char byte;

	while (read(STDIN_FILENO, &byte, 1) == 1) {
		double begun = now_s(), taken;

		if (submit_all(count, true))
			return EXIT_FAILURE;
		taken = now_s() - begun;
		if (write(STDOUT_FILENO, &taken, sizeof taken) != sizeof taken)
			return fail("a pipe", strerror(errno));
		for (long i = 0; i < count; i++)
			if (slurm_kill_job(jobs[i], SIGKILL, 0) != SLURM_SUCCESS)
				return fail("a job can't be cancelled", slurm_strerror(slurm_get_errno()));
		if (write(STDOUT_FILENO, &taken, sizeof taken) != sizeof taken)
			return fail("a pipe", strerror(errno));
	}
	return EXIT_SUCCESS;
}

static int side_start(struct side *side, const char *conf, long count)
{
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		return fail("a pipe", strerror(errno));
	side->pid = fork();
	if (side->pid < 0)
		return fail("a process", strerror(errno));
	if (side->pid == 0) {
		close(in[1]); /* or it would never see the end */
		if (dup2(in[0], STDIN_FILENO) < 0 || dup2(out[1], STDOUT_FILENO) < 0 ||
		    setenv("SLURM_CONF", conf, 1) < 0)
			_exit(fail(conf, strerror(errno)));
		_exit(serve(count));
	}
	close(in[0]);
	close(out[1]);
	side->commands = in[1];
	side->answers = out[0];
	return EXIT_SUCCESS;
}

/* Jobs a second, or < 0. */
static double side_rate(const struct side *side, long count)
{
	double taken, cancelled;

	if (write(side->commands, "", 1) != 1 ||
	    read(side->answers, &taken, sizeof taken) != sizeof taken ||
	    read(side->answers, &cancelled, sizeof cancelled) != sizeof cancelled)
		return -1;
	return (double)count / taken;
}

/* The first pair is not told: it warms up. Who begins changes. */
static int compare_rates(char *confs[2], long pairs, long count)
{
	struct side sides[2];

	for (int i = 0; i < 2; i++)
		if (side_start(&sides[i], confs[i], count))
			return EXIT_FAILURE;
	for (long pair = 0; pair <= pairs; pair++) {
		int first = (int)(pair & 1);
		double rates[2];

		rates[first] = side_rate(&sides[first], count);
		rates[!first] = side_rate(&sides[!first], count);
		if (rates[0] < 0 || rates[1] < 0)
			return EXIT_FAILURE; /* it has said why */
		if (pair > 0)
			printf("%.3f %.3f\n", rates[0], rates[1]);
	}
	/* The second was forked with the pipe to the first one open. */
	for (int i = 1; i >= 0; i--) {
		close(sides[i].commands);
		waitpid(sides[i].pid, NULL, 0);
	}
	return EXIT_SUCCESS;
}

static int publish(const char *directory)
{
	static struct rain_snapshot_entry balances[USERS], predictions[USERS];
	struct rain_snapshot_writer writers[2] = {{0}, {0}};
	struct rain_error err;

	for (uint32_t i = 0; i < USERS; i++) {
		balances[i] = (struct rain_snapshot_entry){.key = rain_snapshot_user(i), .available_utok = 1000000};
		predictions[i] = (struct rain_snapshot_entry){.key = rain_predict_key(i, 0, 0), .expected_s = 60};
	}
	for (;;) {
		int64_t now_ms = rain_clock_monotonic_ms();

		if (rain_snapshot_publish(&writers[0], directory, RAIN_SNAPSHOT_BALANCES, balances, USERS, now_ms,
					  &err) < 0 ||
		    rain_snapshot_publish(&writers[1], directory, RAIN_SNAPSHOT_PREDICTIONS, predictions, USERS,
					  now_ms, &err) < 0)
			return fail(directory, err.text);
		sleep(1);
	}
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void line(const char *what, int64_t *ns, size_t count)
{
	qsort(ns, count, sizeof *ns, compare);
	printf("%-44s p50 %6.2f  p99 %6.2f  max %7.2f us\n", what, (double)ns[count / 2] / 1000,
	       (double)ns[(count * 99 + 99) / 100 - 1] / 1000, (double)ns[count - 1] / 1000);
}

struct sums {
	int64_t by_clock[RAIN_HOOK_COUNT][JOBS_MAX]; /* [RAIN_HOOK_NONE]: all hooks */
	int64_t cpu[RAIN_HOOK_COUNT][JOBS_MAX];
};

static void add(struct sums *sums, enum rain_hook hook, size_t at, const struct rain_hook_call *call)
{
	sums->by_clock[hook][at] += call->ns;
	sums->cpu[hook][at] += call->cpu_ns;
}

/* One submits after the other, so the n-th call of job_submit is that of the n-th job. */
static int sum_up(const struct rain_hook_log *records, uint32_t first, size_t count)
{
	static struct sums sums;
	size_t submits = 0, ended = 0;

	for (uint64_t i = 0; i < records->count; i++) {
		const struct rain_hook_call *call = &records->calls[i];
		size_t at;

		submits += call->hook == RAIN_HOOK_SUBMIT;
		at = call->job ? (size_t)call->job - first : submits - 1;
		if (at >= count)
			continue;
		ended += call->hook == RAIN_HOOK_COMPLETED;
		add(&sums, call->hook, at, call);
		if (call->hook != RAIN_HOOK_LOOP)
			add(&sums, RAIN_HOOK_NONE, at, call);
	}
	if (submits != count || ended < count) {
		fprintf(stderr, "bench_submit: %zu jobs, but %zu calls of job_submit and %zu of jobcomp\n", count,
			submits, ended);
		return EXIT_FAILURE;
	}
	line("job_submit", sums.by_clock[RAIN_HOOK_SUBMIT], count);
	line("site_factor, as often as it was asked", sums.by_clock[RAIN_HOOK_FACTOR], count);
	line("jobcomp", sums.by_clock[RAIN_HOOK_COMPLETED], count);
	line("all hooks of a job, by the clock", sums.by_clock[RAIN_HOOK_NONE], count);
	line("all hooks of a job, processor time", sums.cpu[RAIN_HOOK_NONE], count);
	line("an empty loop after each hook, by the clock", sums.by_clock[RAIN_HOOK_LOOP], count);
	line("an empty loop after each hook, processor", sums.cpu[RAIN_HOOK_LOOP], count);
	return EXIT_SUCCESS;
}

static int hooks(const char *path, long first, long count)
{
	struct rain_hook_log *records = malloc(sizeof *records);
	FILE *file = fopen(path, "re");
	int rc = EXIT_FAILURE;

	if (!records || !file)
		fail(path, strerror(errno));
	else if (fread(records, sizeof *records, 1, file) != 1)
		fail(path, "it is too short");
	else if (records->count > RAIN_HOOK_CALLS)
		fail(path, "there were more calls than it can hold");
	else
		rc = sum_up(records, (uint32_t)first, (size_t)count);
	if (file)
		fclose(file);
	free(records);
	return rc;
}

static long number(const char *text)
{
	long count = strtol(text, NULL, 10);

	return count >= 1 && count <= JOBS_MAX ? count : 0;
}

int main(int argc, char *argv[])
{
	const char *verb = argc > 1 ? argv[1] : "";
	long count = number(argv[argc - 1]);

	if (strcmp(verb, "publish") == 0 && argc == 3)
		return publish(argv[2]);
	if (strcmp(verb, "compare") == 0 && argc == 6 && count && number(argv[4]))
		return compare_rates(&argv[2], number(argv[4]), count);
	if (strcmp(verb, "run") == 0 && argc == 3 && count)
		return run(count);
	if (strcmp(verb, "hooks") == 0 && argc == 5 && count)
		return hooks(argv[2], strtol(argv[3], NULL, 10), count);
	return fail("usage", "compare CONF CONF PAIRS N, run N, publish DIR, hooks FILE FIRST N");
}
