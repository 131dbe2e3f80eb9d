/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What Slurm says of a job that isn't submitted. */
#include "scheduler/estimate_ask.h"

#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cli.h"
#include "common/process.h"

#define SBATCH "/usr/bin/sbatch"
#define SBATCH_MS 30000
/* sbatch tries for a minute; where the first slurmctld is gone a second one may be there. */
#define SBATCH_WITHOUT_FIRST_MS 5000
#define SHAPE_MARK "rain-shape:"
#define START_MARK " to start at "

extern char **environ;

/* "sbatch: Job 7 to start at 2026-11-21T12:20:00 using 4 processors on …", local time. */
static void start_read(const char *line, struct rain_estimate_all *all)
{
	const char *at = strstr(line, START_MARK);
	struct tm tm = {.tm_isdst = -1};

	if (at && strptime(at + strlen(START_MARK), "%Y-%m-%dT%H:%M:%S", &tm))
		all->start_at = mktime(&tm);
}

/* "sbatch: error: no such file" -> "no such file" */
static const char *plain(const char *line)
{
	static const char *const prefixes[] = {SBATCH ": ", "sbatch: ", "error: ", "fatal: ", "allocation failure: "};

	for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
		if (strncmp(line, prefixes[i], strlen(prefixes[i])) == 0)
			line += strlen(prefixes[i]);
	return line;
}

/* Adds what is neither for us nor for somebody who only asks. */
static void words_keep(const char *line, struct rain_estimate_all *all)
{
	size_t length = strlen(all->start_text);

	if (strncmp(line, "sbatch: rain: ", 14) != 0 && strncmp(line, "Try ", 4) != 0)
		snprintf(all->start_text + length, sizeof all->start_text - length, "%s%s", length ? " " : "",
			 plain(line));
}

/* How many components the job has; -1 when one can't be read. */
static int lines_read(char *output, struct rain_estimate_all *all, struct rain_error *err)
{
	int shapes = 0;
	char *save = NULL;

	for (char *line = strtok_r(output, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, SHAPE_MARK, strlen(SHAPE_MARK)) == 0) {
			if (shapes++ == 0 && rain_estimate_shape(line + strlen(SHAPE_MARK), all, err) < 0)
				return -1;
		} else if (strstr(line, START_MARK)) {
			start_read(line, all);
		} else {
			words_keep(line, all);
		}
	}
	return shapes;
}

static int judge(const struct rain_process_result *result, int shapes, struct rain_estimate_all *all,
		 struct rain_error *err)
{
	if (result->exit_code != 0) {
		/* --burst=only never starts at home, so it may be too large for it. */
		if (shapes == 1 && all->job.only)
			return RAIN_EXIT_OK;
		rain_error_set(err, "sbatch would refuse it: %s",
			       all->start_text[0] ? all->start_text : "it doesn't say why");
		return RAIN_EXIT_FAILURE;
	}
	if (shapes == 1)
		return RAIN_EXIT_OK;
	if (shapes == 0)
		rain_error_set(err, "sbatch says nothing of the job: slurm.conf needs CliFilterPlugins=rain on this "
			       "machine");
	else
		rain_error_set(err, "it is a heterogeneous job, of %d components: ask for one at a time", shapes);
	return RAIN_EXIT_FAILURE;
}

int rain_estimate_sbatch(char *const argv[], struct rain_estimate_all *all, struct rain_error *err)
{
	const char **command, **environment;
	struct rain_process_result result;
	size_t words = 0, variables = 0;
	bool answers = slurm_ping(0) == SLURM_SUCCESS;
	int rc, shapes;

	while (argv[words])
		words++;
	while (environ[variables])
		variables++;
	command = calloc(words + 3, sizeof *command);
	environment = calloc(variables + 2, sizeof *environment);
	if (!command || !environment) {
		free(command);
		free(environment);
		rain_error_set(err, "no memory to call sbatch");
		return RAIN_EXIT_FAILURE;
	}
	command[0] = SBATCH;
	command[1] = "--test-only";
	memcpy(command + 2, argv, words * sizeof *command);
	memcpy(environment, environ, variables * sizeof *environment);
	environment[variables] = "RAIN_ESTIMATE_SHAPE=1";
	rc = rain_process_run(command, environment, NULL, answers ? SBATCH_MS : SBATCH_WITHOUT_FIRST_MS, &result,
			      err);
	free(command);
	free(environment);
	if (rc < 0 && !answers)
		rain_error_set(err, "slurmctld doesn't answer: is it running?");
	if (rc < 0)
		return answers ? RAIN_EXIT_FAILURE : RAIN_EXIT_UNAVAILABLE;
	shapes = lines_read(result.output, all, err);
	rc = shapes < 0 ? RAIN_EXIT_FAILURE : judge(&result, shapes, all, err);
	rain_process_result_release(&result);
	return rc;
}

void rain_estimate_will_run(struct rain_estimate_all *all)
{
	const struct rain_estimate_job *job = &all->job;
	char script[] = "#!/bin/sh\n", directory[] = "/", *environment[] = {(char[]){"PATH=/bin"}};
	will_run_response_msg_t *answer = NULL;
	job_desc_msg_t desc;

	slurm_init_job_desc_msg(&desc);
	desc.name = all->name;
	desc.partition = all->partition[0] ? all->partition : NULL;
	desc.features = all->constraint[0] ? all->constraint : NULL;
	desc.user_id = getuid();
	desc.group_id = getgid();
	desc.min_nodes = (uint32_t)job->nodes;
	desc.num_tasks = (uint32_t)job->tasks;
	desc.cpus_per_task = (uint16_t)job->cpus_per_task;
	desc.min_cpus = (uint32_t)rain_estimate_cores(job);
	if (all->ntasks_per_node > 0)
		desc.ntasks_per_node = (uint16_t)all->ntasks_per_node;
	if (all->minutes > 0)
		desc.time_limit = (uint32_t)all->minutes;
	desc.script = script;
	desc.work_dir = directory;
	desc.environment = environment;
	desc.env_size = 1;
	/* libslurm offers nothing to free the answer; this program ends soon. */
	if (slurm_job_will_run2(&desc, &answer) == SLURM_SUCCESS && answer)
		all->start_at = answer->start_time;
	else
		snprintf(all->start_text, sizeof all->start_text, "%s", slurm_strerror(slurm_get_errno()));
}

static bool is_meant(const struct rain_estimate_all *all, const partition_info_t *partition)
{
	size_t length = strcspn(all->partition, ",");

	if (!all->partition[0])
		return partition->flags & PART_FLAG_DEFAULT;
	return strlen(partition->name) == length && memcmp(partition->name, all->partition, length) == 0;
}

/* -1: the partition sets no bound. */
static int64_t minutes_of(const partition_info_t *partition, int64_t asked)
{
	if (asked < 0 && partition->default_time != NO_VAL && partition->default_time != INFINITE)
		return partition->default_time;
	if (partition->max_time != NO_VAL && partition->max_time != INFINITE)
		return partition->max_time;
	return -1;
}

int rain_estimate_limit(struct rain_estimate_all *all, struct rain_error *err)
{
	partition_info_msg_t *list = NULL;
	int64_t minutes = all->minutes;

	if (minutes <= 0 && slurm_load_partitions(0, &list, SHOW_ALL) == SLURM_SUCCESS) {
		for (uint32_t i = 0; i < list->record_count; i++)
			if (is_meant(all, &list->partition_array[i]))
				minutes = minutes_of(&list->partition_array[i], all->minutes);
		slurm_free_partition_info_msg(list);
	}
	if (minutes <= 0)
		return rain_error_set(err, "the job has no time limit, so nothing can be said of its cost: give "
				      "it --time");
	all->job.limit = minutes * 60;
	return 0;
}
