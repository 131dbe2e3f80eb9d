// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The C part of `make bench-submit` (submit.sh):
 *   bench_submit submit N         submits N held jobs to the slurmctld of $SLURM_CONF, and
 *                                 cancels them; prints how many a second it took in
 *   bench_submit run N            submits N jobs that run `true`
 *   bench_submit publish DIR      keeps the snapshots of rain-ledgerd fresh until it is ended
 *   bench_submit hooks FILE FIRST N  what the jobs FIRST .. FIRST+N-1 cost inside slurmctld
 */
#include <errno.h>
#include <signal.h>
#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
	double begun = now_s(), taken;

	for (long i = 0; i < count; i++) {
		jobs[i] = submit(held);
		if (!jobs[i])
			return fail("slurmctld refuses a job", slurm_strerror(slurm_get_errno()));
	}
	taken = now_s() - begun;
	printf("%.3f %u\n", (double)count / taken, jobs[0]);
	for (long i = 0; held && i < count; i++)
		if (slurm_kill_job(jobs[i], SIGKILL, 0) != SLURM_SUCCESS)
			return fail("a job can't be cancelled", slurm_strerror(slurm_get_errno()));
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

/* One submits after the other, so the n-th call of job_submit is that of the n-th job. */
static int sum_up(const struct rain_hook_log *records, uint32_t first, size_t count)
{
	static int64_t sums[4][JOBS_MAX]; /* [0]: all hooks */
	size_t submits = 0, ended = 0;

	for (uint64_t i = 0; i < records->count; i++) {
		const struct rain_hook_call *call = &records->calls[i];
		size_t at = call->hook == RAIN_HOOK_SUBMIT ? submits++ : (size_t)call->job - first;

		if (at >= count)
			continue;
		ended += call->hook == RAIN_HOOK_COMPLETED;
		sums[call->hook][at] += call->ns;
		sums[0][at] += call->ns;
	}
	if (submits != count || ended < count) {
		fprintf(stderr, "bench_submit: %zu jobs, but %zu calls of job_submit and %zu of jobcomp\n", count,
			submits, ended);
		return EXIT_FAILURE;
	}
	line("job_submit", sums[RAIN_HOOK_SUBMIT], count);
	line("site_factor, as often as it was asked", sums[RAIN_HOOK_FACTOR], count);
	line("jobcomp", sums[RAIN_HOOK_COMPLETED], count);
	line("all hooks of a job", sums[0], count);
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

int main(int argc, char *argv[])
{
	const char *verb = argc > 2 ? argv[1] : "";
	long count = argc > 2 ? strtol(argv[argc - 1], NULL, 10) : 0;

	if (strcmp(verb, "publish") == 0)
		return publish(argv[2]);
	if (count < 1 || count > JOBS_MAX)
		return fail("usage", "submit N, run N, publish DIR, hooks FILE FIRST N");
	if (strcmp(verb, "submit") == 0)
		return submit_all(count, true);
	if (strcmp(verb, "run") == 0)
		return submit_all(count, false);
	if (strcmp(verb, "hooks") == 0 && argc == 5)
		return hooks(argv[2], strtol(argv[3], NULL, 10), count);
	return fail("usage", "submit N, run N, publish DIR, hooks FILE FIRST N");
}
