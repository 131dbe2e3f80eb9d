/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asks slurmctld which jobs hold a node, for rain-paneld, in a process of its
 * own: libslurm may wait and needs memory, the daemon must not do either.
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>

#include "common/cli.h"
#include "common/config.h"
#include "common/hostlist.h"
#include "panel/codebook.h"
#include "panel/notice.h"

#define JOBS_MAX 64

static const char help[] =
	"Usage: rain-panel-jobs NODE [JOB…]\n"
	"       rain-panel-jobs --owners\n"
	"\n"
	"Tells rain-paneld which of the jobs hold the node at present, according to\n"
	"Slurm; without a JOB, all that do.  One JSON object a line, the last one\n"
	"{\"done\":true}; without it the answer is not complete.\n"
	"\n"
	"      --owners   tell instead who runs jobs in the whole cluster, as uids in one\n"
	"                 JSON object\n"
	"  -h, --help     show this and exit\n"
	"  -V, --version  show the version and exit\n"
	"\n"
	"Exit codes: 0 answered, 2 wrong usage, 3 Slurm can't be asked.\n";

static bool runs(const slurm_job_info_t *job)
{
	uint32_t state = job->job_state & JOB_STATE_BASE;

	return (state == JOB_RUNNING || state == JOB_SUSPENDED) && job->nodes;
}

static bool holds(const slurm_job_info_t *job, const char *node)
{
	return runs(job) && rain_hostlist_contains(job->nodes, node);
}

static void print_here(const slurm_job_info_t *job)
{
	time_t now = time(NULL);
	char peer[RAIN_PANEL_PEER_MAX + 1];
	long elapsed = job->start_time > 0 && job->start_time < now
			       ? (long)(now - job->start_time)
			       : 0;

	/* The clock of a board may be far off until it is set. */
	if (elapsed > INT_MAX)
		elapsed = INT_MAX;
	printf("{\"job\":%u,\"here\":true,\"uid\":%u,\"elapsed\":%ld", job->job_id, job->user_id,
	       elapsed);
	/* So the broker writes it, and only an administrator could write something else. */
	if (job->admin_comment && sscanf(job->admin_comment, "guest of %16[a-z0-9-]", peer) == 1 &&
	    rain_config_name_is_valid(peer))
		printf(",\"peer\":\"%s\"", peer);
	puts("}");
}

static int unavailable(const char *what)
{
	struct rain_error err;

	rain_error_set(&err, "can't ask slurmctld about %s: %s", what, slurm_strerror(errno));
	return rain_cli_fail(RAIN_EXIT_UNAVAILABLE, &err);
}

static int print_all(const char *node)
{
	job_info_msg_t *list = NULL;
	size_t printed = 0;

	if (slurm_load_jobs(0, &list, SHOW_ALL) != SLURM_SUCCESS)
		return unavailable(node);
	for (uint32_t i = 0; i < list->record_count && printed < JOBS_MAX; i++) {
		if (!holds(&list->job_array[i], node))
			continue;
		print_here(&list->job_array[i]);
		printed++;
	}
	slurm_free_job_info_msg(list);
	return 0;
}

static int compare_start(const void *a, const void *b)
{
	const slurm_job_info_t *x = a, *y = b;

	return (x->start_time > y->start_time) - (x->start_time < y->start_time);
}

/* Each once, who began first first. */
static int print_owners(void)
{
	uint32_t owners[RAIN_CODEBOOK_RUNNING_MAX];
	job_info_msg_t *list = NULL;
	size_t count = 0;

	if (slurm_load_jobs(0, &list, SHOW_ALL) != SLURM_SUCCESS)
		return unavailable("the owners of jobs");
	if (list->record_count > 0)
		qsort(list->job_array, list->record_count, sizeof(*list->job_array),
		      compare_start);
	for (uint32_t i = 0; i < list->record_count && count < RAIN_CODEBOOK_RUNNING_MAX; i++) {
		const slurm_job_info_t *job = &list->job_array[i];
		size_t k = 0;

		while (k < count && owners[k] != job->user_id)
			k++;
		if (k == count && runs(job))
			owners[count++] = job->user_id;
	}
	slurm_free_job_info_msg(list);
	fputs("{\"owners\":[", stdout);
	for (size_t i = 0; i < count; i++)
		printf("%s%u", i > 0 ? "," : "", owners[i]);
	puts("]}");
	return 0;
}

static int print_one(const char *node, uint32_t job)
{
	job_info_msg_t *list = NULL;
	bool here = false;

	if (slurm_load_job(&list, job, SHOW_ALL) != SLURM_SUCCESS) {
		/* Slurm forgets jobs some minutes after their end. */
		if (errno != ESLURM_INVALID_JOB_ID)
			return unavailable(node);
		list = NULL;
	}
	for (uint32_t i = 0; list && i < list->record_count && !here; i++) {
		here = list->job_array[i].job_id == job && holds(&list->job_array[i], node);
		if (here)
			print_here(&list->job_array[i]);
	}
	if (!here)
		printf("{\"job\":%u,\"here\":false}\n", job);
	if (list)
		slurm_free_job_info_msg(list);
	return 0;
}

static int parse_job(const char *text, uint32_t *job)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (*text < '1' || *text > '9' || *end || errno || value >= UINT32_MAX)
		return -1;
	*job = (uint32_t)value;
	return 0;
}

int main(int argc, char *argv[])
{
	uint32_t jobs[JOBS_MAX];
	int count = argc - 2;
	int rc = 0;

	rain_cli_standard_options(argc, argv, help);
	if (argc == 2 && strcmp(argv[1], "--owners") == 0) {
		slurm_init(NULL);
		rc = print_owners();
		slurm_fini();
		return rc;
	}
	if (argc < 2 || argv[1][0] == '-')
		return rain_cli_usage("name the node");
	if (count > JOBS_MAX)
		return rain_cli_usage("at most %d jobs can be asked about", JOBS_MAX);
	for (int i = 0; i < count; i++) {
		if (parse_job(argv[i + 2], &jobs[i]) < 0)
			return rain_cli_usage("\"%s\" is no job id", argv[i + 2]);
	}
	slurm_init(NULL);
	if (count == 0)
		rc = print_all(argv[1]);
	for (int i = 0; i < count && rc == 0; i++)
		rc = print_one(argv[1], jobs[i]);
	if (rc == 0)
		puts("{\"done\":true}");
	slurm_fini();
	return rc;
}
