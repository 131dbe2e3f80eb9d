// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <inttypes.h>
#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>
#include <stdlib.h>
#include <string.h>

#include "accounting/client.h"
#include "accounting/show.h"
#include "common/cli.h"
#include "common/clock.h"

static const char help[] =
	"Usage: rain reconcile [OPTION]...\n"
	"Compares the ledger with what slurmctld knows: ended jobs whose record is missing\n"
	"in the ledger, recorded runs that slurmctld doesn't know as ended, and runs of which\n"
	"both say different things. slurmctld forgets a job MinJobAge seconds after its end,\n"
	"so look often. For administrators of RAIN, on the head.\n"
	"\n"
	"  -g, --grace SECONDS  a record may come so long after the job's end\n"
	"                       (default: 60)\n"
	RAIN_SHOW_HELP
	"\nExit codes: 0 both agree, 1 they don't, or it failed, 2 wrong usage, 3\n"
	"rain-ledgerd or slurmctld can't be reached.\n";

#define BATCH 1000

static const struct rain_column columns[] = {
	{"PROBLEM", "problem", RAIN_COLUMN_PLAIN},   {"JOBID", "slurm_job_id", RAIN_COLUMN_NUMBER},
	{"RESTART", "restart", RAIN_COLUMN_NUMBER},  {"SUBMIT", "submit_time", RAIN_COLUMN_TIME},
	{"END", "end_time", RAIN_COLUMN_TIME},	     {"USER", "user_name", RAIN_COLUMN_PLAIN},
	{"STATE", "state", RAIN_COLUMN_PLAIN},	     {NULL, NULL, RAIN_COLUMN_PLAIN},
};

struct reconcile {
	struct rain_show show;
	int64_t now, grace;
	int64_t since; /* Slurm still knows what ended after this */
	job_info_msg_t *jobs;
	json_t *problems;
	size_t compared;
};

static bool has_ended(const job_info_t *job)
{
	uint32_t state = job->job_state & JOB_STATE_BASE;

	/* Without nodes it never ran, so there is nothing to record. */
	return state > JOB_SUSPENDED && job->nodes && job->nodes[0] && !(job->job_state & (JOB_COMPLETING | JOB_REQUEUE));
}

/* As jobcomp_rain writes them; libslurm keeps its own names to itself. */
static const char *state_name(uint32_t state)
{
	static const char *const names[] = {
		[JOB_PENDING] = "PENDING",	[JOB_RUNNING] = "RUNNING",
		[JOB_SUSPENDED] = "SUSPENDED",	[JOB_COMPLETE] = "COMPLETED",
		[JOB_CANCELLED] = "CANCELLED",	[JOB_FAILED] = "FAILED",
		[JOB_TIMEOUT] = "TIMEOUT",	[JOB_NODE_FAIL] = "NODE_FAIL",
		[JOB_PREEMPTED] = "PREEMPTED",	[JOB_BOOT_FAIL] = "BOOT_FAIL",
		[JOB_DEADLINE] = "DEADLINE",	[JOB_OOM] = "OUT_OF_MEMORY",
	};
	uint32_t base = state & JOB_STATE_BASE;

	return base < sizeof(names) / sizeof(names[0]) ? names[base] : "UNKNOWN";
}

static json_t *run_of(const job_info_t *job)
{
	return json_pack("{s:I s:I s:I s:I s:s s:s*}", "slurm_job_id", (json_int_t)job->job_id,
			 "restart", (json_int_t)job->restart_cnt, "submit_time",
			 (json_int_t)job->submit_time, "end_time", (json_int_t)job->end_time, "state",
			 state_name(job->job_state), "user_name", job->user_name);
}

static void problem_add(struct reconcile *r, json_t *run, const char *problem)
{
	json_object_set_new(run, "problem", json_string(problem));
	json_array_append(r->problems, run);
}

/* Asks for the runs of one batch; steals it. */
static int batch_ask(struct reconcile *r, json_t *runs, int *code, struct rain_error *err)
{
	json_t *answer, *row;
	size_t i;

	r->compared += json_array_size(runs);
	answer = rain_client_call(r->show.config,
				  json_pack("{s:s s:o}", "op", "reconcile", "runs", runs), code, err);
	if (!answer)
		return -1;
	json_array_foreach(json_object_get(answer, "unknown"), i, row)
		problem_add(r, json_object_get(row, "run"), "missing in the ledger");
	json_decref(answer);
	return 0;
}

static int missing_find(struct reconcile *r, int *code, struct rain_error *err)
{
	json_t *runs = json_array();

	for (uint32_t i = 0; runs && i < r->jobs->record_count; i++) {
		const job_info_t *job = &r->jobs->job_array[i];

		if (!has_ended(job) || job->end_time > r->now - r->grace)
			continue;
		json_array_append_new(runs, run_of(job));
		if (json_array_size(runs) < BATCH)
			continue;
		if (batch_ask(r, runs, code, err) < 0)
			return -1;
		runs = json_array();
	}
	if (runs && json_array_size(runs) > 0)
		return batch_ask(r, runs, code, err);
	json_decref(runs);
	return 0;
}

static const job_info_t *job_find(const struct reconcile *r, int64_t id)
{
	for (uint32_t i = 0; i < r->jobs->record_count; i++)
		if (r->jobs->job_array[i].job_id == id)
			return &r->jobs->job_array[i];
	return NULL;
}

static int64_t number(const json_t *row, const char *key)
{
	return (int64_t)json_integer_value(json_object_get(row, key));
}

/* The run has ended in both; what they say of it must be the same. */
static void difference_find(struct reconcile *r, json_t *row, const job_info_t *job)
{
	const char *state = json_string_value(json_object_get(row, "state"));
	const char *user = json_string_value(json_object_get(row, "user_name"));
	char problem[128];

	if (state && strcmp(state, state_name(job->job_state)) != 0)
		snprintf(problem, sizeof(problem), "%s in Slurm", state_name(job->job_state));
	else if (number(row, "end_time") != job->end_time)
		snprintf(problem, sizeof(problem), "ended %+" PRId64 " s in Slurm",
			 (int64_t)job->end_time - number(row, "end_time"));
	else if (user && job->user_name && strcmp(user, job->user_name) != 0)
		snprintf(problem, sizeof(problem), "of user %.60s in Slurm", job->user_name);
	else
		return;
	problem_add(r, row, problem);
}

/* Recorded as ended, but this very run is still in the queue; or not known at all
 * though it ended so lately that it must be; or known otherwise. */
static int extra_find(struct reconcile *r, int *code, struct rain_error *err)
{
	json_t *answer, *row;
	size_t i;

	answer = rain_client_call(r->show.config,
				  json_pack("{s:s s:I s:I}", "op", "reconcile", "since",
					    (json_int_t)r->since, "until", (json_int_t)r->now),
				  code, err);
	if (!answer)
		return -1;
	json_array_foreach(json_object_get(answer, "recorded"), i, row) {
		const job_info_t *job = job_find(r, number(row, "slurm_job_id"));

		r->compared++;
		if (!job)
			problem_add(r, row, "unknown to Slurm");
		else if (job->submit_time != number(row, "submit_time") ||
			 job->restart_cnt != number(row, "restart") || (job->job_state & JOB_COMPLETING))
			continue;
		else if (!has_ended(job))
			problem_add(r, row, "not ended in Slurm");
		else
			difference_find(r, row, job);
	}
	json_decref(answer);
	return 0;
}

static int slurm_read(struct reconcile *r, struct rain_error *err)
{
	slurm_conf_t *conf = NULL;

	if (slurm_load_jobs(0, &r->jobs, SHOW_ALL) || slurm_load_ctl_conf(0, &conf))
		return rain_error_set(err, "slurmctld can't be asked: %s", slurm_strerror(errno));
	/* It forgets them in rounds, up to half a minute apart. */
	r->since = r->now - conf->min_job_age + 60;
	if (r->since < (int64_t)conf->boot_time)
		r->since = conf->boot_time;
	if (r->since > r->now)
		r->since = r->now;
	slurm_free_ctl_conf(conf);
	return 0;
}

static int report(struct reconcile *r)
{
	size_t count = json_array_size(r->problems);
	json_t *answer = json_pack("{s:O s:I s:I}", "problems", r->problems, "compared",
				   (json_int_t)r->compared, "since", (json_int_t)r->since);

	if (r->show.json || count > 0 || r->show.style != RAIN_TABLE_TEXT)
		rain_show_rows(&r->show, columns, answer, "problems");
	else
		printf("The ledger and Slurm agree about %zu runs.\n", r->compared);
	json_decref(answer);
	return count > 0 ? RAIN_EXIT_FAILURE : RAIN_EXIT_OK;
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {{"grace", required_argument, NULL, 'g'},
						RAIN_SHOW_OPTIONS};
	struct reconcile r = {.show = {.style = RAIN_TABLE_TEXT}, .grace = 60};
	struct rain_error err;
	int option, code = RAIN_EXIT_UNAVAILABLE;

	rain_cli_standard_options(argc, argv, help);
	while ((option = getopt_long(argc, argv, "g:" RAIN_SHOW_LETTERS, options, NULL)) != -1) {
		if (option == 'g' && optarg[0] >= '0' && optarg[0] <= '9')
			r.grace = atol(optarg);
		else if (!rain_show_option(&r.show, option, optarg))
			return rain_cli_usage("wrong option");
	}
	if (optind < argc)
		return rain_cli_usage("unexpected argument '%s'", argv[optind]);
	r.now = rain_clock_realtime_ms() / 1000;
	r.problems = json_array();
	slurm_init(NULL);
	if (slurm_read(&r, &err) < 0 || missing_find(&r, &code, &err) < 0 ||
	    extra_find(&r, &code, &err) < 0)
		code = rain_cli_fail(code, &err);
	else
		code = report(&r);
	slurm_free_job_info_msg(r.jobs);
	json_decref(r.problems);
	slurm_fini();
	return code;
}
