/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"

/* Kept in memory until the gateway has it; the pipe holds as much again. */
#define PIECE_MAX (256 * 1024)
/* A program that prints all the time is sent this often. */
#define INTERVAL_MS 40
/* Tries that bring nothing although the gateway answers. */
#define STUCK_MAX 100
#define STUCK_PAUSE_MS 100

int rain_agent_stream_init(struct rain_agent_stream *stream, struct rain_agent *agent,
			   const char *name, struct rain_error *err)
{
	*stream = (struct rain_agent_stream){.name = name, .pipe = -1, .agent = agent};
	stream->client = rain_local_client_create(NULL, agent->gateway, err);
	stream->buffer = malloc(PIECE_MAX);
	if (!stream->buffer)
		rain_error_set(err, "out of memory");
	return stream->client && stream->buffer ? 0 : -1;
}

static void stream_refuse(struct rain_agent_stream *stream, int status, const char *body)
{
	stream->refused = true;
	rain_error_set(&stream->err, "the gateway takes no more of %s (%d): %.300s", stream->name,
		       status, body);
}

/* One try from stream->offset on. Bytes that the gateway has now; -1: no more. */
static int64_t stream_put(struct rain_agent_stream *stream, const char *data, size_t size)
{
	struct rain_local_answer answer = {0};
	int64_t taken = -1;
	char path[256];

	rain_agent_path(stream->agent, path, "/streams/%s?offset=%lld&agent=%s", stream->name,
			(long long)stream->offset, stream->agent->self);
	if (rain_local_call(stream->client, "PUT", path, data, size, 0, 65536, &answer,
			    &stream->err) < 0) {
		stream->refused = true;
	} else if (answer.status >= 200 && answer.status < 300) {
		taken = answer.offset >= 0 ? answer.offset - stream->offset : (int64_t)size;
	} else if ((answer.status == 409 || answer.status == 416) && answer.offset >= 0) {
		/* It had some of it already: our answer was lost on the way. */
		taken = answer.offset - stream->offset;
	} else {
		stream_refuse(stream, answer.status, answer.body);
	}
	if (!stream->refused && (taken < 0 || taken > (int64_t)size)) {
		stream_refuse(stream, answer.status, "it is at an offset that was never sent");
		taken = -1;
	}
	rain_local_answer_release(&answer);
	return taken;
}

static void stream_send(struct rain_agent_stream *stream, const char *data, size_t size)
{
	int stuck = 0;

	while (size > 0 && !stream->refused) {
		int64_t taken = stream_put(stream, data, size);

		if (taken < 0)
			return;
		stream->offset += taken;
		data += taken;
		size -= (size_t)taken;
		stuck = taken > 0 ? 0 : stuck + 1;
		if (stuck > STUCK_MAX)
			stream_refuse(stream, 0, "it takes nothing");
		else if (stuck > 0)
			rain_local_client_pause(stream->client, STUCK_PAUSE_MS);
	}
}

/* What waits in the pipe, all of it that fits: fewer and larger pieces. */
static ssize_t pipe_read(int fd, char *buffer)
{
	ssize_t got, filled = 0;
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	do {
		got = read(fd, buffer + filled, PIECE_MAX - (size_t)filled);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		filled += got;
	} while (filled < PIECE_MAX && poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & POLLIN));
	return filled;
}

static void *stream_run(void *arg)
{
	struct rain_agent_stream *stream = arg;
	ssize_t got;

	while ((got = pipe_read(stream->pipe, stream->buffer)) > 0) {
		int64_t begun = rain_clock_monotonic_ms(), spent;

		stream_send(stream, stream->buffer, (size_t)got);
		spent = rain_clock_monotonic_ms() - begun;
		if (got < PIECE_MAX && spent < INTERVAL_MS) {
			/* Woken early by the pipe's end. */
			struct pollfd end = {.fd = stream->pipe, .events = 0};

			poll(&end, 1, (int)(INTERVAL_MS - spent));
		}
	}
	close(stream->pipe);
	return NULL;
}

int rain_agent_stream_start(struct rain_agent_stream *stream, int pipe, struct rain_error *err)
{
	int error;

	stream->pipe = pipe;
	/* Refused beyond the user's share of pipe memory: then it stays smaller. */
	fcntl(pipe, F_SETPIPE_SZ, PIECE_MAX);
	error = pthread_create(&stream->thread, NULL, stream_run, stream);
	return error ? rain_error_set(err, "can't start a thread: %s", strerror(error)) : 0;
}

void rain_agent_stream_join(struct rain_agent_stream *stream)
{
	pthread_join(stream->thread, NULL);
	stream->pipe = -1;
}

void rain_agent_stream_say(struct rain_agent_stream *stream, const char *fmt, ...)
{
	char text[600], line[640];
	va_list args;
	int length;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	length = snprintf(line, sizeof(line), "rain: %s\n", text);
	stream_send(stream, line, (size_t)length);
}
