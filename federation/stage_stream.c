/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "federation/stage.h"

struct giving {
	int fd;
	struct rain_digest_hash *hash;
};

static int give_piece(void *arg, const void *data, size_t size, struct rain_error *err)
{
	const struct giving *giving = arg;

	if (rain_digest_hash_add(giving->hash, data, size) < 0)
		return rain_error_set(err, "out of memory");
	while (size > 0) {
		size_t now = size < RAIN_STAGE_RECORD_MAX ? size : RAIN_STAGE_RECORD_MAX;

		if (rain_stage_write(giving->fd, RAIN_STAGE_DATA, data, now, err) < 0)
			return -1;
		data = (const char *)data + now;
		size -= now;
	}
	return 0;
}

int rain_stage_give(int fd, int root, const char *const items[], size_t count, bool allow_missing,
		    const struct rain_bundle_seen *seen, struct rain_bundle_summary *summary,
		    struct rain_error *err)
{
	struct giving giving = {.fd = fd, .hash = rain_digest_hash_create()};
	struct rain_digest digest;

	*summary = (struct rain_bundle_summary){0};
	if (count == 0) {
		rain_digest_hash_finish(giving.hash, NULL);
		return rain_stage_write(fd, RAIN_STAGE_END, "", 0, err);
	}
	if (!giving.hash)
		return rain_error_set(err, "out of memory");
	if (rain_bundle_pack(root, items, count, allow_missing, seen, give_piece, &giving, summary,
			     err) < 0) {
		rain_digest_hash_finish(giving.hash, NULL);
		/* When this doesn't reach it either, it sees the end. */
		(void)rain_stage_write(fd, RAIN_STAGE_FAILED, err->text, strlen(err->text), NULL);
		return -1;
	}
	rain_digest_hash_finish(giving.hash, &digest);
	return rain_stage_write(fd, RAIN_STAGE_END, digest.sha256, strlen(digest.sha256), err);
}

/* One thread takes the records apart into a pipe, the other unpacks from it. */
struct taking {
	pthread_t thread;
	int in, out;
	struct rain_digest_hash *hash;
	pthread_mutex_t *landing; /* NULL: nobody asks */
	char *buffer; /* the first record, then the others */
	size_t size;
	int result; /* 1: the end was right */
	bool joined, closed; /* closed: nobody unpacks any more */
	bool lands;
	struct rain_error err;
};

static int end_check(struct taking *taking)
{
	struct rain_digest digest;

	rain_digest_hash_finish(taking->hash, &digest);
	taking->hash = NULL;
	if (strcmp(digest.sha256, taking->buffer) != 0)
		return rain_error_set(&taking->err, "what came isn't what was sent");
	return 1;
}

static int data_take(struct taking *taking)
{
	if (rain_digest_hash_add(taking->hash, taking->buffer, taking->size) < 0)
		return rain_error_set(&taking->err, "out of memory");
	for (size_t at = 0; at < taking->size;) {
		ssize_t put = write(taking->out, taking->buffer + at, taking->size - at);

		if (put < 0 && errno == EINTR)
			continue;
		taking->closed = put < 0 && errno == EPIPE;
		if (put < 0)
			return rain_error_set(&taking->err, "can't pass on what comes: %s",
					      strerror(errno));
		at += (size_t)put;
	}
	return 0;
}

static void *feed(void *arg)
{
	struct taking *taking = arg;
	enum rain_stage_type type = RAIN_STAGE_DATA;

	while (taking->result == 0) {
		if (type == RAIN_STAGE_DATA)
			taking->result = data_take(taking);
		else if (type == RAIN_STAGE_END)
			taking->result = end_check(taking);
		else
			taking->result = rain_error_set(&taking->err, "%s", type == RAIN_STAGE_FAILED
							? taking->buffer : "what comes is out of turn");
		if (taking->result == 0)
			taking->result = rain_stage_read(taking->in, &type, taking->buffer,
							 &taking->size, &taking->err);
	}
	close(taking->out);
	return NULL;
}

/* Called at the end of the pipe, which the thread has closed as its last deed. */
static int is_whole(void *arg, struct rain_error *err)
{
	struct taking *taking = arg;

	pthread_join(taking->thread, NULL);
	taking->joined = true;
	if (taking->result < 0)
		return rain_error_set(err, "%s", taking->err.text);
	taking->lands = taking->landing && pthread_mutex_lock(taking->landing) == 0;
	return 0;
}

static int take_all(struct taking *taking, int into, rain_bundle_accept accept, void *arg,
		    struct rain_error *err)
{
	struct rain_bundle_summary summary;
	int ends[2], result, refused;

	taking->hash = rain_digest_hash_create();
	if (!taking->hash)
		return rain_error_set(err, "out of memory");
	if (pipe2(ends, O_CLOEXEC) < 0)
		return rain_error_set(err, "can't make a pipe: %s", strerror(errno));
	taking->out = ends[1];
	refused = pthread_create(&taking->thread, NULL, feed, taking);
	if (refused) {
		close(ends[0]);
		close(ends[1]);
		return rain_error_set(err, "can't start a thread: %s", strerror(refused));
	}
	result = rain_bundle_unpack_pipe(ends[0], into, accept, arg, is_whole, taking, &summary, err);
	close(ends[0]);
	if (taking->lands)
		pthread_mutex_unlock(taking->landing);
	if (taking->joined)
		return result;
	/* Unpacking failed before the end: because of itself, or of what came. */
	taking->landing = NULL;
	if (is_whole(taking, NULL) < 0 && !taking->closed)
		return rain_error_set(err, "%s", taking->err.text);
	return result;
}

int rain_stage_take(int fd, int into, rain_bundle_accept accept, void *arg,
		    pthread_mutex_t *landing, struct rain_error *err)
{
	struct taking taking = {.in = fd, .landing = landing, .buffer = malloc(RAIN_STAGE_BUFFER_SIZE)};
	enum rain_stage_type type;
	int result = -1;

	if (!taking.buffer)
		return rain_error_set(err, "out of memory");
	if (rain_stage_read(fd, &type, taking.buffer, &taking.size, err) == 0) {
		if (type == RAIN_STAGE_END && taking.size == 0)
			result = 0; /* there is nothing */
		else if (type == RAIN_STAGE_DATA)
			result = take_all(&taking, into, accept, arg, err);
		else
			rain_error_set(err, "%s", type == RAIN_STAGE_FAILED
					       ? taking.buffer : "what comes is out of turn");
	}
	rain_digest_hash_finish(taking.hash, NULL);
	free(taking.buffer);
	return result;
}

int rain_stage_pass(int in, int out, struct rain_error *err)
{
	char *buffer = malloc(RAIN_STAGE_BUFFER_SIZE);
	enum rain_stage_type type = RAIN_STAGE_DATA;
	int result = buffer ? 0 : rain_error_set(err, "out of memory");
	size_t size;

	while (result == 0 && type == RAIN_STAGE_DATA) {
		result = rain_stage_read(in, &type, buffer, &size, err);
		if (result == 0 && out >= 0)
			result = rain_stage_write(out, type, buffer, size, err);
	}
	if (result == 0 && type == RAIN_STAGE_FAILED) {
		rain_error_set(err, "%s", buffer);
		result = RAIN_STAGE_TOLD;
	} else if (result == 0 && type != RAIN_STAGE_END) {
		result = rain_error_set(err, "what comes is out of turn");
	}
	free(buffer);
	return result;
}
