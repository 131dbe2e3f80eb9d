/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lender's end of what somebody sits before: standard input, and a terminal. */
#include "federation/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PIECE_MAX (512 * 1024)
#define RETRY_PAUSE_MS 200
/* What a terminal understands as the end of input. */
#define END_OF_INPUT "\004"

struct input {
	struct rain_agent *agent;
	struct rain_local_client *client;
	int fd;
	bool terminal;
	int64_t offset;
};

static bool write_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t put = write(fd, data, size);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return false; /* the program reads no more */
		data += put;
		size -= (size_t)put;
	}
	return true;
}

/* False when there is no more to come. */
static bool input_take(struct input *input, const struct rain_local_answer *answer)
{
	if (answer->status != 200) {
		rain_local_client_pause(input->client, RETRY_PAUSE_MS);
		return answer->status != 404 && answer->status != 410;
	}
	if (!write_all(input->fd, answer->body, answer->size))
		return false;
	input->offset += (int64_t)answer->size;
	if (answer->end < 0 || input->offset < answer->end)
		return true;
	if (input->terminal)
		write_all(input->fd, END_OF_INPUT, 1);
	return false;
}

static void *input_run(void *arg)
{
	struct input *input = arg;
	bool more = true;

	while (more) {
		struct rain_local_answer answer = {0};
		struct rain_error err;
		char path[256];

		rain_agent_path(input->agent, path, "/streams/stdin?after=%lld&wait=%d",
				(long long)input->offset, RAIN_AGENT_WAIT_S);
		if (rain_local_call(input->client, "GET", path, NULL, 0, RAIN_AGENT_WAIT_S, PIECE_MAX,
				    &answer, &err) < 0)
			break;
		more = input_take(input, &answer);
		rain_local_answer_release(&answer);
	}
	close(input->fd);
	rain_local_client_destroy(input->client);
	free(input);
	return NULL;
}

int rain_agent_input_start(struct rain_agent *agent, int fd, bool terminal, struct rain_error *err)
{
	struct input *input = calloc(1, sizeof(*input));
	pthread_t thread;
	int error;

	if (!input)
		return rain_error_set(err, "out of memory");
	*input = (struct input){.agent = agent, .fd = fd, .terminal = terminal};
	input->client = rain_local_client_create(NULL, agent->gateway, err);
	error = input->client ? pthread_create(&thread, NULL, input_run, input) : 0;
	if (input->client && !error)
		return pthread_detach(thread);
	if (error)
		rain_error_set(err, "can't start a thread: %s", strerror(error));
	rain_local_client_destroy(input->client);
	free(input);
	return -1;
}

void rain_agent_terminal_resize(int terminal, int64_t rows, int64_t columns)
{
	struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};

	if (rows > 0 && columns > 0)
		ioctl(terminal, TIOCSWINSZ, &size);
}

int rain_agent_terminal_open(const struct rain_agent *agent, int *slave, struct rain_error *err)
{
	int master;

	if (openpty(&master, slave, NULL, NULL, NULL) < 0 || fcntl(master, F_SETFD, FD_CLOEXEC) < 0 ||
	    fcntl(*slave, F_SETFD, FD_CLOEXEC) < 0)
		return rain_error_set(err, "can't make a terminal: %s", strerror(errno));
	rain_agent_terminal_resize(master, agent->manifest.rows, agent->manifest.columns);
	return master;
}
