/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The relay of a step that somebody sits before (srun): what is started on the peer
 * in its place, its standard input and its terminal. */
#include "federation/relay.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define PIECE_MAX 65536

static unsigned long number_of(const char *name)
{
	const char *text = getenv(name);
	char *end = NULL;
	unsigned long value = text ? strtoul(text, &end, 10) : 0;

	return text && end != text && !*end && value <= UINT_MAX ? value : 0;
}

static bool is_set(const char *name)
{
	const char *value = getenv(name);

	return value && *value && strcmp(value, "0") != 0;
}

/* A shell of salloc runs beside the steps that it starts, as it would at home, and needs
 * its terminal as its own.  Nodes there may be smaller than ours, so a step that has
 * all nodes is not told how many.  -X: an interrupt is the program's, not a question
 * after its state. */
int rain_relay_direct_script(const struct rain_relay *relay, char *text, size_t size)
{
	unsigned long nodes = number_of("SLURM_STEP_NUM_NODES"), tasks = number_of("SLURM_STEP_NUM_TASKS"),
		      cpus = number_of("SLURM_CPUS_PER_TASK");
	char few_nodes[40] = "", many_cpus[40] = "";

	if (relay->interactive)
		return snprintf(text, size, "#!/bin/sh\nexec setsid --ctty --wait \"$@\"\n");
	if (nodes && nodes < number_of("SLURM_JOB_NUM_NODES"))
		snprintf(few_nodes, sizeof(few_nodes), " --nodes=%lu", nodes);
	if (cpus > 1)
		snprintf(many_cpus, sizeof(many_cpus), " --cpus-per-task=%lu", cpus);
	return snprintf(text, size, "#!/bin/sh\nexec srun -X --ntasks=%lu%s%s%s%s -- \"$@\"\n",
			tasks ? tasks : 1, few_nodes, many_cpus,
			is_set("SLURM_LABELIO") ? " --label" : "", relay->terminal ? " --pty" : "");
}

const char *rain_relay_direct_program(const struct rain_relay *relay)
{
	const char *rest = relay->command[0];
	char directory[PATH_MAX];
	size_t length;

	if (!strchr(rest, '/') || !getcwd(directory, sizeof(directory)))
		return NULL;
	length = strlen(directory);
	if (*rest == '/' && (strncmp(rest, directory, length) != 0 || rest[length] != '/'))
		return NULL;
	if (*rest == '/')
		rest += length + 1;
	/* srun makes "/home/ada/./heat" of ./heat when it finds it. */
	while (strncmp(rest, "./", 2) == 0)
		rest += 2;
	return *rest ? rest : NULL;
}

bool rain_relay_terminal_size(int64_t *rows, int64_t *columns)
{
	struct winsize size;

	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) < 0)
		return false;
	*rows = size.ws_row ? size.ws_row : 24;
	*columns = size.ws_col ? size.ws_col : 80;
	return true;
}

json_t *rain_relay_direct_json(const struct rain_relay *relay)
{
	int64_t rows, columns;

	if (relay->terminal && rain_relay_terminal_size(&rows, &columns))
		return json_pack("{s:I, s:I}", "rows", (json_int_t)rows, "columns", (json_int_t)columns);
	return json_object();
}

/* What is typed is echoed and understood by the terminal over there. */
static void terminal_raw(void)
{
	struct termios settings;

	if (tcgetattr(STDIN_FILENO, &settings) < 0)
		return;
	cfmakeraw(&settings);
	tcsetattr(STDIN_FILENO, TCSANOW, &settings);
}

/* One piece, or the end when size is 0. False when nobody wants more. */
static bool input_put(struct rain_relay_input *input, const char *data, size_t size)
{
	bool end = size == 0;

	do {
		struct rain_local_answer answer = {0};
		struct rain_error err;
		char path[128];
		int64_t taken;

		snprintf(path, sizeof(path), "/v1/jobs/%u/streams/stdin?offset=%lld&wait=%d%s", input->job,
			 (long long)input->offset, RAIN_RELAY_WAIT_S, end ? "&end=1" : "");
		if (rain_local_call(input->client, "PUT", path, data, size, RAIN_RELAY_WAIT_S, 65536,
				    &answer, &err) < 0)
			return false;
		taken = answer.status == 200 ? answer.offset - input->offset : -1;
		input->too_long = answer.status == 413;
		rain_local_answer_release(&answer);
		if (taken < 0 || taken > (int64_t)size)
			return false; /* the end of the burst tells why */
		input->offset += taken;
		data += taken;
		size -= (size_t)taken;
	} while (size > 0);
	return true;
}

static void *input_run(void *arg)
{
	struct rain_relay_input *input = arg;
	char *piece = malloc(PIECE_MAX);
	ssize_t got = 1;

	while (piece && got > 0) {
		got = read(STDIN_FILENO, piece, PIECE_MAX);
		if (got < 0 && errno == EINTR)
			got = 1;
		else if (!input_put(input, piece, got > 0 ? (size_t)got : 0))
			break;
	}
	if (input->too_long) {
		fprintf(stderr, "rain: standard input ends here: more than %lld bytes don't go to a peer\n",
			(long long)input->offset);
		input_put(input, "", 0);
	}
	free(piece);
	return NULL;
}

int rain_relay_input_start(struct rain_relay_input *input, const struct rain_relay *relay,
			   struct rain_error *err)
{
	pthread_t thread;
	int error;

	*input = (struct rain_relay_input){.job = relay->job};
	input->client = rain_local_client_create(relay->socket, NULL, err);
	if (!input->client)
		return -1;
	if (relay->terminal)
		terminal_raw();
	error = pthread_create(&thread, NULL, input_run, input);
	return error ? rain_error_set(err, "can't start a thread: %s", strerror(error)) : 0;
}
