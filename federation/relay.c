/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rain-relay: stands in, on a virtual node, for the batch script of a job that
 * runs on a peer's cluster. */
#include "federation/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cli.h"
#include "common/config.h"
#include "common/json.h"

#define STREAM_SIZE_MAX (INT64_C(1) << 53)
#define OUTPUTS_MAX 64

static const char help[] =
	"Usage: rain-relay [--stage-in=LIST] [--stage-out=LIST] -- SCRIPT [ARG]...\n"
	"Takes the place of a job's batch SCRIPT on a node that stands for a peer: brings\n"
	"script, environment and files to the peer, streams the output back, passes\n"
	"signals on and ends as the script ends there.\n"
	"\n"
	"  --stage-in=LIST   files, directories and patterns to take along\n"
	"  --stage-out=LIST  what to bring back into the working directory at the end\n"
	"  --direct          it stands in for a step of srun, not for a script: standard input\n"
	"                    and the terminal go along\n"
	"  --interactive     the same for the shell of salloc\n"
	"  --socket=PATH     the gateway's (gateway.socket of rain.conf)\n"
	"  --help, --version\n"
	"\n"
	"It is started by Slurm (the SPANK plugin), in the job, not by people.\n"
	"Exit status: the script's own, or the signal that ended it; 125 when RAIN failed\n"
	"(a file to take along is missing, output could not be written, …): stderr says why.\n";

struct ending {
	int64_t code, signal, stdout_bytes, stderr_bytes;
	const char *failure; /* borrowed: why the lender could not run it */
	const char *by_slurm; /* borrowed: what Slurm is about to end the job for */
	json_t *outputs;     /* borrowed */
};

static int options_read(struct rain_relay *relay, int argc, char *argv[])
{
	static const struct option options[] = {
		{"stage-in", required_argument, NULL, 'i'},
		{"stage-out", required_argument, NULL, 'o'},
		{"direct", no_argument, NULL, 'd'},
		{"interactive", no_argument, NULL, 'n'},
		{"socket", required_argument, NULL, 's'},
		{0},
	};
	struct rain_error err;
	int option, result = 0;

	while ((option = getopt_long(argc, argv, "+", options, NULL)) >= 0) {
		if (option == 'i')
			result = rain_stage_list_parse(RAIN_OPTION_STAGE_IN, optarg,
						       &relay->stage_in, &err);
		else if (option == 'o')
			result = rain_stage_list_parse(RAIN_OPTION_STAGE_OUT, optarg,
						       &relay->stage_out, &err);
		else if (option == 'd')
			relay->direct = true;
		else if (option == 'n')
			relay->direct = relay->interactive = true;
		else if (option == 's')
			relay->socket = optarg;
		else
			return rain_cli_usage("an option is wrong");
		if (result < 0)
			return rain_cli_fail(RAIN_EXIT_USAGE, &err);
	}
	if (optind >= argc)
		return rain_cli_usage("there is no script");
	relay->command = argv + optind;
	return 0;
}

static int job_id_read(uint32_t *job, struct rain_error *err)
{
	const char *text = getenv("SLURM_JOB_ID");
	char *end = NULL;
	unsigned long value = text ? strtoul(text, &end, 10) : 0;

	if (!text || end == text || *end || value == 0 || value > UINT32_MAX)
		return rain_error_set(err, "SLURM_JOB_ID is not set: this is no Slurm job");
	*job = (uint32_t)value;
	return 0;
}

static json_t *job_get(struct rain_relay *relay, const char *state, int wait_s,
		       struct rain_error *err)
{
	char path[128];

	snprintf(path, sizeof(path), "/v1/jobs/%u?wait=%d&state=%s", relay->job, wait_s, state);
	return rain_local_json(relay->client, "GET", path, NULL, wait_s, NULL, err);
}

/* -1: not this one; 0; 1: the burst has ended; 2: void. */
static int state_read(const json_t *job, char state[static 32], struct rain_error *err)
{
	const char *text;

	if (rain_json_string(job, "state", 31, &text, err) < 0)
		return -1;
	strcpy(state, text);
	if (!strcmp(text, "void"))
		return 2;
	return !strcmp(text, "ended") || !strcmp(text, "settled");
}

/* The job goes back into the queue: Slurm will end this process for that.  Returns the
 * gateway's answer when Slurm refuses to (--no-requeue, srun). */
static json_t *requeue_wait(struct rain_relay *relay, const json_t *job,
			    struct rain_relay_signals *signals)
{
	const char *reason = json_string_value(json_object_get(job, "reason"));
	const char *peer = json_string_value(json_object_get(job, "peer"));

	fprintf(stderr, "rain: %s won't run this job to its end%s%s%s\n",
		peer && *peer ? peer : "the peer", reason && *reason ? ": " : "",
		reason ? reason : "", json_is_true(json_object_get(job, "requeue")) ? "; it goes back to the queue" : "");
	rain_relay_signals_close(signals);
	for (;;) {
		json_t *now = job_get(relay, "void", RAIN_RELAY_WAIT_S, NULL);
		char state[32];

		if (!now) /* the burst is forgotten: the job is as good as back */
			pause();
		else if (state_read(now, state, NULL) == 1)
			return now;
		json_decref(now);
	}
}

/* The same before anything has come from there. */
static int go_back(struct rain_relay *relay, const json_t *job, struct rain_relay_signals *signals)
{
	json_t *stuck = requeue_wait(relay, job, signals);
	const char *why = json_string_value(json_object_get(json_object_get(stuck, "exit"), "error"));

	fprintf(stderr, "rain: %.400s\n", why ? why : "Slurm doesn't requeue this job");
	json_decref(stuck);
	return RAIN_RELAY_EXIT_FAILED;
}

static int ending_read(const json_t *job, struct ending *ending, struct rain_error *err)
{
	json_t *exit_status;

	if (rain_json_object(job, "exit", &exit_status, err) < 0 ||
	    rain_json_int_or(exit_status, "code", -1, 255, 0, &ending->code, err) < 0 ||
	    rain_json_int_or(exit_status, "signal", 0, 64, 0, &ending->signal, err) < 0 ||
	    rain_json_int_or(job, "stdout_bytes", 0, STREAM_SIZE_MAX, 0, &ending->stdout_bytes,
			     err) < 0 ||
	    rain_json_int_or(job, "stderr_bytes", 0, STREAM_SIZE_MAX, 0, &ending->stderr_bytes,
			     err) < 0)
		return rain_error_prefix(err, "the gateway's answer is wrong");
	ending->failure = json_string_value(json_object_get(exit_status, "error"));
	ending->by_slurm = json_string_value(json_object_get(exit_status, "by_slurm"));
	ending->outputs = json_object_get(job, "outputs");
	if (json_array_size(ending->outputs) > OUTPUTS_MAX)
		return rain_error_set(err, "the gateway names more than %d outputs", OUTPUTS_MAX);
	return 0;
}

/* Waits for the end of the burst. Returns the gateway's last answer. */
static json_t *follow(struct rain_relay *relay, struct rain_relay_signals *signals,
		      struct rain_error *err)
{
	char state[32] = "";

	for (;;) {
		json_t *job = job_get(relay, state, RAIN_RELAY_WAIT_S, err);
		int end = job ? state_read(job, state, err) : -1;

		if (end == 2) {
			json_t *stuck = requeue_wait(relay, job, signals);

			json_decref(job);
			return stuck;
		}
		if (end == 1)
			return job;
		json_decref(job);
		if (end < 0)
			return NULL;
	}
}

static void delivered(struct rain_relay *relay, const char *failure)
{
	json_t *request = failure ? json_pack("{s:s}", "error", failure) : json_object(), *answer;
	struct rain_error err;
	char path[64];

	snprintf(path, sizeof(path), "/v1/jobs/%u/delivered", relay->job);
	answer = rain_local_json(relay->client, "POST", path, request, 0, NULL, &err);
	/* The job is over either way; the gateway sees that from Slurm, too. */
	if (!answer)
		fprintf(stderr, "rain: the gateway didn't note that the results have arrived: %s\n",
			err.text);
	json_decref(answer);
	json_decref(request);
}

/* Everything back home, as far as it can be: each thing that is lost is said,
 * and makes a job that went well one that failed. */
static int finish(struct rain_relay *relay, struct rain_relay_signals *signals,
		  struct rain_relay_stream streams[2], const json_t *job)
{
	struct ending ending = {0};
	struct rain_error err = {{0}};
	bool lost = false;

	if (ending_read(job, &ending, &err) < 0)
		return rain_cli_fail(RAIN_RELAY_EXIT_FAILED, &err);
	if (rain_relay_stream_finish(&streams[0], ending.stdout_bytes, &err) < 0)
		lost = rain_cli_fail(1, &err);
	if (rain_relay_stream_finish(&streams[1], ending.stderr_bytes, &err) < 0)
		lost = rain_cli_fail(1, &err);
	if (rain_relay_outputs_take(relay, ending.outputs, &err) < 0)
		lost = rain_cli_fail(1, &err);
	if (ending.by_slurm) {
		fprintf(stderr, "rain: on the peer %.400s\n", ending.by_slurm);
		rain_relay_signals_close(signals);
	}
	delivered(relay, lost ? err.text : NULL);
	if (ending.by_slurm)
		sleep(RAIN_RELAY_ENDED_S); /* … unless its SIGTERM comes, with a better word for it */
	if (ending.failure)
		fprintf(stderr, "rain: the peer could not run this job: %.400s\n", ending.failure);
	if (ending.signal > 0)
		rain_relay_die((int)ending.signal);
	if (ending.code == 0 && lost)
		return RAIN_RELAY_EXIT_FAILED;
	return ending.code < 0 ? RAIN_RELAY_EXIT_FAILED : (int)ending.code;
}

static int run(struct rain_relay *relay)
{
	struct rain_relay_signals signals = {0};
	struct rain_relay_stream streams[2];
	struct rain_relay_input input;
	struct rain_error err;
	char state[32];
	json_t *job;
	int end;

	relay->client = rain_local_client_create(relay->socket, NULL, &err);
	if (!relay->client || rain_relay_signals_start(&signals, relay, &err) < 0)
		return rain_cli_fail(RAIN_RELAY_EXIT_FAILED, &err);
	job = job_get(relay, "", 0, &err);
	end = job ? state_read(job, state, &err) : -1;
	if (end < 0)
		return rain_cli_fail(RAIN_RELAY_EXIT_FAILED, &err);
	if (end == 2)
		return go_back(relay, job, &signals);
	relay->whole = !json_is_true(json_object_get(job, "parts"));
	json_decref(job);
	if (end == 0 && rain_relay_inputs_send(relay, environ, &err) < 0) {
		/* Perhaps because nobody wants them any more. */
		job = job_get(relay, "", 0, NULL);
		if (job && state_read(job, state, NULL) == 2)
			return go_back(relay, job, &signals);
		return rain_cli_fail(RAIN_RELAY_EXIT_FAILED, &err);
	}
	rain_relay_signals_open(&signals);
	if (rain_relay_stream_start(&streams[0], relay, "stdout", STDOUT_FILENO, &err) < 0 ||
	    rain_relay_stream_start(&streams[1], relay, "stderr", STDERR_FILENO, &err) < 0)
		return rain_cli_fail(RAIN_RELAY_EXIT_FAILED, &err);
	if (relay->direct && rain_relay_input_start(&input, relay, &err) < 0)
		return rain_cli_fail(RAIN_RELAY_EXIT_FAILED, &err);
	job = follow(relay, &signals, &err);
	return job ? finish(relay, &signals, streams, job) : rain_cli_fail(RAIN_RELAY_EXIT_FAILED, &err);
}

int main(int argc, char *argv[])
{
	struct rain_relay relay = {0};
	struct rain_config *config = NULL;
	struct rain_error err;
	int result;

	rain_cli_standard_options(argc, argv, help);
	result = options_read(&relay, argc, argv);
	if (result)
		return result;
	relay.terminal = relay.direct && isatty(STDIN_FILENO) == 1;
	if (job_id_read(&relay.job, &err) < 0)
		return rain_cli_fail(RAIN_RELAY_EXIT_FAILED, &err);
	if (!relay.socket) {
		config = rain_config_load(NULL, &err);
		if (!config)
			return rain_cli_fail(RAIN_RELAY_EXIT_FAILED, &err);
		relay.socket = config->gateway.socket;
	}
	relay.directory = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (relay.directory < 0) {
		rain_error_set(&err, "can't read the working directory: %s", strerror(errno));
		return rain_cli_fail(RAIN_RELAY_EXIT_FAILED, &err);
	}
	/* Threads may still wait for the gateway: nothing is torn down. */
	_exit(run(&relay));
}
