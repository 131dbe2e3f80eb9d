/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rain-agent: runs a peer's job inside a guest job of this cluster. */
#include "federation/agent.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cli.h"
#include "common/config.h"
#include "federation/bundle_seen.h"
#include "federation/local_bundle.h"

static const char help[] =
	"Usage: rain-agent --loan UUID --gateway HOST:PORT\n"
	"Runs a peer's job in RAIN's sandbox: fetches its script, environment and files from\n"
	"this cluster's gateway, sends its output there as it comes, passes signals on, and\n"
	"returns what it leaves behind.\n"
	"\n"
	"  --loan UUID          what is to be run\n"
	"  --gateway HOST:PORT  the gateway's address for agents (gateway.agent-listen)\n"
	"  --stage-node         only put the job's files onto this node\n"
	"  --help, --version\n"
	"\n"
	"It is started by Slurm, in a guest job that rain-brokerd submits, not by people.\n"
	"Exit status: that of the job's script (128 + N when signal N ended it); 125 when\n"
	"RAIN failed: the gateway and the log of the job say why.\n";

static bool loan_is_valid(const char *loan)
{
	size_t length = strlen(loan);

	return length > 0 && length <= 64 &&
	       strspn(loan, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-") ==
		       length;
}

static long environment_number(const char *name, long fallback)
{
	const char *text = getenv(name);
	char *end = NULL;
	long value = text ? strtol(text, &end, 10) : 0;

	return text && end != text && !*end && value > 0 && value <= INT32_MAX ? value : fallback;
}

/* Slurm may launch a job again after its controller was killed; the script is
 * begun by one agent only, and the gateway decides by this name by which. */
static int self_make(struct rain_agent *agent, struct rain_error *err)
{
	unsigned char random[16];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return rain_error_set(err, "no random bytes: %s", strerror(errno));
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(agent->self + 2 * i, 3, "%02x", random[i]);
	return 0;
}

static int options_read(struct rain_agent *agent, bool *stage_node, int argc, char *argv[])
{
	static const struct option options[] = {
		{"loan", required_argument, NULL, 'l'},
		{"gateway", required_argument, NULL, 'g'},
		{"stage-node", no_argument, NULL, 's'},
		{0},
	};
	char *host = NULL, *port = NULL;
	struct rain_error err;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (option == 'l')
			agent->loan = optarg;
		else if (option == 'g')
			agent->gateway = optarg;
		else if (option == 's')
			*stage_node = true;
		else
			return rain_cli_usage("an option is wrong");
	}
	if (optind < argc)
		return rain_cli_usage("there is an argument too many: %.60s", argv[optind]);
	if (!agent->loan || !loan_is_valid(agent->loan))
		return rain_cli_usage("--loan is missing or is no name of a loan");
	if (!agent->gateway)
		return rain_cli_usage("--gateway is missing");
	if (rain_config_address_split(agent->gateway, &host, &port, &err) < 0)
		return rain_cli_fail(RAIN_EXIT_USAGE, &err);
	free(host);
	free(port);
	return 0;
}

static int post(struct rain_agent *agent, struct rain_local_client *client, const char *what,
		json_t *request, int *status, struct rain_error *err)
{
	char path[256];
	json_t *answer;

	rain_agent_path(agent, path, "/%s", what);
	answer = request ? rain_local_json(client, "POST", path, request, 0, status, err) : NULL;
	json_decref(request);
	json_decref(answer);
	return answer ? 0 : -1;
}

/* What the script has left and was asked for, as one bundle. */
static int outputs_send(struct rain_agent *agent, struct rain_local_client *client,
			struct rain_agent_stream *say, json_t *outputs, struct rain_error *err)
{
	const struct rain_agent_manifest *manifest = &agent->manifest;
	char blobs[256];
	struct rain_local_target target = {.client = client, .blobs = blobs, .query = "",
					   .spool = agent->directory, .whole = !manifest->parts};
	struct rain_bundle_summary summary;
	struct rain_digests parts = {0};
	json_t *item;
	int result;

	if (manifest->stage_out_count == 0)
		return 0;
	rain_agent_path(agent, blobs, "/blobs");
	result = rain_local_bundle_send(&target, agent->work, manifest->stage_out,
					manifest->stage_out_count, true, agent->seen, &parts, &summary,
					err);
	if (result == 0 && summary.entries > 0) {
		item = rain_local_digests_json(&parts);
		json_object_set_new(item, "path", json_string("outputs"));
		json_array_append_new(outputs, item);
	}
	rain_digests_release(&parts);
	if (result < 0)
		return rain_error_prefix(err, "--stage-out");
	if (summary.unmatched > 0)
		rain_agent_stream_say(say,
				      "--stage-out: %zu of %zu items name nothing that the job has "
				      "left",
				      summary.unmatched, manifest->stage_out_count);
	return 0;
}

/* Tells the gateway how it went: "error" when RAIN itself failed, "terminated"
 * when Slurm wanted the job to end. */
static int exit_report(struct rain_agent *agent, struct rain_local_client *client,
		       const struct rain_agent_signals *signals,
		       struct rain_agent_stream streams[2], const struct rain_agent_end *end,
		       json_t *outputs, const char *failure)
{
	json_t *request =
		json_pack("{s:s, s:i, s:i, s:I, s:I, s:O}", "agent", agent->self, "code", end->signal ? 0 : end->code,
			  "signal", end->signal, "stdout_bytes", (json_int_t)streams[0].offset,
			  "stderr_bytes", (json_int_t)streams[1].offset, "outputs", outputs);
	struct rain_error err;

	json_object_set_new(request, "terminated", json_boolean(signals->terminated));
	if (failure)
		json_object_set_new(request, "error", json_string(failure));
	if (post(agent, client, "exit", request, NULL, &err) < 0)
		return rain_cli_fail(RAIN_AGENT_EXIT_FAILED, &err);
	if (failure)
		return RAIN_AGENT_EXIT_FAILED;
	return end->signal ? 128 + end->signal : end->code;
}

/* Only what the script changes of them goes back. */
static int inputs_see(struct rain_agent *agent, struct rain_error *err)
{
	if (agent->manifest.stage_out_count == 0)
		return 0;
	agent->seen = rain_bundle_see(agent->work, err);
	return agent->seen ? 0 : -1;
}

/* Everything up to the program's end. -1 with err: RAIN failed. */
static int work(struct rain_agent *agent, struct rain_agent_signals *signals,
		struct rain_agent_stream streams[2], struct rain_agent_end *end,
		struct rain_error *err)
{
	if (rain_agent_manifest_get(agent, err) < 0 ||
	    rain_agent_stage_everywhere(agent, err) < 0 || inputs_see(agent, err) < 0 ||
	    post(agent, agent->client, "started", json_pack("{s:s}", "agent", agent->self), NULL, err) < 0 ||
	    rain_agent_run(agent, signals, streams, end, err) < 0) {
		int ended_by = rain_agent_signals_attach(signals, -1);

		if (!ended_by)
			return -1;
		/* Somebody wanted it to end before it had begun. */
		*end = (struct rain_agent_end){.code = -1, .signal = ended_by};
	}
	for (int i = 0; i < 2; i++)
		if (streams[i].refused && !signals->gone)
			return rain_error_set(err, "%s", streams[i].err.text);
	return 0;
}

static int run(struct rain_agent *agent)
{
	struct rain_agent_end end = {.code = RAIN_AGENT_EXIT_FAILED};
	struct rain_agent_signals signals;
	struct rain_agent_stream streams[2];
	struct rain_local_client *last; /* the first may have been cancelled */
	struct rain_error err = {{0}};
	json_t *outputs = json_array();
	bool failed;

	agent->client = rain_local_client_create(NULL, agent->gateway, &err);
	last = rain_local_client_create(NULL, agent->gateway, &err);
	if (!agent->client || !last ||
	    rain_agent_stream_init(&streams[0], agent, "stdout", &err) < 0 ||
	    rain_agent_stream_init(&streams[1], agent, "stderr", &err) < 0 ||
	    rain_agent_signals_start(&signals, agent, &err) < 0)
		return rain_cli_fail(RAIN_AGENT_EXIT_FAILED, &err);
	failed = rain_agent_open(agent, &err) < 0 || work(agent, &signals, streams, &end, &err) < 0;
	if (signals.gone) {
		rain_error_set(&err, "the gateway doesn't know loan %s any more", agent->loan);
		return rain_cli_fail(RAIN_AGENT_EXIT_FAILED, &err);
	}
	if (!failed)
		failed = outputs_send(agent, last, &streams[1], outputs, &err) < 0;
	if (failed) {
		rain_cli_fail(0, &err); /* into the job's log */
		rain_agent_stream_say(&streams[1], "%s", err.text);
	}
	return exit_report(agent, last, &signals, streams, &end, outputs, failed ? err.text : NULL);
}

static int stage_node(struct rain_agent *agent)
{
	struct rain_error err;

	signal(SIGPIPE, SIG_IGN); /* unpacking may give up before all has come */
	agent->client = rain_local_client_create(NULL, agent->gateway, &err);
	if (!agent->client || rain_agent_open(agent, &err) < 0 ||
	    rain_agent_manifest_get(agent, &err) < 0 || rain_agent_stage_here(agent, &err) < 0)
		return rain_cli_fail(RAIN_AGENT_EXIT_FAILED, &err);
	return 0;
}

int main(int argc, char *argv[])
{
	struct rain_agent agent = {.directory = -1, .work = -1};
	bool only_stage = false;
	struct rain_error err;
	int result;

	rain_cli_standard_options(argc, argv, help);
	result = options_read(&agent, &only_stage, argc, argv);
	if (result)
		return result;
	agent.job = (uint32_t)environment_number("SLURM_JOB_ID", 0);
	agent.nodes = environment_number("SLURM_JOB_NUM_NODES", 1);
	if (agent.job == 0) {
		rain_error_set(&err, "SLURM_JOB_ID is not set: this is no Slurm job");
		return rain_cli_fail(RAIN_AGENT_EXIT_FAILED, &err);
	}
	if (self_make(&agent, &err) < 0)
		return rain_cli_fail(RAIN_AGENT_EXIT_FAILED, &err);
	umask(022);
	/* Threads may still wait for the gateway: nothing is torn down. */
	_exit(only_stage ? stage_node(&agent) : run(&agent));
}
