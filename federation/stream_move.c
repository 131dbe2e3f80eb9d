/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Streams between clusters: the lender pushes when it can dial home, else home
 * fetches.  Either way the offset decides: no byte is missed or taken twice. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "federation/limits.h"
#include "federation/mind.h"

#define RETRY_MS 1000
#define OVERDUE_MS 3000

struct rain_stream_move {
	struct rain_http_transfer *transfer;
	struct rain_gateway *gateway;
	char id[RAIN_UUID_SIZE];
	int which;
	int64_t from, size;
};

static struct rain_stream_move *move_new(struct rain_gateway *gateway, const char *id, int which)
{
	struct rain_stream_move *move = calloc(1, sizeof *move);

	if (move) {
		move->gateway = gateway;
		move->which = which;
		snprintf(move->id, sizeof move->id, "%s", id);
	}
	return move;
}

void rain_stream_move_stop(struct rain_stream_move **move)
{
	if (*move)
		rain_http_transfer_cancel((*move)->transfer);
	free(*move);
	*move = NULL;
}

/* --- lender --- */

static void on_pushed(void *arg, const struct rain_http_result *result)
{
	struct rain_stream_move *move = arg;
	struct rain_gateway *gateway = move->gateway;
	struct rain_live_loan *loan = rain_loan_live(gateway, move->id);
	const char *offset = rain_http_result_header(result, "Rain-Offset");

	if (loan) {
		loan->pushes[move->which] = NULL;
		if (result->status >= 200 && result->status < 300) {
			loan->pushed[move->which] = offset ? strtoll(offset, NULL, 10) : move->from + move->size;
			loan->push_retry_ms = 0;
		} else if (result->status == 416 && offset && strtoll(offset, NULL, 10) < move->from) {
			loan->pushed[move->which] = strtoll(offset, NULL, 10);
		} else if (result->status == 404 || result->status == 410) {
			loan->pushed[move->which] = INT64_MAX; /* home wants no more of it */
		} else {
			loan->push_retry_ms = rain_clock_monotonic_ms() + RETRY_MS;
		}
		rain_stream_push(gateway, loan);
	}
	free(move);
}

static void push_one(struct rain_gateway *gateway, struct rain_live_loan *loan, struct rain_peer *peer, int which)
{
	int64_t size = rain_stream_size(gateway, true, loan->row.id, which);
	struct rain_http_call call = { .method = "PUT", .bulk = true, .done = on_pushed, .timeout_ms = 60000,
				       .reply_max = 4096 };
	char path[128];
	struct rain_stream_move *move;
	int fd;

	if (loan->pushes[which] || loan->pushed[which] >= size)
		return;
	fd = rain_stream_open(gateway, true, loan->row.id, which);
	move = fd < 0 ? NULL : move_new(gateway, loan->row.id, which);
	if (!move) {
		if (fd >= 0)
			close(fd);
		return;
	}
	move->from = loan->pushed[which];
	move->size = size - move->from < RAIN_STREAM_PIECE ? size - move->from : RAIN_STREAM_PIECE;
	snprintf(path, sizeof path, "/v1/streams/%s/%s?offset=%" PRId64, loan->row.id, rain_stream_names[which],
		 move->from);
	call.path = path;
	call.body_fd = fd;
	call.body_offset = move->from;
	call.body_size = move->size;
	call.arg = move;
	move->transfer = rain_peers_request(gateway, peer, &call, NULL);
	close(fd); /* the request has its own */
	if (move->transfer) {
		loan->pushes[which] = move;
	} else {
		free(move);
		loan->push_retry_ms = rain_clock_monotonic_ms() + RETRY_MS;
	}
}

void rain_stream_push(struct rain_gateway *gateway, struct rain_live_loan *loan)
{
	struct rain_peer *peer = rain_mind_peer(gateway, loan->row.peer);

	if (!peer || peer->address_count == 0 || loan->row.record.delivered || loan->row.cleaned ||
	    loan->push_retry_ms > rain_clock_monotonic_ms())
		return;
	for (int which = 0; which < 2; which++)
		push_one(gateway, loan, peer, which);
}

/* --- home --- */

static bool has_more(const struct rain_live_burst *burst, int which, int64_t size)
{
	const struct rain_burst_record *record = &burst->row.record;
	int64_t total = which == 0 ? burst->row.stdout_bytes : burst->row.stderr_bytes;

	if (record->delivered || record->state == RAIN_BURST_VOID)
		return false;
	if (record->state == RAIN_BURST_ENDED || record->state == RAIN_BURST_SETTLED)
		return size < total;
	return record->state == RAIN_BURST_RUNNING;
}

/* The end came, what was printed before it didn't. */
static bool is_overdue(const struct rain_live_burst *burst)
{
	return (burst->row.record.state == RAIN_BURST_ENDED || burst->row.record.state == RAIN_BURST_SETTLED) &&
	       rain_clock_realtime_ms() - burst->row.record.finished_ms > OVERDUE_MS;
}

static void on_pulled(void *arg, const struct rain_http_result *result)
{
	struct rain_stream_move *move = arg;
	struct rain_gateway *gateway = move->gateway;
	struct rain_live_burst *burst = rain_burst_live(gateway, move->id);
	struct rain_error err;
	int64_t now;

	if (burst) {
		burst->polls[move->which] = NULL;
		if (result->status == 200 && result->size > 0) {
			if (rain_stream_write(gateway, false, move->id, move->which, move->from, result->body,
					      result->size, &now, &err) < 0)
				rain_log_error("output of job=%" PRId64 " burst=%s is held up: %s", burst->row.job_id,
					       move->id, err.text);
			rain_waiters_wake(&burst->waiters);
		}
		if (result->status == 200)
			rain_stream_pull(gateway, burst);
		/* else the tick tries again */
	}
	free(move);
}

void rain_stream_pull(struct rain_gateway *gateway, struct rain_live_burst *burst)
{
	struct rain_peer *peer = rain_mind_peer(gateway, burst->row.peer);

	if (!peer || peer->address_count == 0)
		return;
	/* A lender that can dial us pushes. */
	if (peer->dials_us && !is_overdue(burst))
		return;
	for (int which = 0; which < 2; which++) {
		int64_t size = rain_stream_size(gateway, false, burst->row.id, which);
		struct rain_http_call call = { .method = "GET", .bulk = true, .done = on_pulled,
					       .timeout_ms = 60000, .reply_max = RAIN_STREAM_PIECE };
		char path[160];
		struct rain_stream_move *move;

		if (burst->polls[which] || !has_more(burst, which, size) ||
		    !(move = move_new(gateway, burst->row.id, which)))
			continue;
		move->from = size;
		snprintf(path, sizeof path, "/v1/streams/%s/%s?after=%" PRId64 "&wait=20", burst->row.id,
			 rain_stream_names[which], size);
		call.path = path;
		call.arg = move;
		move->transfer = rain_peers_request(gateway, peer, &call, NULL);
		if (move->transfer)
			burst->polls[which] = move;
		else
			free(move);
	}
}
