// SPDX-License-Identifier: GPL-2.0-or-later
/* Moving blobs between clusters in the background: HEAD tells where to go on,
 * PUT or GET does, and again after every cut. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "federation/blob_http.h"
#include "federation/gateway.h"
#include "federation/http_route.h"
#include "federation/limits.h"
#include "federation/mailbox_internal.h"

#define HEAD_MS 20000
#define BUSY_MS (10 * 60 * 1000) /* how long somebody else may be writing it */

struct rain_blob_move {
	struct rain_gateway *gateway;
	struct rain_peer *peer;
	char sha256[RAIN_BLOB_NAME_SIZE];
	char path[RAIN_BLOB_NAME_SIZE + 16];
	bool push;
	int fd; /* push: the blob, or -1 */
	char burst[64]; /* push: "Rain-Burst: <id>" */
	char owner[RAIN_BLOB_OWNER_SIZE]; /* pull */
	int64_t size_max;
	struct rain_blob_upload *upload;

	int64_t at, size;
	int64_t best; /* where the last try got to */
	int tries;    /* in a row without progress */
	int64_t backoff_ms, busy_since_ms;
	struct rain_http_transfer *transfer;
	struct event *timer;
	char error[512]; /* with which it ends, told from the timer */
	bool ended;
	rain_blob_done done;
	void *arg;
};

static void move_destroy(struct rain_blob_move *move)
{
	rain_http_transfer_cancel(move->transfer);
	rain_blob_upload_abort(move->upload);
	if (move->fd >= 0)
		close(move->fd);
	if (move->timer)
		event_free(move->timer);
	free(move);
}

void rain_blob_move_cancel(struct rain_blob_move *move)
{
	if (move)
		move_destroy(move);
}

void rain_blob_move_progress(const struct rain_blob_move *move, int64_t *at, int64_t *size)
{
	*at = move->upload ? rain_blob_upload_offset(move->upload) : move->at;
	*size = move->size;
}

/* Ends the move from the loop, so that nobody's callback is on the stack. */
static void end(struct rain_blob_move *move, const char *error)
{
	struct timeval now = {0, 0};

	snprintf(move->error, sizeof(move->error), "%s", error ? error : "");
	move->ended = true;
	evtimer_add(move->timer, &now);
}

static void again(struct rain_blob_move *move, const char *why)
{
	struct timeval wait;

	if (++move->tries >= RAIN_LIMIT_BLOB_RETRIES) {
		end(move, why);
		return;
	}
	rain_log_debug("blob %.12s peer=%s goes on later: %s", move->sha256, move->peer->name, why);
	wait = rain_mailbox_backoff(&move->backoff_ms);
	evtimer_add(move->timer, &wait);
}

/* Somebody else writes it, or what is there is being checked. */
static void later(struct rain_blob_move *move, const char *why)
{
	struct timeval wait = {0, RAIN_LIMIT_RETRY_MIN_MS * 1000};
	int64_t now = rain_clock_monotonic_ms();

	if (!move->busy_since_ms)
		move->busy_since_ms = now;
	if (now - move->busy_since_ms > BUSY_MS)
		end(move, why);
	else
		evtimer_add(move->timer, &wait);
}

/* How far both sides are: a try that got further starts the count anew. */
static void progress(struct rain_blob_move *move, int64_t at)
{
	move->at = at;
	if (at <= move->best)
		return;
	move->best = at;
	move->tries = 0;
	move->backoff_ms = 0;
	move->busy_since_ms = 0;
}

static bool may_pass(int status)
{
	return status == 0 || status == 202 || status == 408 || status == 416 || status == 429 ||
	       status >= 500;
}

static void failed(struct rain_blob_move *move, const struct rain_http_result *result)
{
	const char *why = result->error ? result->error : "an answer that makes no sense";

	if (result->status == RAIN_BLOB_BUSY)
		later(move, why);
	else if (may_pass(result->status) && result->status != RAIN_BLOB_FULL)
		again(move, why);
	else
		end(move, why);
}

static int64_t header_number(const struct rain_http_result *result, const char *name)
{
	const char *text = rain_http_result_header(result, name);
	int64_t value;

	return text && rain_http_number_parse(text, &value) == 0 ? value : -1;
}

/* ---- push ---- */

static void on_put(void *arg, const struct rain_http_result *result)
{
	struct rain_blob_move *move = arg;

	move->transfer = NULL;
	if (result->status == 200 || result->status == 201) {
		move->at = move->size;
		end(move, NULL);
	} else {
		failed(move, result);
	}
}

static void put(struct rain_blob_move *move)
{
	char range[96];
	const char *headers[] = {range, "Content-Type: application/octet-stream", move->burst, NULL};
	struct rain_http_call call = {.method = "PUT", .path = move->path, .headers = headers,
				      .body_fd = move->fd, .body_offset = move->at,
				      .body_size = move->size - move->at, .bulk = true,
				      .reply_max = RAIN_LIMIT_CARD, .done = on_put, .arg = move};
	struct rain_error err = {{0}};

	if (move->at > 0)
		snprintf(range, sizeof(range), "Content-Range: bytes %lld-%lld/%lld",
			 (long long)move->at, (long long)move->size - 1, (long long)move->size);
	else
		call.headers = headers + 1;
	move->transfer = rain_peers_request(move->gateway, move->peer, &call, &err);
	if (!move->transfer)
		again(move, err.text);
}

static void on_push_head(struct rain_blob_move *move, const struct rain_http_result *result)
{
	int64_t offset = header_number(result, "Rain-Offset");

	if (result->status == 200) {
		move->at = move->size;
		end(move, NULL);
		return;
	}
	if (result->status != 404) {
		failed(move, result);
		return;
	}
	/* Complete but not yet checked there: the last byte once more. */
	if (offset >= move->size)
		offset = move->size - 1;
	progress(move, offset > 0 ? offset : 0);
	put(move);
}

/* ---- pull ---- */

static int take(void *arg, const void *data, size_t size)
{
	struct rain_blob_move *move = arg;
	struct rain_error err = {{0}};

	if (rain_blob_upload_write(move->upload, data, size, &err) == 0)
		return 0;
	rain_log_warning("blob %.12s from peer=%s: %s", move->sha256, move->peer->name, err.text);
	return -1;
}

static void on_got(void *arg, const struct rain_http_result *result)
{
	struct rain_blob_move *move = arg;
	struct rain_blob_upload *upload = move->upload;
	struct rain_error err = {{0}};
	int status;

	move->transfer = NULL;
	move->upload = NULL;
	progress(move, rain_blob_upload_offset(upload));
	if (result->status >= 200 && result->status < 300 && move->at == move->size) {
		if (rain_blob_upload_finish(upload, &status, &err) == 0)
			end(move, NULL);
		else
			again(move, err.text);
		return;
	}
	rain_blob_upload_abort(upload);
	failed(move, result);
}

static void get(struct rain_blob_move *move)
{
	char range[64];
	const char *headers[] = {range, NULL};
	struct rain_http_call call = {.method = "GET", .path = move->path, .bulk = true,
				      .write = take, .done = on_got, .arg = move};
	struct rain_error err = {{0}};
	int status;

	move->upload = rain_blob_upload_begin(move->gateway->blobs, move->sha256, move->owner,
					      move->size, move->at, &status, &err);
	if (!move->upload) {
		if (status == RAIN_BLOB_BUSY)
			later(move, err.text);
		else
			end(move, err.text);
		return;
	}
	snprintf(range, sizeof(range), "Range: bytes=%lld-", (long long)move->at);
	if (move->at > 0)
		call.headers = headers;
	move->transfer = rain_peers_request(move->gateway, move->peer, &call, &err);
	if (!move->transfer) {
		rain_blob_upload_abort(move->upload);
		move->upload = NULL;
		again(move, err.text);
	}
}

static void on_pull_head(struct rain_blob_move *move, const struct rain_http_result *result)
{
	int64_t size = header_number(result, "Content-Length"), at;

	if (result->status != 200 || size < 0) {
		failed(move, result);
		return;
	}
	if (size > move->size_max) {
		end(move, "the blob is larger than was agreed");
		return;
	}
	move->size = size;
	at = rain_blob_partial_size(move->gateway->blobs, move->sha256, move->owner);
	if (at >= size)
		at = size > 0 ? size - 1 : 0;
	progress(move, at);
	get(move);
}

/* ---- both ---- */

static void on_head(void *arg, const struct rain_http_result *result)
{
	struct rain_blob_move *move = arg;

	move->transfer = NULL;
	if (move->push)
		on_push_head(move, result);
	else
		on_pull_head(move, result);
}

static void begin(struct rain_blob_move *move)
{
	const char *headers[] = {move->burst, NULL};
	struct rain_http_call call = {.method = "HEAD", .path = move->path, .bulk = true,
				      .headers = move->push ? headers : NULL,
				      .timeout_ms = HEAD_MS, .done = on_head, .arg = move};
	struct rain_error err = {{0}};

	/* Another order may have brought it meanwhile. */
	if (!move->push && rain_blob_is_owned(move->gateway->blobs, move->sha256, move->owner)) {
		move->at = move->size = rain_blob_size(move->gateway->blobs, move->sha256);
		end(move, NULL);
		return;
	}
	move->transfer = rain_peers_request(move->gateway, move->peer, &call, &err);
	if (!move->transfer)
		again(move, err.text);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct rain_blob_move *move = arg;

	(void)fd;
	(void)what;
	if (!move->ended) {
		begin(move);
		return;
	}
	move->done(move->arg, move->error[0] ? move->error : NULL);
	move_destroy(move);
}

static struct rain_blob_move *create(struct rain_gateway *gateway, struct rain_peer *peer,
				     const char *sha256, rain_blob_done done, void *arg,
				     struct rain_error *err)
{
	struct rain_blob_move *move;
	struct timeval now = {0, 0};

	if (!rain_blob_name_is_valid(sha256)) {
		rain_error_set(err, "a blob's name is 64 hexadecimal digits in small letters");
		return NULL;
	}
	move = calloc(1, sizeof(*move));
	if (move)
		move->timer = evtimer_new(gateway->base, on_timer, move);
	if (!move || !move->timer) {
		free(move);
		rain_error_set(err, "out of memory");
		return NULL;
	}
	move->gateway = gateway;
	move->peer = peer;
	move->fd = -1;
	move->size = -1;
	move->done = done;
	move->arg = arg;
	strcpy(move->sha256, sha256);
	snprintf(move->path, sizeof(move->path), "/v1/blobs/%s", sha256);
	evtimer_add(move->timer, &now);
	return move;
}

struct rain_blob_move *rain_blob_push(struct rain_gateway *gateway, struct rain_peer *peer,
				      const char *sha256, const char *burst, rain_blob_done done,
				      void *arg, struct rain_error *err)
{
	struct rain_blob_move *move = create(gateway, peer, sha256, done, arg, err);

	if (!move)
		return NULL;
	move->push = true;
	snprintf(move->burst, sizeof(move->burst), "Rain-Burst: %s", burst);
	move->fd = rain_blob_open(gateway->blobs, sha256, &move->size, err);
	if (move->fd < 0) {
		move_destroy(move);
		return NULL;
	}
	return move;
}

struct rain_blob_move *rain_blob_pull(struct rain_gateway *gateway, struct rain_peer *peer,
				      const char *sha256, const char *owner, int64_t size_max,
				      rain_blob_done done, void *arg, struct rain_error *err)
{
	struct rain_blob_move *move = create(gateway, peer, sha256, done, arg, err);

	if (!move)
		return NULL;
	move->size_max = size_max;
	snprintf(move->owner, sizeof(move->owner), "%s", owner);
	return move;
}
