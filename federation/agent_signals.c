/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/agent.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/json.h"
#include "common/process.h"
#include "federation/sandbox.h"
#include "federation/slurm_command.h"

#define SIGNALS_MAX 256
#define SCANCEL_MS 20000

/* Signals that end a job whose program doesn't run yet; what others mean, the
 * program knows. */
static bool is_end(int number)
{
	return number == SIGKILL || number == SIGTERM || number == SIGINT || number == SIGHUP ||
	       number == SIGQUIT;
}

void rain_agent_signals_terminal(struct rain_agent_signals *signals, int terminal)
{
	pthread_mutex_lock(&signals->lock);
	signals->terminal = terminal;
	pthread_mutex_unlock(&signals->lock);
}

static void size_take(struct rain_agent_signals *signals, const json_t *item)
{
	int64_t rows, columns;

	if (rain_json_int_or(item, "rows", 0, 65535, 0, &rows, NULL) < 0 ||
	    rain_json_int_or(item, "columns", 0, 65535, 0, &columns, NULL) < 0)
		return;
	pthread_mutex_lock(&signals->lock);
	if (signals->terminal >= 0)
		rain_agent_terminal_resize(signals->terminal, rows, columns);
	pthread_mutex_unlock(&signals->lock);
}

static void signal_take(struct rain_agent_signals *signals, int number, int flag)
{
	unsigned char byte = (unsigned char)(number | flag);

	pthread_mutex_lock(&signals->lock);
	if (signals->control >= 0) {
		/* Refused only when the program has ended. */
		(void)!send(signals->control, &byte, 1, MSG_NOSIGNAL);
	} else if (!is_end(number)) {
		/* More than so many nobody tells apart. */
		if (signals->early_count < sizeof(signals->early))
			signals->early[signals->early_count++] = byte;
	} else if (!signals->ended_by) {
		signals->ended_by = number;
		rain_local_client_cancel(signals->agent->client);
	}
	pthread_mutex_unlock(&signals->lock);
}

/* Home's job is suspended, or goes on.  The sandbox sees to the script; its steps, on
 * whatever node, are Slurm's to stop. */
static void steps_hold(const struct rain_agent *agent, bool stop)
{
	char path[RAIN_SLURM_COMMAND_SIZE], job[16];
	const char *argv[] = {rain_slurm_command("scancel", path),
			      stop ? "--signal=STOP" : "--signal=CONT", "--quiet", job, NULL};
	struct rain_process_result result = {0};
	struct rain_error err = {{0}};

	snprintf(job, sizeof(job), "%u", agent->job);
	if (!argv[0])
		rain_error_set(&err, "scancel is not installed on this node");
	else if (rain_process_run(argv, (const char *const *)environ, NULL, SCANCEL_MS, &result, &err) == 0 &&
		 result.exit_code != 0)
		rain_error_set(&err, "%.400s", result.output);
	if (err.text[0])
		fprintf(stderr, "rain-agent: the job's steps don't %s: %s\n", stop ? "stop" : "go on", err.text);
	rain_process_result_release(&result);
}

/* The loan isn't ours any more: whatever runs is to end. */
static void loan_gone(struct rain_agent_signals *signals)
{
	pthread_mutex_lock(&signals->lock);
	signals->gone = true;
	pthread_mutex_unlock(&signals->lock);
	signal_take(signals, SIGKILL, 0);
}

/* Reads one answer. Returns -1 when it makes no sense. */
static int answer_take(struct rain_agent_signals *signals, const json_t *answer, int64_t *after)
{
	json_t *list;

	if (rain_json_array(answer, "signals", SIGNALS_MAX, &list, NULL) < 0)
		return -1;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *item = json_array_get(list, i);
		int64_t seq, number;

		if (rain_json_int(item, "seq", 0, INT64_MAX, &seq, NULL) < 0 ||
		    rain_json_int(item, "signal", 1, NSIG - 1, &number, NULL) < 0)
			return -1;
		if (seq > *after && number == SIGWINCH)
			size_take(signals, item);
		if (seq > *after)
			signal_take(signals, (int)number, 0);
		if (seq > *after && (number == SIGTSTP || number == SIGCONT))
			steps_hold(signals->agent, number == SIGTSTP);
		*after = seq > *after ? seq : *after;
	}
	return 0;
}

static void *gateway_run(void *arg)
{
	struct rain_agent_signals *signals = arg;
	int64_t after = 0;

	while (!rain_local_client_is_cancelled(signals->client)) {
		struct rain_error err;
		json_t *answer;
		char path[256];
		int status;

		rain_agent_path(signals->agent, path, "/signals?after=%lld&wait=%d",
				(long long)after, RAIN_AGENT_WAIT_S);
		answer = rain_local_json(signals->client, "GET", path, NULL, RAIN_AGENT_WAIT_S,
					 &status, &err);
		if (status == 404 || status == 410) {
			loan_gone(signals);
			break;
		}
		if (!answer || answer_take(signals, answer, &after) < 0) {
			fprintf(stderr, "rain-agent: signals: %s\n",
				answer ? "the gateway's answer is wrong" : err.text);
			rain_local_client_pause(signals->client, 1000);
		}
		json_decref(answer);
	}
	return NULL;
}

/* Slurm's SIGTERM: the owner wants the node back, or the time is over. */
static void *slurm_run(void *arg)
{
	struct rain_agent_signals *signals = arg;
	sigset_t set;
	int number;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	while (sigwait(&set, &number) == 0) {
		pthread_mutex_lock(&signals->lock);
		signals->terminated = true;
		pthread_mutex_unlock(&signals->lock);
		signal_take(signals, number, RAIN_SANDBOX_SLURMS);
	}
	return NULL;
}

int rain_agent_signals_start(struct rain_agent_signals *signals, struct rain_agent *agent,
			     struct rain_error *err)
{
	/* Those that Slurm sends to all processes of the job are the program's. */
	static const int ignored[] = {SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGPIPE};
	pthread_t thread;
	sigset_t set;
	int error;

	*signals = (struct rain_agent_signals){.agent = agent, .control = -1, .terminal = -1};
	pthread_mutex_init(&signals->lock, NULL);
	signals->client = rain_local_client_create(NULL, agent->gateway, err);
	if (!signals->client)
		return -1;
	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	error = pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (!error)
		error = pthread_create(&thread, NULL, slurm_run, signals);
	if (!error)
		error = pthread_create(&thread, NULL, gateway_run, signals);
	return error ? rain_error_set(err, "can't start a thread: %s", strerror(error)) : 0;
}

int rain_agent_signals_attach(struct rain_agent_signals *signals, int control)
{
	int ended_by;

	pthread_mutex_lock(&signals->lock);
	signals->control = control;
	if (control >= 0 && signals->early_count > 0) {
		(void)!send(control, signals->early, signals->early_count, MSG_NOSIGNAL);
		signals->early_count = 0;
	}
	ended_by = signals->ended_by;
	pthread_mutex_unlock(&signals->lock);
	return ended_by;
}
