/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/faces.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "federation/limits.h"

#define STREAM_BODY_MAX (1024 * 1024)

int64_t rain_face_wait(const struct rain_http_request *request)
{
	int64_t wait_s;

	return rain_http_request_query_int(request, "wait", 0, RAIN_LIMIT_HTTP_WAIT_S, 0, &wait_s, NULL) ? 0 : wait_s;
}

int rain_face_stream_args(struct rain_http_request *request, int64_t *after, char *name, size_t size)
{
	const char *text = rain_http_request_param(request, "name");
	struct rain_error err;

	if (rain_stream_find(text) < 0) {
		rain_http_reply_error(request, 404, "the streams are stdout and stderr");
		return -1;
	}
	if (rain_http_request_query_int(request, "after", 0, INT64_MAX, 0, after, &err)) {
		rain_http_reply_error(request, 400, "%s", err.text);
		return -1;
	}
	snprintf(name, size, "%s", text);
	return 0;
}

static int is_this(void *arg, const char *sha256, int64_t size)
{
	(void)size;
	return !strcmp(arg, sha256);
}

bool rain_face_names(const json_t *blobs, const char *sha256)
{
	return sha256 && rain_outputs_blobs(blobs, is_this, (void *)sha256);
}

void rain_face_upload_head(struct rain_gateway *gateway, struct rain_http_request *request,
			   const char *sha256, const char *owner)
{
	if (strcmp(rain_http_request_method(request), "HEAD") != 0)
		rain_http_reply_error(request, 405, "blobs are brought here, not fetched");
	else
		rain_blob_http_head(gateway, request, sha256, owner);
}

void rain_face_upload_room(struct rain_gateway *gateway, struct rain_http_request *request, const char *owner)
{
	struct rain_error err;
	int64_t bytes;

	if (rain_http_request_query_int(request, "bytes", 0, RAIN_LIMIT_BLOB, -1, &bytes, &err) || bytes < 0)
		rain_http_reply_error(request, 400, "the query must say how many bytes are to come");
	else if (rain_blob_room(gateway->blobs, owner, bytes, &err) < 0)
		rain_http_reply_error(request, 413, "%s", err.text);
	else
		rain_http_reply_json(request, 200, json_object());
}

void rain_face_stream_reply(struct rain_http_request *request, int result, int64_t now, const struct rain_error *err)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRId64, now);
	if (result >= 0)
		rain_http_reply_header(request, "Rain-Offset", text);
	if (result < 0)
		rain_http_reply_error(request, 507, "%s", err->text);
	else if (result > 0)
		rain_http_reply_error(request, 416, "%" PRId64 " bytes are here", now);
	else
		rain_http_reply_empty(request, 200);
}

int64_t rain_face_stream_put(struct rain_gateway *gateway, struct rain_http_request *request, bool is_loan,
			     const char *id)
{
	int which = rain_stream_find(rain_http_request_param(request, "name"));
	int64_t offset, now = -1;
	struct rain_error err;
	const char *data;
	size_t size;
	int result;

	if (which < 0) {
		rain_http_reply_error(request, 404, "the streams are stdout and stderr");
		return -1;
	}
	if (rain_http_request_query_int(request, "offset", 0, INT64_MAX, 0, &offset, &err)) {
		rain_http_reply_error(request, 400, "%s", err.text);
		return -1;
	}
	data = rain_http_request_body(request, &size);
	result = rain_stream_write(gateway, is_loan, id, which, offset, data, size, &now, &err);
	rain_face_stream_reply(request, result, now, &err);
	return result == 0 ? now : -1;
}

/* --- peers --- */

/* The lender brings a piece of one of our bursts. */
static void peer_stream_put(struct rain_gateway *gateway, struct rain_http_request *request)
{
	const char *id = rain_http_request_param(request, "burst");
	struct rain_live_burst *burst = id ? rain_burst_live(gateway, id) : NULL;

	if (!rain_mind_of(gateway)->recovered || (burst && !burst->row.peer)) {
		rain_http_reply_error(request, 503, "the gateway is just starting");
	} else if (!burst || burst->row.peer != rain_http_request_peer(request)->row ||
		   !burst->row.record.inputs_sent || burst->row.record.delivered ||
		   burst->row.record.state == RAIN_BURST_VOID) {
		rain_http_reply_error(request, 410, "no burst wants it");
	} else if (rain_face_stream_put(gateway, request, false, burst->row.id) >= 0) {
		rain_waiters_wake(&burst->waiters);
	}
}

static bool answer_peer_stream(struct rain_gateway *gateway, struct rain_waiter *waiter, bool last)
{
	const struct rain_live_loan *loan = rain_loan_live(gateway, waiter->id);
	int which = rain_stream_find(waiter->text);
	int64_t total = -1;

	if (!loan) {
		rain_http_reply_error(waiter->request, 410, "the loan is over");
		return true;
	}
	if (rain_loan_is_over(&loan->row.record))
		total = which == 0 ? loan->row.stdout_bytes : loan->row.stderr_bytes;
	if (!last && total < 0 && rain_stream_size(gateway, true, waiter->id, which) <= waiter->after)
		return false;
	rain_stream_reply(gateway, waiter->request, true, waiter->id, which, waiter->after, total);
	return true;
}

static bool is_input(const struct rain_http_request *request)
{
	const char *name = rain_http_request_param(request, "name");

	return name && !strcmp(name, rain_stream_names[RAIN_STREAM_STDIN]);
}

/* stdin goes from home to the lender, the other way than output. */
static void peer_input_put(struct rain_gateway *gateway, struct rain_http_request *request)
{
	const char *id = rain_http_request_param(request, "burst");
	struct rain_live_loan *loan = id ? rain_loan_live(gateway, id) : NULL;

	if (!rain_mind_of(gateway)->recovered || (loan && !loan->row.peer))
		rain_http_reply_error(request, 503, "the gateway is just starting");
	else if (!loan || loan->row.peer != rain_http_request_peer(request)->row ||
		 rain_loan_is_over(&loan->row.record))
		rain_http_reply_error(request, 410, "no loan wants it");
	else
		rain_face_home_input(gateway, request, loan);
}

static void peer_input_get(struct rain_gateway *gateway, struct rain_http_request *request)
{
	const char *id = rain_http_request_param(request, "burst");
	struct rain_live_burst *burst = id ? rain_burst_live(gateway, id) : NULL;

	if (!rain_mind_of(gateway)->recovered || (burst && !burst->row.peer))
		rain_http_reply_error(request, 503, "the gateway is just starting");
	else if (!burst || burst->row.peer != rain_http_request_peer(request)->row)
		rain_http_reply_error(request, 410, "there is no such burst");
	else
		rain_face_lender_input(gateway, request, burst);
}

static void peer_put(struct rain_gateway *gateway, struct rain_http_request *request)
{
	is_input(request) ? peer_input_put(gateway, request) : peer_stream_put(gateway, request);
}

/* Home fetches what one of its bursts printed here. */
static void peer_stream_get(struct rain_gateway *gateway, struct rain_http_request *request)
{
	const char *id = rain_http_request_param(request, "burst");
	struct rain_live_loan *loan = id ? rain_loan_live(gateway, id) : NULL;
	struct rain_waiter waiter = { .gateway = gateway, .request = request, .answer = answer_peer_stream };

	if (!rain_mind_of(gateway)->recovered || (loan && !loan->row.peer)) {
		rain_http_reply_error(request, 503, "the gateway is just starting");
	} else if (!loan || loan->row.peer != rain_http_request_peer(request)->row || loan->row.cleaned) {
		rain_http_reply_error(request, 404, "there is no such loan");
	} else if (rain_face_stream_args(request, &waiter.after, waiter.text, sizeof waiter.text) == 0) {
		strcpy(waiter.id, loan->row.id);
		rain_waiters_add(&loan->waiters, &waiter, rain_face_wait(request));
	}
}

static void peer_get(struct rain_gateway *gateway, struct rain_http_request *request)
{
	is_input(request) ? peer_input_get(gateway, request) : peer_stream_get(gateway, request);
}

const struct rain_http_route rain_mind_routes[] = {
	{ RAIN_HTTP_PEER, "PUT", "/v1/streams/{burst}/{name}", peer_put, STREAM_BODY_MAX, NULL, NULL },
	{ RAIN_HTTP_PEER, "GET", "/v1/streams/{burst}/{name}", peer_get, 0, NULL, NULL },

	{ RAIN_HTTP_JOB, "GET", "/v1/jobs/{job}", rain_job_get, 0, NULL, NULL },
	{ RAIN_HTTP_JOB, "POST", "/v1/jobs/{job}/inputs", rain_job_inputs, RAIN_LIMIT_HTTP_JSON_BODY, NULL, NULL },
	{ RAIN_HTTP_JOB, "POST", "/v1/jobs/{job}/signal", rain_job_signal, 4096, NULL, NULL },
	{ RAIN_HTTP_JOB, "POST", "/v1/jobs/{job}/delivered", rain_job_delivered, 4096, NULL, NULL },
	{ RAIN_HTTP_JOB, "GET", "/v1/jobs/{job}/streams/{name}", rain_job_stream, 0, NULL, NULL },
	{ RAIN_HTTP_JOB, "PUT", "/v1/jobs/{job}/streams/stdin", rain_job_input, STREAM_BODY_MAX, NULL, NULL },
	{ RAIN_HTTP_JOB, "GET", "/v1/jobs/{job}/blobs/{sha256}", rain_job_output, 0, NULL, NULL },
	{ RAIN_HTTP_JOB, "GET", "/v1/blobs/{sha256}", rain_job_blob_get, 0, NULL, NULL },
	{ RAIN_HTTP_JOB, "PUT", "/v1/blobs/{sha256}", rain_job_blob_end, 0, rain_job_blob_begin,
	  rain_blob_http_put_write },
	{ RAIN_HTTP_JOB, "GET", "/v1/blobs", rain_job_blob_room, 0, NULL, NULL },

	{ RAIN_HTTP_AGENT, "GET", "/v1/loans/{burst}", rain_agent_get, 0, NULL, NULL },
	{ RAIN_HTTP_AGENT, "POST", "/v1/loans/{burst}/started", rain_agent_started, 4096, NULL, NULL },
	{ RAIN_HTTP_AGENT, "POST", "/v1/loans/{burst}/exit", rain_agent_exit, RAIN_LIMIT_HTTP_JSON_BODY, NULL, NULL },
	{ RAIN_HTTP_AGENT, "GET", "/v1/loans/{burst}/signals", rain_agent_signals_get, 0, NULL, NULL },
	{ RAIN_HTTP_AGENT, "GET", "/v1/loans/{burst}/streams/stdin", rain_agent_input, 0, NULL, NULL },
	{ RAIN_HTTP_AGENT, "PUT", "/v1/loans/{burst}/streams/{name}", rain_agent_stream_take, STREAM_BODY_MAX, NULL, NULL },
	{ RAIN_HTTP_AGENT, "GET", "/v1/loans/{burst}/blobs/{sha256}", rain_agent_blob_give, 0, NULL, NULL },
	{ RAIN_HTTP_AGENT, "PUT", "/v1/loans/{burst}/blobs/{sha256}", rain_blob_http_put_end, 0, rain_agent_blob_begin,
	  rain_blob_http_put_write },
	{ RAIN_HTTP_AGENT, "GET", "/v1/loans/{burst}/blobs", rain_agent_blob_room, 0, NULL, NULL },
	{ RAIN_HTTP_JOB, NULL, NULL, NULL, 0, NULL, NULL },
};
