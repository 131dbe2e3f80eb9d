/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/local_http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "federation/limits.h"
#include "federation/local_transfer.h"

#define PAUSE_FIRST_MS 50
#define PAUSE_LAST_MS 5000

/* Where the gateway has it up to; -1 with err; `size` when it is complete. */
static int64_t upload_offset(struct rain_local_client *client, const char *path, int64_t size,
			     struct rain_error *err)
{
	struct rain_local_answer answer = {0};
	int64_t offset = -1;

	if (rain_local_call(client, "HEAD", path, NULL, 0, 0, 0, &answer, err) == 0) {
		if (answer.status == 200)
			offset = size;
		else if (answer.status == 404)
			offset = answer.offset > 0 && answer.offset < size ? answer.offset : 0;
		else
			rain_local_answer_error(&answer, path, err);
	}
	rain_local_answer_release(&answer);
	return offset;
}

/* Sends from an offset. 0: complete; 1: look again where it is; -1 */
static int upload_from(struct rain_local_client *client, const char *path, int fd, int64_t offset,
		       int64_t size, struct rain_error *err)
{
	struct rain_local_answer answer = {0};
	char range[96];
	struct rain_local_transfer transfer = {
		.method = "PUT",
		.path = path,
		.in = fd,
		.in_start = offset,
		.in_size = size - offset,
		.out = -1,
		.answer = &answer,
		.wait_s = 60,
		.headers = {"Content-Type: application/octet-stream", NULL},
	};
	int result;

	if (offset > 0) {
		snprintf(range, sizeof(range), "Content-Range: bytes %lld-%lld/%lld",
			 (long long)offset, (long long)size - 1, (long long)size);
		transfer.headers[1] = range;
	}
	result = rain_local_transfer_run(client, &transfer, false, err);
	if (result == 0 && answer.status != 200 && answer.status != 201) {
		/* 202: not all arrived; 409: another one sends it just now; 416: gap */
		result = answer.status == 202 || answer.status == 409 || answer.status == 416 ? 1
											      : -1;
		if (result < 0)
			rain_local_answer_error(&answer, path, err);
	}
	rain_local_answer_release(&answer);
	return result;
}

int rain_local_blob_put(struct rain_local_client *client, const char *path, int fd,
			const struct rain_digest *digest, bool *sent, struct rain_error *err)
{
	int pause = PAUSE_FIRST_MS, result;
	int64_t offset, before = -1;

	*sent = false;
	for (;;) {
		offset = upload_offset(client, path, digest->size, err);
		if (offset < 0)
			return -1;
		if (offset == digest->size && (digest->size > 0 || *sent))
			return 0;
		/* What moves is worth trying at once. */
		pause = offset > before ? PAUSE_FIRST_MS : pause;
		before = offset;
		*sent = true;
		result = upload_from(client, path, fd, offset, digest->size, err);
		if (result <= 0)
			return result;
		rain_local_client_pause(client, pause);
		pause = pause * 2 > PAUSE_LAST_MS ? PAUSE_LAST_MS : pause * 2;
		if (rain_local_client_is_cancelled(client))
			return rain_error_set(err, "the upload was given up");
	}
}

/* 0: at the end, or cut after some bytes; -1; RAIN_LOCAL_PIPE_CLOSED */
static int download_from(struct rain_local_client *client, const char *path, int fd,
			 struct rain_digest_hash *pipe_hash, const struct rain_digest *digest,
			 int64_t *offset, struct rain_error *err)
{
	struct rain_local_answer answer = {0};
	char range[64];
	struct rain_local_transfer transfer = {
		.method = "GET",
		.path = path,
		.in = -1,
		.out = fd,
		.out_offset = *offset,
		.out_left = digest->size - *offset,
		.out_total = digest->size,
		.out_hash = pipe_hash,
		.answer = &answer,
		.wait_s = 60,
	};
	int result;

	if (*offset > 0) {
		snprintf(range, sizeof(range), "Range: bytes=%lld-", (long long)*offset);
		transfer.headers[0] = range;
	}
	result = rain_local_transfer_run(client, &transfer, false, err);
	if (result == 0 && answer.status != 200 && answer.status != 206) {
		rain_local_answer_error(&answer, path, err);
		result = -1;
	}
	rain_local_answer_release(&answer);
	*offset = transfer.out_offset;
	if (pipe_hash && transfer.out_failed == EPIPE)
		return RAIN_LOCAL_PIPE_CLOSED;
	return result < 0 ? -1 : 0;
}

/* All of it, going on after cuts. */
static int download(struct rain_local_client *client, const char *path, int fd,
		    struct rain_digest_hash *pipe_hash, const struct rain_digest *digest,
		    struct rain_error *err)
{
	int64_t offset = 0, before = -1;
	int pause = PAUSE_FIRST_MS, result;

	while (offset < digest->size) {
		result = download_from(client, path, fd, pipe_hash, digest, &offset, err);
		if (result < 0)
			return result;
		if (offset >= digest->size)
			break;
		pause = offset > before             ? PAUSE_FIRST_MS
			: pause * 2 > PAUSE_LAST_MS ? PAUSE_LAST_MS
						    : pause * 2;
		before = offset;
		rain_local_client_pause(client, pause);
		if (rain_local_client_is_cancelled(client))
			return rain_error_set(err, "the download was given up");
	}
	return 0;
}

static int check(const struct rain_digest *got, const struct rain_digest *digest,
		 struct rain_error *err)
{
	if (got->size == digest->size && strcmp(got->sha256, digest->sha256) == 0)
		return 0;
	return rain_error_set(err, "what the gateway sent as blob %.12s is another one: %.12s",
			      digest->sha256, got->sha256);
}

int rain_local_blob_get(struct rain_local_client *client, const char *path, int fd,
			const struct rain_digest *digest, struct rain_error *err)
{
	struct rain_digest got;

	if (download(client, path, fd, NULL, digest, err) < 0 ||
	    rain_digest_file(fd, &got, err) < 0)
		return -1;
	return check(&got, digest, err);
}

int rain_local_blob_pipe(struct rain_local_client *client, const char *path, int pipe,
			 const struct rain_digest *digest, struct rain_error *err)
{
	struct rain_digest_hash *hash = rain_digest_hash_create();
	struct rain_digest got;
	int result;

	if (!hash)
		return rain_error_set(err, "out of memory");
	result = download(client, path, pipe, hash, digest, err);
	rain_digest_hash_finish(hash, &got);
	return result < 0 ? result : check(&got, digest, err);
}
