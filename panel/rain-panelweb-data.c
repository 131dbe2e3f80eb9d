/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asks slurmctld and rain-gatewayd what there is to see, for rain-panelweb, in a
 * process of its own: libslurm may wait, and its memory goes with the process.
 */
#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <time.h>

#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>

#include "common/cli.h"
#include "common/config.h"
#include "common/rpc.h"
#include "panel/past.h"

#define JOBS_MAX 40
#define TEXT_MAX 48
#define PEERS_WAIT_MS 2000

static const char help[] =
	"Usage: rain-panelweb-data [CONFIG] [--history]\n"
	"\n"
	"Tells rain-panelweb which jobs wait and run and how each peer stands, as one line\n"
	"of JSON: {\"jobs\":[…],\"more\":N,\"peers\":[…]}; a part that can't be had is null.\n"
	"\n"
	"      --history  instead how accounts and the nodes' heat moved:\n"
	"                 {\"accounts\":[…],\"heat\":[…]}\n"
	"  -h, --help     show this and exit\n"
	"  -V, --version  show the version and exit\n"
	"\n"
	"Exit codes: 0 answered, 1 failure, 2 wrong usage.\n";

/* At most TEXT_MAX bytes of what somebody else wrote, and valid UTF-8. */
static json_t *cut(const char *text)
{
	size_t length = strnlen(text ? text : "", TEXT_MAX);
	json_t *string = NULL;

	while (!string) {
		string = json_stringn(text ? text : "", length);
		if (length == 0)
			break;
		length--;
	}
	return string;
}

static json_t *user_of(uid_t uid)
{
	const struct passwd *entry = getpwuid(uid);

	return entry ? cut(entry->pw_name) : json_sprintf("uid %u", (unsigned)uid);
}

/* The reasons that people meet; all others are just waiting. */
static const char *reason_of(uint32_t reason)
{
	switch (reason) {
	case WAIT_PRIORITY: return "after jobs before it";
	case WAIT_RESOURCES: return "for free nodes";
	case WAIT_DEPENDENCY: return "for another job";
	case WAIT_TIME: return "for its time";
	case WAIT_HELD: return "held by an administrator";
	case WAIT_HELD_USER: return "held by its user";
	default: return "waiting";
	}
}

static json_t *job_json(const slurm_job_info_t *job, const struct rain_config *config)
{
	bool running = (job->job_state & JOB_STATE_BASE) == JOB_RUNNING;
	time_t now = time(NULL), since = running ? job->start_time : job->submit_time;
	bool guest = config->lend.guest_uid_max > 0 && job->user_id >= config->lend.guest_uid_min &&
		     job->user_id <= config->lend.guest_uid_max;
	bool away = job->partition &&
		    strcmp(job->partition, config->gateway.overflow_partition) == 0;

	return json_pack("{s:I,s:o,s:o,s:b,s:s,s:o,s:I,s:I,s:o}", "job", (json_int_t)job->job_id,
			 "user", user_of(job->user_id), "name", cut(job->name), "running", running,
			 "kind", guest ? "guest" : away ? "away" : "home", "nodes", cut(job->nodes),
			 "count", (json_int_t)job->num_nodes, "elapsed",
			 (json_int_t)(since > 0 && since < now ? now - since : 0), "reason",
			 json_string(running ? "" : reason_of(job->state_reason)));
}

static json_t *ask_jobs(const struct rain_config *config, int *more)
{
	job_info_msg_t *list = NULL;
	json_t *jobs;

	if (slurm_load_jobs(0, &list, SHOW_ALL) != SLURM_SUCCESS)
		return json_null();
	jobs = json_array();
	for (int running = 1; running >= 0; running--) {
		for (uint32_t i = 0; i < list->record_count; i++) {
			const slurm_job_info_t *job = &list->job_array[i];
			uint32_t state = job->job_state & JOB_STATE_BASE;

			if (state != (running ? JOB_RUNNING : JOB_PENDING))
				continue;
			if (json_array_size(jobs) >= JOBS_MAX)
				(*more)++;
			else
				json_array_append_new(jobs, job_json(job, config));
		}
	}
	slurm_free_job_info_msg(list);
	return jobs;
}

/* What anybody may see of the peers: their names, and how accounts stand. */
static json_t *ask_peers(const struct rain_config *config)
{
	json_t *request = json_pack("{s:s}", "op", "peer-list");
	json_t *answer = rain_rpc_call(config->gateway.control, request, PEERS_WAIT_MS, NULL);
	json_t *peers = NULL, *row;
	size_t i;

	if (answer) {
		peers = json_array();
		json_array_foreach(json_object_get(answer, "peers"), i, row)
			json_array_append_new(
				peers, json_pack("{s:O?,s:O?,s:O?,s:O?}", "name",
						 json_object_get(row, "name"), "state",
						 json_object_get(row, "state"), "balance_utok",
						 json_object_get(row, "balance_utok"), "held_utok",
						 json_object_get(row, "held_utok")));
	}
	json_decref(request);
	json_decref(answer);
	return peers ? peers : json_null();
}

static json_t *present(const struct rain_config *config)
{
	json_t *jobs, *all;
	int more = 0;

	slurm_init(NULL);
	jobs = ask_jobs(config, &more);
	all = json_pack("{s:o,s:i,s:o}", "jobs", jobs, "more", more, "peers", ask_peers(config));
	slurm_fini();
	return all;
}

int main(int argc, char *argv[])
{
	bool history = argc > 1 && strcmp(argv[argc - 1], "--history") == 0;
	struct rain_config *config;
	struct rain_error err;
	json_t *all;
	int rc;

	rain_cli_standard_options(argc, argv, help);
	argc -= history;
	if (argc > 2)
		return rain_cli_usage("\"%s\" is one word too many", argv[2]);
	if (argc == 2 && argv[1][0] == '-')
		return rain_cli_usage("option %s is unknown", argv[1]);
	config = rain_config_load(argc == 2 ? argv[1] : NULL, &err);
	if (!config)
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	all = history ? json_pack("{s:o,s:o}", "accounts", rain_past_accounts(config), "heat",
				  rain_past_heat(config))
		      : present(config);
	rc = all && json_dumpf(all, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6)) == 0
		     ? RAIN_EXIT_OK : RAIN_EXIT_FAILURE;
	putchar('\n');
	json_decref(all);
	rain_config_destroy(config);
	return rc;
}
