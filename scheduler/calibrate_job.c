/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scheduler/calibrate_job.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/hostlist.h"
#include "common/json.h"
#include "common/process.h"
#include "scheduler/survey.h"

#define SALLOC "/usr/bin/salloc"
#define SRUN "/usr/bin/srun"
#define SELF RAIN_LIBEXECDIR "/rain-calibrate"
#define NODES_AT_ONCE 64 /* their answers fit into one output */
#define SURVEY_LINE_MAX 8192
#define START_SECONDS 60 /* of Slurm, MPI, and HPL's own preparations */

/* One thread for each process: there is one on each core already. */
static const char *const job_environment[] = {
	"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG=C.UTF-8", "OPENBLAS_NUM_THREADS=1",
	"OMP_NUM_THREADS=1", "BLIS_NUM_THREADS=1", "MKL_NUM_THREADS=1", NULL};

/* The last line that says something, for an error. */
static const char *last_words(char *output)
{
	char *end = output + strlen(output), *line;

	while (end > output && (end[-1] == '\n' || end[-1] == ' '))
		*--end = '\0';
	line = strrchr(output, '\n');
	return line ? line + 1 : output;
}

/* A job that has its nodes for itself, and its one step. */
struct srun {
	char nodes[RAIN_HOSTLIST_TEXT_MAX + 16], node_count[32], tasks[48], limit[32], wait[48], partition[128];
	const char *argv[32];
	size_t used;
};

static void srun_add(struct srun *srun, const char *word)
{
	srun->argv[srun->used++] = word;
	srun->argv[srun->used] = NULL;
}

static void srun_begin(struct srun *srun, const struct rain_calibrate_jobs *jobs, const char *nodes,
		       size_t node_count, int64_t tasks_per_node, int seconds)
{
	*srun = (struct srun){.used = 0};
	if (jobs->local)
		return;
	snprintf(srun->nodes, sizeof srun->nodes, "--nodelist=%s", nodes);
	snprintf(srun->node_count, sizeof srun->node_count, "--nodes=%zu", node_count);
	snprintf(srun->tasks, sizeof srun->tasks, "--ntasks-per-node=%" PRId64, tasks_per_node);
	snprintf(srun->limit, sizeof srun->limit, "--time=%d", seconds / 60 + 2);
	snprintf(srun->wait, sizeof srun->wait, "--immediate=%d", jobs->wait_seconds);
	srun_add(srun, SALLOC);
	srun_add(srun, "--quiet");
	srun_add(srun, "--job-name=rain-calibrate");
	srun_add(srun, "--exclusive");
	srun_add(srun, "--mem=0");
	srun_add(srun, "--no-kill");
	srun_add(srun, srun->nodes);
	srun_add(srun, srun->node_count);
	srun_add(srun, srun->limit);
	srun_add(srun, srun->wait);
	if (jobs->partition) {
		snprintf(srun->partition, sizeof srun->partition, "--partition=%s", jobs->partition);
		srun_add(srun, srun->partition);
	}
	srun_add(srun, SRUN);
	srun_add(srun, "--quiet");
	srun_add(srun, "--chdir=/tmp");
	srun_add(srun, "--whole"); /* all cores for the step, however few its tasks */
	srun_add(srun, srun->tasks);
}

/* ------------------------------------------------------------------ survey */

static int take_answers(char *output, struct rain_survey surveys[], size_t *count, size_t max,
			struct rain_error *err)
{
	char *save = NULL;

	for (char *line = strtok_r(output, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		json_t *object;
		int rc;

		if (*line != '{' || *count == max)
			continue;
		object = rain_json_parse(line, strlen(line), SURVEY_LINE_MAX, err);
		rc = object ? rain_survey_decode(object, &surveys[*count], err) : -1;
		json_decref(object);
		if (rc < 0)
			return rain_error_prefix(err, "a node's survey can't be read");
		++*count;
	}
	return 0;
}

static int survey_some(const struct rain_calibrate_jobs *jobs, char *const nodes[], size_t node_count,
		       struct rain_survey surveys[], size_t *count, struct rain_error *err)
{
	struct rain_process_result result;
	size_t before = *count;
	char seconds[16], *list;
	struct srun srun;
	int rc;

	list = rain_hostlist_fold((const char *const *)nodes, node_count, err);
	if (!list)
		return -1;
	snprintf(seconds, sizeof seconds, "%d", jobs->seconds);
	srun_begin(&srun, jobs, list, node_count, 1, jobs->seconds + START_SECONDS);
	free(list);
	if (!jobs->local) {
		/* the one task binds its own processes */
		srun_add(&srun, "--cpu-bind=none");
		srun_add(&srun, "--mpi=none");
	}
	srun_add(&srun, SELF);
	srun_add(&srun, "task");
	srun_add(&srun, "survey");
	srun_add(&srun, seconds);
	if (rain_process_run(srun.argv, job_environment, NULL,
			     (jobs->seconds + jobs->wait_seconds + START_SECONDS) * 1000, &result, err) < 0)
		return -1;
	rc = take_answers(result.output, surveys, count, before + node_count, err);
	/* strtok cut the output into lines, the first of which may say why. */
	if (rc == 0 && *count == before)
		rc = rain_error_set(err, "no node was surveyed: %.300s", last_words(result.output));
	rain_process_result_release(&result);
	return rc;
}

int rain_calibrate_survey(const struct rain_calibrate_jobs *jobs, char *const nodes[],
			  size_t node_count, struct rain_survey **surveys, size_t *count,
			  struct rain_error *err)
{
	struct rain_error why = {.text = ""};

	*count = 0;
	*surveys = calloc(node_count + 1, sizeof **surveys);
	if (!*surveys)
		return rain_error_set(err, "no memory for %zu surveys", node_count);
	for (size_t at = 0; at < node_count; at += NODES_AT_ONCE) {
		size_t some = node_count - at < NODES_AT_ONCE ? node_count - at : NODES_AT_ONCE;

		survey_some(jobs, nodes + at, some, *surveys, count, &why);
	}
	if (*count > 0)
		return 0;
	free(*surveys);
	*surveys = NULL;
	return rain_error_set(err, "%s", why.text);
}

/* --------------------------------------------------------------------- HPL */

const char *rain_calibrate_program(void)
{
	static const char *const programs[] = {"/usr/local/bin/xhpl", "/usr/bin/xhpl", "/usr/bin/hpcc"};

	for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
		if (access(programs[i], X_OK) == 0)
			return programs[i];
	return NULL;
}

int rain_calibrate_hpl(const struct rain_calibrate_jobs *jobs, const char *program,
		       const char *nodes, size_t node_count,
		       const struct rain_hpl_problem *problem, struct rain_hpl_result *result,
		       struct rain_error *err)
{
	/* hpcc runs other tests before, which take a few times as long. */
	int seconds = jobs->seconds * 8 + START_SECONDS * 4, rc;
	int64_t tasks = problem->rows * problem->columns / (int64_t)node_count;
	char order[24], block[24], rows[24], columns[24];
	struct rain_process_result output;
	struct srun srun;

	snprintf(order, sizeof order, "%" PRId64, problem->order);
	snprintf(block, sizeof block, "%" PRId64, problem->block);
	snprintf(rows, sizeof rows, "%" PRId64, problem->rows);
	snprintf(columns, sizeof columns, "%" PRId64, problem->columns);
	srun_begin(&srun, jobs, nodes, node_count, tasks, seconds);
	srun_add(&srun, "--mpi=pmix");
	srun_add(&srun, SELF);
	srun_add(&srun, "task");
	srun_add(&srun, "hpl");
	srun_add(&srun, program);
	srun_add(&srun, order);
	srun_add(&srun, block);
	srun_add(&srun, rows);
	srun_add(&srun, columns);
	if (rain_process_run(srun.argv, job_environment, NULL, (seconds + jobs->wait_seconds) * 1000, &output,
			     err) < 0)
		return -1;
	rc = rain_hpl_parse(output.output, output.size, result, err);
	if (rc < 0)
		rain_error_set(err, "%s on %s: %s (the job's last words: %.200s)", program, nodes,
			       strdupa(err->text), last_words(output.output));
	rain_process_result_release(&output);
	return rc;
}
