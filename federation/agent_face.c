/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The gateway's address inside the cluster: what rain-agent asks for one loan,
 * as the guest that runs it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"
#include "federation/faces.h"
#include "federation/limits.h"

#define SIGNALS_MAX 64 /* in one answer */
#define STARTED_WAIT_S 20

/* The loan in the path, when the caller is its guest. NULL: answered. */
static struct rain_live_loan *loan_of(struct rain_gateway *gateway, struct rain_http_request *request)
{
	const char *id = rain_http_request_param(request, "burst");
	struct rain_live_loan *loan = id ? rain_loan_live(gateway, id) : NULL;
	uid_t uid = rain_http_request_uid(request);

	if (!rain_mind_of(gateway)->recovered || (loan && !loan->row.peer)) {
		rain_http_reply_error(request, 503, "the gateway is just starting");
		return NULL;
	}
	if (!loan || (uid != 0 && (int64_t)uid != loan->row.guest_uid)) {
		rain_http_reply_error(request, 404, "there is no loan %s of yours", id ? id : "");
		return NULL;
	}
	return loan;
}

/* … and it isn't over. */
static struct rain_live_loan *open_loan_of(struct rain_gateway *gateway, struct rain_http_request *request)
{
	struct rain_live_loan *loan = loan_of(gateway, request);

	if (loan && rain_loan_is_over(&loan->row.record)) {
		rain_http_reply_error(request, 410, "loan %s is over", loan->row.id);
		return NULL;
	}
	return loan;
}

static bool wants_end(const struct rain_live_loan *loan)
{
	return loan->row.record.recalled || loan->row.record.evicting || rain_loan_is_over(&loan->row.record);
}

static bool answer_loan(struct rain_gateway *gateway, struct rain_waiter *waiter, bool last)
{
	const struct rain_live_loan *loan = rain_loan_live(gateway, waiter->id);
	const struct rain_peer *peer;
	json_t *object;

	if (!loan) {
		rain_http_reply_error(waiter->request, 410, "the loan is over");
		return true;
	}
	if (!last && !loan->row.manifest && !wants_end(loan))
		return false;
	peer = rain_mind_peer(gateway, loan->row.peer);
	object = json_pack("{s:s, s:s, s:b, s:s, s:s, s:b}", "burst", loan->row.id, "state",
			   rain_loan_state_name(loan->row.record.state), "cancel", wants_end(loan), "peer",
			   peer ? peer->name : "", "user", loan->row.user, "parts",
			   peer && rain_mind_peer_takes_parts(peer));
	if (object && loan->row.manifest)
		json_object_update(object, loan->row.manifest);
	if (object)
		rain_http_reply_json(waiter->request, 200, object);
	else
		rain_http_reply_error(waiter->request, 503, "out of memory");
	return true;
}

void rain_agent_get(struct rain_gateway *gateway, struct rain_http_request *request)
{
	struct rain_live_loan *loan = open_loan_of(gateway, request);
	struct rain_waiter waiter = { .gateway = gateway, .request = request, .answer = answer_loan };

	if (!loan)
		return;
	strcpy(waiter.id, loan->row.id);
	rain_waiters_add(&loan->waiters, &waiter, rain_face_wait(request));
}

static void reply_event(struct rain_http_request *request, int changed, const struct rain_error *err)
{
	if (changed < 0)
		rain_http_reply_store_error(request, 409, err);
	else
		rain_http_reply_json(request, 200, json_object());
}

/* The agent may be here before the last of what its script needs. */
static bool answer_started(struct rain_gateway *gateway, struct rain_waiter *waiter, bool last)
{
	struct rain_live_loan *loan = rain_loan_live(gateway, waiter->id);
	const json_t *body = rain_http_request_json(waiter->request);
	struct rain_lender_extra extra = { NULL };
	const struct rain_queue_job *job;
	struct rain_error err;

	if (!body)
		return true;
	if (!loan) {
		rain_http_reply_error(waiter->request, 410, "the loan is over");
	} else if (rain_json_string_or(body, "agent", RAIN_AGENT_SIZE - 1, "", &extra.agent, &err)) {
		rain_http_reply_error(waiter->request, 400, "%s", err.text);
	} else if (!loan->row.record.staged && !wants_end(loan)) {
		if (!last)
			return false;
		rain_http_reply_error(waiter->request, 503, "its inputs are still on their way");
	} else {
		job = rain_queue_find(&rain_mind_of(gateway)->queue, loan->row.job_id);
		extra.job_nodes = job && job->nodelist[0] ? job->nodelist : NULL;
		reply_event(waiter->request,
			    rain_lender_do(gateway, loan->row.id,
					   (struct rain_loan_event){ .type = RAIN_LOAN_EVENT_STARTED }, &extra, &err),
			    &err);
	}
	return true;
}

void rain_agent_started(struct rain_gateway *gateway, struct rain_http_request *request)
{
	struct rain_live_loan *loan = open_loan_of(gateway, request);
	struct rain_waiter waiter = { .gateway = gateway, .request = request, .answer = answer_started };

	if (!loan)
		return;
	strcpy(waiter.id, loan->row.id);
	rain_waiters_add(&loan->waiters, &waiter, STARTED_WAIT_S);
}

/* --- the end --- */

/* What the agent says, as an event and what goes with it (borrowed). */
static void exit_event(const struct rain_exit_report *report, struct rain_loan_event *event,
		       struct rain_lender_extra *extra)
{
	*event = (struct rain_loan_event){
		.type = RAIN_LOAN_EVENT_EXIT,
		.code = report->code,
		.signal = report->signal,
		.terminated = report->terminated,
		.failed = report->reason[0] != '\0',
	};
	if (event->code < 0)
		event->code = event->signal ? 0 : RAIN_LOAN_CODE_FAILED;
	*extra = (struct rain_lender_extra){
		.stdout_bytes = report->stdout_bytes,
		.stderr_bytes = report->stderr_bytes,
		.reason = report->reason,
		.agent = report->agent,
		.outputs = report->outputs,
	};
}

struct checking {
	struct rain_gateway *gateway;
	const char *owner;
};

static int is_not_brought(void *arg, const char *sha256, int64_t size)
{
	const struct checking *c = arg;

	return rain_blob_size(c->gateway->blobs, sha256) != size ||
	       !rain_blob_is_owned(c->gateway->blobs, sha256, c->owner);
}

static void owner_of(const struct rain_gateway *gateway, const struct rain_live_loan *loan,
		     char owner[static RAIN_BLOB_OWNER_SIZE])
{
	const struct rain_peer *peer = rain_mind_peer(gateway, loan->row.peer);

	snprintf(owner, RAIN_BLOB_OWNER_SIZE, "peer-%s", peer ? peer->name : "");
}

void rain_agent_exit(struct rain_gateway *gateway, struct rain_http_request *request)
{
	struct rain_live_loan *loan = loan_of(gateway, request);
	const json_t *body = loan ? rain_http_request_json(request) : NULL;
	struct rain_exit_report report = { 0 };
	struct rain_lender_extra extra;
	struct rain_loan_event event;
	char owner[RAIN_BLOB_OWNER_SIZE];
	struct checking checking = { gateway, owner };
	struct rain_error err;

	if (!body)
		return;
	owner_of(gateway, loan, owner);
	if (rain_exit_report_parse(body, &report, &err))
		rain_http_reply_error(request, 400, "%s", err.text);
	else if (!rain_loan_is_over(&loan->row.record) &&
		 (report.stdout_bytes > rain_stream_size(gateway, true, loan->row.id, 0) ||
		  report.stderr_bytes > rain_stream_size(gateway, true, loan->row.id, 1)))
		rain_http_reply_error(request, 409, "not all of the output has been brought here");
	else if (!rain_loan_is_over(&loan->row.record) &&
		 rain_outputs_blobs(report.outputs, is_not_brought, &checking))
		rain_http_reply_error(request, 409, "an output that is named has not been brought here");
	else {
		exit_event(&report, &event, &extra);
		reply_event(request, rain_lender_do(gateway, loan->row.id, event, &extra, &err), &err);
	}
	json_decref(report.outputs);
}

/* --- signals --- */

struct signals_reading {
	const char *id;
	int64_t after;
	json_t *list;
};

static int signals_work(PGconn *tx, void *arg, struct rain_error *err)
{
	struct signals_reading *reading = arg;
	char after[RAIN_STORE_INT64_SIZE], limit[RAIN_STORE_INT64_SIZE];
	PGresult *rows = rain_store_query(tx, err,
		"SELECT seq, signal, term_rows, term_columns FROM federation.loan_signal WHERE burst_id = $1::uuid AND seq > $2::bigint"
		" ORDER BY seq LIMIT $3::bigint", 3, reading->id, rain_store_format_int64(reading->after, after),
		rain_store_format_int64(SIGNALS_MAX, limit));

	if (!rows)
		return -1;
	json_array_clear(reading->list);
	for (int i = 0; i < PQntuples(rows); i++)
		json_array_append_new(reading->list,
				      json_pack("{s:I, s:I, s:I, s:I}", "seq", (json_int_t)rain_store_int64(rows, i, 0),
						"signal", (json_int_t)rain_store_int64(rows, i, 1), "rows",
						(json_int_t)rain_store_int64(rows, i, 2), "columns",
						(json_int_t)rain_store_int64(rows, i, 3)));
	PQclear(rows);
	return 0;
}

static bool answer_signals(struct rain_gateway *gateway, struct rain_waiter *waiter, bool last)
{
	const struct rain_live_loan *loan = rain_loan_live(gateway, waiter->id);
	struct signals_reading reading = { waiter->id, waiter->after, NULL };
	struct rain_error err;

	if (!loan || rain_loan_is_over(&loan->row.record)) {
		rain_http_reply_error(waiter->request, 410, "the loan is over");
		return true;
	}
	/* Each event of home has a number, so this spares most looks. */
	if (!last && loan->row.record.seq_in <= waiter->after)
		return false;
	reading.list = json_array();
	if (rain_store_transaction(gateway->store, signals_work, &reading, &err)) {
		json_decref(reading.list);
		rain_http_reply_store_error(waiter->request, 500, &err);
		return true;
	}
	if (!last && json_array_size(reading.list) == 0) {
		json_decref(reading.list);
		return false;
	}
	rain_http_reply_json(waiter->request, 200, json_pack("{s:o}", "signals", reading.list));
	return true;
}

void rain_agent_signals_get(struct rain_gateway *gateway, struct rain_http_request *request)
{
	struct rain_live_loan *loan = open_loan_of(gateway, request);
	struct rain_waiter waiter = { .gateway = gateway, .request = request, .answer = answer_signals };
	struct rain_error err;

	if (!loan)
		return;
	if (rain_http_request_query_int(request, "after", 0, INT64_MAX, 0, &waiter.after, &err)) {
		rain_http_reply_error(request, 400, "%s", err.text);
		return;
	}
	strcpy(waiter.id, loan->row.id);
	rain_waiters_add(&loan->waiters, &waiter, rain_face_wait(request));
}

/* --- streams and blobs --- */

void rain_agent_stream_take(struct rain_gateway *gateway, struct rain_http_request *request)
{
	struct rain_live_loan *loan = open_loan_of(gateway, request);
	const char *agent = rain_http_request_query(request, "agent");

	if (loan && loan->row.agent[0] && agent && strcmp(agent, loan->row.agent) != 0) {
		rain_http_reply_error(request, 410, "another agent runs this loan");
		return;
	}
	if (!loan || rain_face_stream_put(gateway, request, true, loan->row.id) < 0)
		return;
	rain_waiters_wake(&loan->waiters);
	rain_stream_push(gateway, loan);
}

void rain_agent_input(struct rain_gateway *gateway, struct rain_http_request *request)
{
	struct rain_live_loan *loan = open_loan_of(gateway, request);

	if (loan)
		rain_face_agent_input(gateway, request, loan);
}

static int is_this(void *arg, const char *sha256, int64_t size)
{
	(void)size;
	return !strcmp(arg, sha256);
}

/* The job begins to take what is there while the rest still comes. */
static bool answer_blob(struct rain_gateway *gateway, struct rain_waiter *waiter, bool last)
{
	const struct rain_live_loan *loan = rain_loan_live(gateway, waiter->id);
	char owner[RAIN_BLOB_OWNER_SIZE];

	if (!loan || rain_loan_is_over(&loan->row.record)) {
		rain_http_reply_error(waiter->request, 410, "the loan is over");
		return true;
	}
	owner_of(gateway, loan, owner);
	if (rain_blob_is_owned(gateway->blobs, waiter->text, owner))
		rain_blob_http_get(gateway, waiter->request, waiter->text, owner);
	else if (last)
		rain_http_reply_error(waiter->request, 503, "it is still on its way");
	else
		return false;
	return true;
}

void rain_agent_blob_give(struct rain_gateway *gateway, struct rain_http_request *request)
{
	struct rain_live_loan *loan = open_loan_of(gateway, request);
	const char *sha256 = rain_http_request_param(request, "sha256");
	struct rain_waiter waiter = { .gateway = gateway, .request = request, .answer = answer_blob };
	char owner[RAIN_BLOB_OWNER_SIZE];

	if (!loan)
		return;
	if (rain_manifest_blobs(loan->row.manifest, is_this, (void *)sha256)) {
		strcpy(waiter.id, loan->row.id);
		strcpy(waiter.text, sha256);
		rain_waiters_add(&loan->waiters, &waiter, rain_face_wait(request));
		return;
	}
	owner_of(gateway, loan, owner);
	rain_face_upload_head(gateway, request, sha256, owner);
}

void rain_agent_blob_begin(struct rain_gateway *gateway, struct rain_http_request *request)
{
	struct rain_live_loan *loan = open_loan_of(gateway, request);
	char owner[RAIN_BLOB_OWNER_SIZE];

	if (!loan)
		return;
	owner_of(gateway, loan, owner);
	rain_blob_http_put_begin(gateway, request, rain_http_request_param(request, "sha256"), owner, RAIN_LIMIT_BLOB);
}

void rain_agent_blob_room(struct rain_gateway *gateway, struct rain_http_request *request)
{
	struct rain_live_loan *loan = open_loan_of(gateway, request);
	char owner[RAIN_BLOB_OWNER_SIZE];

	if (!loan)
		return;
	owner_of(gateway, loan, owner);
	rain_face_upload_room(gateway, request, owner);
}
