/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stdin of what somebody sits before: from the relay to home's gateway, from there
 * to the lender's (home brings it when it can dial, else the lender fetches), and to
 * the agent.  As with output the offset decides, and a file remembers.
 *
 * Each gateway takes only RAIN_LIMIT_INPUT_AHEAD more than the next one has, so that a
 * program that doesn't read stops who types at home, not a disk. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "federation/faces.h"
#include "federation/limits.h"

#define RETRY_MS 500
#define FULL_MS 100
#define POLL_S 20

struct rain_input_move {
	struct rain_http_transfer *transfer;
	struct rain_gateway *gateway;
	char id[RAIN_UUID_SIZE];
	int64_t from, size;
	bool end; /* behind the last byte */
};

static struct rain_input_move *move_new(struct rain_gateway *gateway, const char *id)
{
	struct rain_input_move *move = calloc(1, sizeof *move);

	if (move) {
		move->gateway = gateway;
		snprintf(move->id, sizeof move->id, "%s", id);
	}
	return move;
}

void rain_input_stop(struct rain_input *input)
{
	if (input->move)
		rain_http_transfer_cancel(input->move->transfer);
	free(input->move);
	input->move = NULL;
}

/* The move is over; true when the input goes on. */
static struct rain_input *move_end(struct rain_input *input, bool worked)
{
	input->move = NULL;
	input->retry_ms = worked ? 0 : rain_clock_monotonic_ms() + RETRY_MS;
	return input;
}

/* Bytes that may still be taken. */
static int64_t room_of(const struct rain_input *input, int64_t size)
{
	int64_t room = input->moved + RAIN_LIMIT_INPUT_AHEAD - size;

	return room > 0 ? room : 0;
}

/* --- home brings it --- */

static void on_pushed(void *arg, const struct rain_http_result *result)
{
	struct rain_input_move *move = arg;
	struct rain_live_burst *burst = rain_burst_live(move->gateway, move->id);
	const char *offset = rain_http_result_header(result, "Rain-Offset");
	bool worked = offset && (result->status == 200 || result->status == 416);

	if (burst) {
		struct rain_input *input = move_end(&burst->input, worked);

		if (worked)
			input->moved = strtoll(offset, NULL, 10);
		input->done = (worked && move->end && input->moved == move->from + move->size) || result->status == 410;
		if (worked && input->moved == move->from && move->size > 0)
			input->retry_ms = rain_clock_monotonic_ms() + FULL_MS; /* it has no room */
		rain_waiters_wake(&burst->waiters);
		rain_input_push(move->gateway, burst);
	}
	free(move);
}

static bool is_open(const struct rain_live_burst *burst)
{
	const struct rain_burst_record *r = &burst->row.record;

	return burst->row.direct && r->inputs_sent &&
	       (r->state == RAIN_BURST_PLACED || r->state == RAIN_BURST_RUNNING);
}

void rain_input_push(struct rain_gateway *gateway, struct rain_live_burst *burst)
{
	struct rain_peer *peer = rain_mind_peer(gateway, burst->row.peer);
	int64_t size = rain_stream_size(gateway, false, burst->row.id, RAIN_STREAM_STDIN);
	bool ended = rain_stream_has_ended(gateway, false, burst->row.id);
	struct rain_http_call call = { .method = "PUT", .bulk = true, .done = on_pushed, .timeout_ms = 60000,
				       .reply_max = 4096, .body = "" };
	struct rain_input *input = &burst->input;
	char path[128];
	int fd = -1;

	if (!is_open(burst) || input->move || input->done || !peer || peer->address_count == 0 ||
	    (input->moved >= size && !ended) || input->retry_ms > rain_clock_monotonic_ms())
		return;
	input->move = move_new(gateway, burst->row.id);
	if (!input->move)
		return;
	input->move->from = input->moved;
	call.body_size = size - input->moved < RAIN_STREAM_PIECE ? size - input->moved : RAIN_STREAM_PIECE;
	input->move->size = call.body_size;
	input->move->end = ended && input->moved + call.body_size == size;
	if (call.body_size > 0) {
		call.body_fd = fd = rain_stream_open(gateway, false, burst->row.id, RAIN_STREAM_STDIN);
		call.body_offset = input->moved;
		call.body = NULL;
	}
	snprintf(path, sizeof path, "/v1/streams/%s/stdin?offset=%" PRId64 "%s", burst->row.id, input->moved,
		 input->move->end ? "&end=1" : "");
	call.path = path;
	call.arg = input->move;
	if (call.body || fd >= 0)
		input->move->transfer = rain_peers_request(gateway, peer, &call, NULL);
	if (fd >= 0)
		close(fd); /* the request has its own */
	if (!input->move->transfer) {
		free(input->move);
		move_end(input, false);
	}
}

/* --- or the lender fetches it --- */

static void on_pulled(void *arg, const struct rain_http_result *result)
{
	struct rain_input_move *move = arg;
	struct rain_gateway *gateway = move->gateway;
	struct rain_live_loan *loan = rain_loan_live(gateway, move->id);
	const char *end = rain_http_result_header(result, "Rain-End");
	struct rain_error err;
	int64_t now = 0;

	if (loan) {
		struct rain_input *input = move_end(&loan->input, result->status == 200);

		if (result->status == 200 &&
		    rain_stream_write(gateway, true, move->id, RAIN_STREAM_STDIN, move->from, result->body,
				      result->size, &now, &err) < 0)
			rain_log_error("input of loan burst=%s is held up: %s", move->id, err.text);
		else if (end && now == strtoll(end, NULL, 10))
			input->done = rain_stream_end(gateway, true, move->id, &err) == 0;
		else if (result->status == 410)
			input->done = true;
		rain_waiters_wake(&loan->waiters);
		rain_input_pull(gateway, loan);
	}
	free(move);
}

void rain_input_pull(struct rain_gateway *gateway, struct rain_live_loan *loan)
{
	struct rain_peer *peer = rain_mind_peer(gateway, loan->row.peer);
	struct rain_http_call call = { .method = "GET", .bulk = true, .done = on_pulled, .timeout_ms = 60000,
				       .reply_max = RAIN_STREAM_PIECE };
	struct rain_input *input = &loan->input;
	char path[128];

	int64_t size = rain_stream_size(gateway, true, loan->row.id, RAIN_STREAM_STDIN);

	if (loan->row.record.state != RAIN_LOAN_RUNNING || !json_object_get(loan->row.manifest, "direct") ||
	    input->move || input->done || !peer || peer->address_count == 0 || peer->dials_us ||
	    room_of(input, size) == 0 || input->retry_ms > rain_clock_monotonic_ms())
		return;
	input->move = move_new(gateway, loan->row.id);
	if (!input->move)
		return;
	input->move->from = size;
	snprintf(path, sizeof path, "/v1/streams/%s/stdin?after=%" PRId64 "&wait=%d", loan->row.id,
		 input->move->from, POLL_S);
	call.path = path;
	call.arg = input->move;
	input->move->transfer = rain_peers_request(gateway, peer, &call, NULL);
	if (!input->move->transfer) {
		free(input->move);
		move_end(input, false);
	}
}

/* --- the faces --- */

/* Takes what there is room for; false when that is nothing. */
static bool input_take(struct rain_gateway *gateway, struct rain_http_request *request, bool is_loan,
		       const char *id, const struct rain_input *input, bool last)
{
	int64_t offset, end, now = 0, have = rain_stream_size(gateway, is_loan, id, RAIN_STREAM_STDIN), room;
	struct rain_error err;
	const char *data;
	size_t size;
	int result;

	if (rain_http_request_query_int(request, "offset", 0, RAIN_LIMIT_STREAM_BYTES, 0, &offset, &err) ||
	    rain_http_request_query_int(request, "end", 0, 1, 0, &end, &err)) {
		rain_http_reply_error(request, 400, "%s", err.text);
		return true;
	}
	data = rain_http_request_body(request, &size);
	if (offset + (int64_t)size > RAIN_LIMIT_STREAM_BYTES) {
		rain_http_reply_error(request, 413, "standard input may have at most %" PRId64 " bytes",
				      (int64_t)RAIN_LIMIT_STREAM_BYTES);
		return true;
	}
	room = have > offset ? have - offset + room_of(input, have) : room_of(input, have);
	if (!last && room == 0 && size > 0)
		return false;
	if ((int64_t)size > room) {
		size = (size_t)room;
		end = 0;
	}
	result = rain_stream_write(gateway, is_loan, id, RAIN_STREAM_STDIN, offset, data, size, &now, &err);
	if (result == 0 && end && now == offset + (int64_t)size)
		result = rain_stream_end(gateway, is_loan, id, &err);
	rain_face_stream_reply(request, result, now, &err);
	return true;
}

void rain_face_home_input(struct rain_gateway *gateway, struct rain_http_request *request,
			  struct rain_live_loan *loan)
{
	input_take(gateway, request, true, loan->row.id, &loan->input, true);
	rain_waiters_wake(&loan->waiters);
}

static bool is_over(const struct rain_live_burst *burst)
{
	return burst->row.record.state > RAIN_BURST_RUNNING;
}

static bool answer_relay(struct rain_gateway *gateway, struct rain_waiter *waiter, bool last)
{
	struct rain_live_burst *burst = rain_burst_live(gateway, waiter->id);

	if (!burst || !burst->row.direct || is_over(burst)) {
		rain_http_reply_error(waiter->request, 410, "nobody reads its standard input");
		return true;
	}
	return input_take(gateway, waiter->request, false, waiter->id, &burst->input, last);
}

void rain_face_relay_input(struct rain_gateway *gateway, struct rain_http_request *request,
			   struct rain_live_burst *burst)
{
	struct rain_waiter waiter = { .gateway = gateway, .request = request, .answer = answer_relay };

	strcpy(waiter.id, burst->row.id);
	rain_waiters_add(&burst->waiters, &waiter, rain_face_wait(request));
	rain_waiters_wake(&burst->waiters);
	rain_input_push(gateway, burst);
}

/* Who asks for more has written what came before. */
static void note_progress(struct rain_gateway *gateway, bool is_loan, const char *id, struct rain_input *input,
			  int64_t after)
{
	int64_t size = rain_stream_size(gateway, is_loan, id, RAIN_STREAM_STDIN);

	if (after > size)
		after = size;
	if (after > input->moved)
		input->moved = after;
}

static bool answer(struct rain_gateway *gateway, struct rain_waiter *waiter, bool is_loan, bool last)
{
	int64_t size = rain_stream_size(gateway, is_loan, waiter->id, RAIN_STREAM_STDIN);
	bool ended = rain_stream_has_ended(gateway, is_loan, waiter->id);

	if (!last && size <= waiter->after && !ended)
		return false;
	rain_stream_reply(gateway, waiter->request, is_loan, waiter->id, RAIN_STREAM_STDIN, waiter->after,
			  ended ? size : -1);
	return true;
}

static bool answer_agent(struct rain_gateway *gateway, struct rain_waiter *waiter, bool last)
{
	const struct rain_live_loan *loan = rain_loan_live(gateway, waiter->id);

	if (loan && !rain_loan_is_over(&loan->row.record))
		return answer(gateway, waiter, true, last);
	rain_http_reply_error(waiter->request, 410, "the loan is over");
	return true;
}

static bool answer_lender(struct rain_gateway *gateway, struct rain_waiter *waiter, bool last)
{
	const struct rain_live_burst *burst = rain_burst_live(gateway, waiter->id);

	if (burst && !is_over(burst))
		return answer(gateway, waiter, false, last);
	rain_http_reply_error(waiter->request, 410, "the burst is over");
	return true;
}

/* What both that fetch have in common; -1: answered. */
static int waiter_make(struct rain_gateway *gateway, struct rain_http_request *request, const char *id,
		       struct rain_waiter *waiter)
{
	struct rain_error err;

	*waiter = (struct rain_waiter){ .gateway = gateway, .request = request };
	strcpy(waiter->id, id);
	if (rain_http_request_query_int(request, "after", 0, RAIN_LIMIT_STREAM_BYTES, 0, &waiter->after, &err) == 0)
		return 0;
	rain_http_reply_error(request, 400, "%s", err.text);
	return -1;
}

void rain_face_agent_input(struct rain_gateway *gateway, struct rain_http_request *request,
			   struct rain_live_loan *loan)
{
	struct rain_waiter waiter;

	if (waiter_make(gateway, request, loan->row.id, &waiter))
		return;
	waiter.answer = answer_agent;
	note_progress(gateway, true, loan->row.id, &loan->input, waiter.after);
	rain_waiters_add(&loan->waiters, &waiter, rain_face_wait(request));
	rain_input_pull(gateway, loan);
}

void rain_face_lender_input(struct rain_gateway *gateway, struct rain_http_request *request,
			    struct rain_live_burst *burst)
{
	struct rain_waiter waiter;

	if (waiter_make(gateway, request, burst->row.id, &waiter))
		return;
	waiter.answer = answer_lender;
	note_progress(gateway, false, burst->row.id, &burst->input, waiter.after);
	rain_waiters_add(&burst->waiters, &waiter, rain_face_wait(request));
	rain_waiters_wake(&burst->waiters); /* the relay may have more than there was room for */
}
