/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/relay.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const int passed_on[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGUSR1,  SIGUSR2,
				SIGALRM, SIGTSTP, SIGCONT, SIGURG,  SIGWINCH, SIGXCPU};

static void passed_on_set(sigset_t *set)
{
	sigemptyset(set);
	for (size_t i = 0; i < sizeof(passed_on) / sizeof(*passed_on); i++)
		sigaddset(set, passed_on[i]);
}

/* What a program without a handler dies of. */
static bool is_deadly(int number)
{
	return number != SIGCONT && number != SIGURG && number != SIGWINCH && number != SIGTSTP;
}

void rain_relay_die(int number)
{
	const struct rlimit none = {0};
	sigset_t set;

	setrlimit(RLIMIT_CORE, &none);
	signal(number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, number);
	raise(number); /* waits for the next line, which lets it through */
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	_exit(128 + number); /* a signal that ends nothing by default */
}

static void pass_on(struct rain_relay_signals *signals, int number, json_int_t count)
{
	char path[64];
	struct rain_error err;
	json_t *request = json_pack("{s:i, s:I}", "signal", number, "seq", count), *answer;
	int64_t rows, columns;

	if (number == SIGWINCH && signals->terminal && rain_relay_terminal_size(&rows, &columns))
		json_object_update_new(request, json_pack("{s:I, s:I}", "rows", (json_int_t)rows,
							  "columns", (json_int_t)columns));
	snprintf(path, sizeof(path), "/v1/jobs/%u/signal", signals->job);
	answer = request ? rain_local_json(signals->client, "POST", path, request, 0, NULL, &err)
			 : NULL;
	if (!answer && request && !rain_local_client_is_cancelled(signals->client))
		fprintf(stderr, "rain: signal %d (%s) could not be passed on: %s\n", number,
			sigabbrev_np(number) ? sigabbrev_np(number) : "?", err.text);
	json_decref(answer);
	json_decref(request);
}

static void *signals_run(void *arg)
{
	struct rain_relay_signals *signals = arg;
	json_int_t count = 0;
	sigset_t set;
	int number;

	passed_on_set(&set);
	while (sigwait(&set, &number) == 0) {
		/* seq: the gateway sees what it has had before. */
		if (atomic_load(&signals->open))
			pass_on(signals, number, ++count);
		else if (is_deadly(number))
			rain_relay_die(number);
	}
	return NULL;
}

int rain_relay_signals_start(struct rain_relay_signals *signals, const struct rain_relay *relay,
			     struct rain_error *err)
{
	sigset_t set;
	int error;

	signals->job = relay->job;
	signals->terminal = relay->terminal;
	signals->client = rain_local_client_create(relay->socket, NULL, err);
	if (!signals->client)
		return -1;
	signal(SIGPIPE, SIG_IGN);
	passed_on_set(&set);
	error = pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (!error)
		error = pthread_create(&signals->thread, NULL, signals_run, signals);
	return error ? rain_error_set(err, "can't start a thread: %s", strerror(error)) : 0;
}

void rain_relay_signals_open(struct rain_relay_signals *signals)
{
	atomic_store(&signals->open, true);
}

void rain_relay_signals_close(struct rain_relay_signals *signals)
{
	atomic_store(&signals->open, false);
	rain_local_client_cancel(signals->client);
}
