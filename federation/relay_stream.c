/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/relay.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Most that one answer may hold. */
#define PIECE_MAX (4 * 1024 * 1024)
/* Between two looks at a stream that isn't there yet. */
#define ABSENT_PAUSE_MS 200

static bool stream_wants_more(struct rain_relay_stream *stream)
{
	bool more;

	pthread_mutex_lock(&stream->lock);
	more = !stream->failed && (stream->size < 0 || stream->offset < stream->size);
	pthread_mutex_unlock(&stream->lock);
	return more;
}

static int write_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t put = write(fd, data, size);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -1;
		data += put;
		size -= (size_t)put;
	}
	return 0;
}

/* Only what is written counts as received. */
static void stream_take(struct rain_relay_stream *stream, const struct rain_local_answer *answer)
{
	int failed = write_all(stream->fd, answer->body, answer->size) < 0 ? errno : 0;

	pthread_mutex_lock(&stream->lock);
	stream->offset += (int64_t)answer->size;
	stream->failed = failed;
	if (failed)
		rain_error_set(&stream->err, "can't write the job's %s: %s", stream->name,
			       strerror(failed));
	pthread_mutex_unlock(&stream->lock);
}

static void stream_refused(struct rain_relay_stream *stream, const struct rain_local_answer *answer)
{
	pthread_mutex_lock(&stream->lock);
	stream->failed = -1;
	rain_error_set(&stream->err, "the gateway answers %d for the job's %s after byte %lld",
		       answer->status, stream->name, (long long)stream->offset);
	pthread_mutex_unlock(&stream->lock);
}

static void *stream_run(void *arg)
{
	struct rain_relay_stream *stream = arg;

	while (stream_wants_more(stream)) {
		struct rain_local_answer answer = {0};
		struct rain_error err;
		char path[128];

		snprintf(path, sizeof(path), "/v1/jobs/%u/streams/%s?after=%lld&wait=%d",
			 stream->job, stream->name, (long long)stream->offset, RAIN_RELAY_WAIT_S);
		if (rain_local_call(stream->client, "GET", path, NULL, 0, RAIN_RELAY_WAIT_S,
				    PIECE_MAX, &answer, &err) < 0) {
			pthread_mutex_lock(&stream->lock);
			if (stream->size != stream->offset) {
				stream->failed = -1;
				stream->err = err;
			}
			pthread_mutex_unlock(&stream->lock);
			break;
		}
		if (answer.status == 404)
			rain_local_client_pause(stream->client, ABSENT_PAUSE_MS);
		else if (answer.status < 200 || answer.status > 299)
			stream_refused(stream, &answer);
		else if (answer.size > 0)
			stream_take(stream, &answer);
		rain_local_answer_release(&answer);
	}
	return NULL;
}

int rain_relay_stream_start(struct rain_relay_stream *stream, const struct rain_relay *relay,
			    const char *name, int fd, struct rain_error *err)
{
	int error;

	*stream = (struct rain_relay_stream){.name = name, .fd = fd, .job = relay->job, .size = -1};
	pthread_mutex_init(&stream->lock, NULL);
	stream->client = rain_local_client_create(relay->socket, NULL, err);
	if (!stream->client)
		return -1;
	error = pthread_create(&stream->thread, NULL, stream_run, stream);
	return error ? rain_error_set(err, "can't start a thread: %s", strerror(error)) : 0;
}

int rain_relay_stream_finish(struct rain_relay_stream *stream, int64_t size, struct rain_error *err)
{
	pthread_mutex_lock(&stream->lock);
	stream->size = size;
	/* It may wait for more, which will never come. */
	if (stream->offset >= size)
		rain_local_client_cancel(stream->client);
	pthread_mutex_unlock(&stream->lock);
	pthread_join(stream->thread, NULL);
	if (!stream->failed && stream->offset == size)
		return 0;
	if (!stream->failed)
		return rain_error_set(err, "the job's %s has %lld bytes, but %lld came",
				      stream->name, (long long)size, (long long)stream->offset);
	*err = stream->err;
	return -1;
}

void rain_relay_stream_stop(struct rain_relay_stream *stream)
{
	rain_local_client_cancel(stream->client);
	pthread_join(stream->thread, NULL);
}
