/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The gateway's Unix socket: what rain-relay asks for one home job. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"
#include "federation/faces.h"
#include "federation/limits.h"

/* The burst of the job in the path, when it is the caller's.  NULL: answered. */
static struct rain_live_burst *burst_of(struct rain_gateway *gateway, struct rain_http_request *request)
{
	const char *text = rain_http_request_param(request, "job");
	char *end = NULL;
	int64_t job_id = text ? strtoll(text, &end, 10) : 0;
	struct rain_live_burst *burst;
	uid_t uid = rain_http_request_uid(request);

	if (!text || end == text || *end || job_id <= 0) {
		rain_http_reply_error(request, 400, "'%s' is no job id", text ? text : "");
		return NULL;
	}
	burst = rain_burst_of_job(gateway, job_id);
	if (!rain_mind_of(gateway)->recovered || (burst && !burst->row.peer)) {
		rain_http_reply_error(request, 503, "the gateway is just starting");
		return NULL;
	}
	if (!burst || (uid != 0 && (int64_t)uid != burst->row.uid)) {
		rain_http_reply_error(request, 404, "no burst of yours belongs to job %" PRId64, job_id);
		return NULL;
	}
	return burst;
}

static bool is_over(const struct rain_live_burst *burst)
{
	return burst->row.record.state == RAIN_BURST_ENDED || burst->row.record.state == RAIN_BURST_SETTLED;
}

/* --- state --- */

/* A job that can't go back to the queue ends where it is. */
static bool is_stuck(const struct rain_live_burst *burst)
{
	return burst->row.record.state == RAIN_BURST_VOID && burst->return_error[0];
}

static const char *state_of(const struct rain_live_burst *burst)
{
	return is_stuck(burst) ? "ended" : rain_burst_state_name(burst->row.record.state);
}

static json_t *exit_json(const struct rain_live_burst *burst)
{
	const struct rain_burst_row *row = &burst->row;
	json_t *object = json_pack("{s:I, s:I}", "code", (json_int_t)row->code, "signal", (json_int_t)row->signal);

	if (is_stuck(burst))
		json_object_update_new(object, json_pack("{s:i, s:i, s:s}", "code", -1, "signal", 0, "error",
							 burst->return_error));
	else if (row->record.timed_out || row->record.out_of_memory)
		json_object_update_new(object, json_pack("{s:s, s:i}", "by_slurm", row->record.timed_out
				? "the job has reached its time limit" : "the job has run out of memory",
				"signal", row->record.timed_out ? 15 : 9));
	else if (row->outcome == RAIN_OUTCOME_EXITED && row->sentence[0] && !row->signal)
		/* RAIN failed there after the script; a good end it wasn't. */
		json_object_update_new(object, json_pack("{s:I, s:s}", "code", (json_int_t)(row->code ? row->code : -1),
							 "error", row->sentence));
	return object;
}

/* Whether Slurm may put it back into the queue, as far as is known. */
static bool requeues(const struct rain_gateway *gateway, int64_t job_id)
{
	const struct rain_queue_job *job = rain_queue_find(&rain_mind_of(gateway)->queue, job_id);

	return job && job->batch && job->requeues;
}

static json_t *job_json(const struct rain_gateway *gateway, const struct rain_live_burst *burst)
{
	const struct rain_burst_row *row = &burst->row;
	const struct rain_peer *peer = rain_mind_peer(gateway, row->peer);
	bool stuck = is_stuck(burst);
	json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:b, s:b, s:b}", "burst", row->id, "state", state_of(burst),
				   "peer", peer ? peer->name : "", "reason", row->sentence, "remote_job_id",
				   (json_int_t)row->remote_job_id, "ceiling_utok", (json_int_t)row->terms.ceiling_utok,
				   "restart", (json_int_t)row->restart, "inputs_given", row->record.inputs_given,
				   "parts", peer && rain_mind_peer_takes_parts(peer), "requeue",
				   requeues(gateway, row->job_id));

	if (!object || !(is_over(burst) || stuck))
		return object;
	json_object_set_new(object, "exit", exit_json(burst));
	json_object_set_new(object, "stdout_bytes",
			    json_integer(stuck ? rain_stream_size(gateway, false, row->id, 0) : row->stdout_bytes));
	json_object_set_new(object, "stderr_bytes",
			    json_integer(stuck ? rain_stream_size(gateway, false, row->id, 1) : row->stderr_bytes));
	json_object_set(object, "outputs", stuck ? json_array() : row->outputs);
	return object;
}

static bool answer_job(struct rain_gateway *gateway, struct rain_waiter *waiter, bool last)
{
	const struct rain_live_burst *burst = rain_burst_live(gateway, waiter->id);
	json_t *object;

	/* Gone from memory: done with, so the relay is, too. */
	if (!burst) {
		rain_http_reply_error(waiter->request, 404, "the burst is over");
		return true;
	}
	if (!last && !strcmp(waiter->text, state_of(burst)))
		return false;
	object = job_json(gateway, burst);
	if (object)
		rain_http_reply_json(waiter->request, 200, object);
	else
		rain_http_reply_error(waiter->request, 503, "out of memory");
	return true;
}

static int wait_of(struct rain_http_request *request, int64_t *wait_s)
{
	struct rain_error err;

	if (rain_http_request_query_int(request, "wait", 0, RAIN_LIMIT_HTTP_WAIT_S, 0, wait_s, &err) == 0)
		return 0;
	rain_http_reply_error(request, 400, "%s", err.text);
	return -1;
}

/* A job on the virtual nodes without a burst goes back to the queue soon: its
 * relay has nothing to do but to wait for that. */
static bool answer_orphan(struct rain_gateway *gateway, struct rain_http_request *request)
{
	const char *text = rain_http_request_param(request, "job");
	int64_t job_id = text ? strtoll(text, NULL, 10) : 0;
	const struct rain_queue_job *job = rain_queue_find(&rain_mind_of(gateway)->queue, job_id);
	uid_t uid = rain_http_request_uid(request);

	if (!rain_mind_of(gateway)->recovered || rain_burst_of_job(gateway, job_id) ||
	    (job && uid != 0 && (int64_t)uid != job->uid))
		return false;
	rain_http_reply_json(request, 200, json_pack("{s:s, s:b, s:s}", "state", "void", "requeue",
						     requeues(gateway, job_id), "reason",
						     "no burst is bound to this job"));
	return true;
}

void rain_job_get(struct rain_gateway *gateway, struct rain_http_request *request)
{
	const char *state = rain_http_request_query(request, "state");
	struct rain_waiter waiter = { .gateway = gateway, .request = request, .answer = answer_job };
	struct rain_live_burst *burst;
	int64_t wait_s;

	if (answer_orphan(gateway, request) || !(burst = burst_of(gateway, request)) || wait_of(request, &wait_s))
		return;
	strcpy(waiter.id, burst->row.id);
	snprintf(waiter.text, sizeof waiter.text, "%s", state ? state : "");
	rain_waiters_add(&burst->waiters, &waiter, wait_s);
}

/* --- events --- */

static void reply_event(struct rain_http_request *request, int changed, const struct rain_error *err)
{
	if (changed < 0)
		rain_http_reply_store_error(request, 409, err);
	else
		rain_http_reply_json(request, 200, json_pack("{s:b}", "changed", changed > 0));
}

struct ownership {
	struct rain_gateway *gateway;
	const char *owner;
};

/* Whoever names a blob must have brought it: knowing a hash gives no right to
 * what it stands for. */
static int is_not_owned(void *arg, const char *sha256, int64_t size)
{
	const struct ownership *o = arg;

	return rain_blob_size(o->gateway->blobs, sha256) != size ||
	       !rain_blob_is_owned(o->gateway->blobs, sha256, o->owner);
}

void rain_job_inputs(struct rain_gateway *gateway, struct rain_http_request *request)
{
	struct rain_live_burst *burst = burst_of(gateway, request);
	const json_t *body = burst ? rain_http_request_json(request) : NULL;
	struct rain_home_extra extra = { NULL };
	char owner[RAIN_BLOB_OWNER_SIZE];
	struct ownership ownership = { gateway, owner };
	struct rain_error err;

	if (!body)
		return;
	extra.manifest = rain_manifest_parse(body, &err);
	snprintf(owner, sizeof owner, "uid-%" PRId64, (int64_t)rain_http_request_uid(request));
	if (!extra.manifest)
		rain_http_reply_error(request, 400, "%s", err.text);
	else if (burst->row.direct != (json_object_get(extra.manifest, "direct") != NULL))
		rain_http_reply_error(request, 409, "this job runs on a peer's cluster: steps can't be added to it from here");
	else if (rain_manifest_blobs(extra.manifest, is_not_owned, &ownership))
		rain_http_reply_error(request, 409, "a file that is named has not been brought here");
	else
		reply_event(request, rain_home_do(gateway, burst->row.id, RAIN_BURST_EVENT_INPUTS, &extra, &err), &err);
	json_decref(extra.manifest);
}

/* A signal must not overtake what it is for. */
static bool is_before_inputs(const struct rain_live_burst *burst)
{
	const struct rain_burst_record *r = &burst->row.record;

	return (r->state == RAIN_BURST_BOUND || r->state == RAIN_BURST_PLACED) && r->inputs_given && !r->inputs_sent;
}

void rain_job_signal(struct rain_gateway *gateway, struct rain_http_request *request)
{
	struct rain_live_burst *burst = burst_of(gateway, request);
	const json_t *body = burst ? rain_http_request_json(request) : NULL;
	struct rain_home_extra extra = { NULL };
	struct rain_error err;
	int64_t seq;
	int changed;

	if (!body)
		return;
	if (rain_json_int(body, "signal", 1, RAIN_SIGNAL_MAX, &extra.signal, &err) ||
	    rain_json_int_or(body, "rows", 0, RAIN_TERMINAL_MAX, 0, &extra.rows, &err) ||
	    rain_json_int_or(body, "columns", 0, RAIN_TERMINAL_MAX, 0, &extra.columns, &err) ||
	    rain_json_int_or(body, "seq", 0, INT64_MAX, 0, &seq, &err)) {
		rain_http_reply_error(request, 400, "%s", err.text);
		return;
	}
	rain_queue_nudge(gateway); /* a cancelled job should be seen at once */
	if (seq && seq <= burst->relay_signal) {
		rain_http_reply_json(request, 200, json_pack("{s:b}", "changed", 0));
		return;
	}
	if (is_before_inputs(burst)) { /* rain-relay tries again */
		rain_http_reply_error(request, 503, "the peer hasn't taken the job yet");
		return;
	}
	changed = rain_home_do(gateway, burst->row.id, RAIN_BURST_EVENT_SIGNAL, &extra, &err);
	if (changed >= 0)
		burst->relay_signal = seq;
	reply_event(request, changed, &err);
}

/* What the relay couldn't take of what the peer returned.  Its words are the
 * user's, so that no line is begun by them. */
static void log_loss(const struct rain_gateway *gateway, const struct rain_live_burst *burst, const json_t *body)
{
	const struct rain_peer *peer = rain_mind_peer(gateway, burst->row.peer);
	const char *error;
	char text[256];

	if (rain_json_string_or(body, "error", 4096, "", &error, NULL) || !*error)
		return;
	snprintf(text, sizeof text, "%s", error);
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	rain_log_warning("what peer=%s returned isn't all taken burst=%s job=%" PRId64 ": %s", peer ? peer->name : "?",
			 burst->row.id, burst->row.job_id, text);
}

void rain_job_delivered(struct rain_gateway *gateway, struct rain_http_request *request)
{
	struct rain_live_burst *burst = burst_of(gateway, request);
	const json_t *body = burst ? rain_http_request_json(request) : NULL;
	struct rain_error err;

	if (!body)
		return;
	log_loss(gateway, burst, body);
	reply_event(request, rain_home_do(gateway, burst->row.id, RAIN_BURST_EVENT_DELIVERED, NULL, &err), &err);
}

/* --- streams --- */

static int64_t total_of(const struct rain_live_burst *burst, int which)
{
	if (!is_over(burst))
		return burst->row.record.state == RAIN_BURST_VOID ? 0 : -1;
	return which == 0 ? burst->row.stdout_bytes : burst->row.stderr_bytes;
}

static bool answer_stream(struct rain_gateway *gateway, struct rain_waiter *waiter, bool last)
{
	const struct rain_live_burst *burst = rain_burst_live(gateway, waiter->id);
	int which = rain_stream_find(waiter->text);
	int64_t total;

	if (!burst) {
		rain_http_reply_error(waiter->request, 410, "the burst is over");
		return true;
	}
	total = total_of(burst, which);
	if (!last && rain_stream_size(gateway, false, waiter->id, which) <= waiter->after &&
	    !(total >= 0 && waiter->after >= total))
		return false;
	rain_stream_reply(gateway, waiter->request, false, waiter->id, which, waiter->after, total);
	return true;
}

void rain_job_stream(struct rain_gateway *gateway, struct rain_http_request *request)
{
	struct rain_live_burst *burst = burst_of(gateway, request);
	struct rain_waiter waiter = { .gateway = gateway, .request = request, .answer = answer_stream };

	if (!burst || rain_face_stream_args(request, &waiter.after, waiter.text, sizeof waiter.text))
		return;
	strcpy(waiter.id, burst->row.id);
	rain_waiters_add(&burst->waiters, &waiter, rain_face_wait(request));
}

void rain_job_input(struct rain_gateway *gateway, struct rain_http_request *request)
{
	struct rain_live_burst *burst = burst_of(gateway, request);

	if (burst)
		rain_face_relay_input(gateway, request, burst);
}

/* --- blobs --- */

static bool answer_output(struct rain_gateway *gateway, struct rain_waiter *waiter, bool last)
{
	const struct rain_live_burst *burst = rain_burst_live(gateway, waiter->id);
	const char *error = burst ? rain_fetches_error(burst->fetches, waiter->text) : "the burst is over";
	char owner[RAIN_BLOB_OWNER_SIZE];

	snprintf(owner, sizeof owner, "uid-%" PRId64, burst ? burst->row.uid : -1);
	if (rain_blob_is_owned(gateway->blobs, waiter->text, owner))
		rain_blob_http_get(gateway, waiter->request, waiter->text, "");
	else if (error)
		rain_http_reply_error(waiter->request, 410, "%s", error);
	else if (last)
		rain_http_reply_error(waiter->request, 503, "it is still on its way");
	else
		return false;
	return true;
}

void rain_job_output(struct rain_gateway *gateway, struct rain_http_request *request)
{
	struct rain_live_burst *burst = burst_of(gateway, request);
	const char *sha256 = rain_http_request_param(request, "sha256");
	struct rain_waiter waiter = { .gateway = gateway, .request = request, .answer = answer_output };

	if (!burst)
		return;
	if (!is_over(burst) || !rain_face_names(burst->row.outputs, sha256)) {
		rain_http_reply_error(request, 404, "the burst has no such output");
		return;
	}
	strcpy(waiter.id, burst->row.id);
	strcpy(waiter.text, sha256);
	rain_waiters_add(&burst->waiters, &waiter, RAIN_LIMIT_POLL_WAIT_S);
}

static void owner_of(const struct rain_http_request *request, char owner[static RAIN_BLOB_OWNER_SIZE])
{
	snprintf(owner, RAIN_BLOB_OWNER_SIZE, "uid-%" PRId64, (int64_t)rain_http_request_uid(request));
}

/* What the relay has brought for a job, ?job=N, may go on at once. */
static void pass_on(struct rain_gateway *gateway, struct rain_http_request *request, const char *owner)
{
	const char *sha256 = rain_http_request_param(request, "sha256");
	struct rain_error err;
	int64_t job;

	if (rain_http_request_query_int(request, "job", 1, UINT32_MAX, 0, &job, &err) == 0 && job > 0 &&
	    rain_blob_is_owned(gateway->blobs, sha256, owner))
		rain_home_bring(gateway, job, rain_http_request_uid(request), sha256);
}

void rain_job_blob_get(struct rain_gateway *gateway, struct rain_http_request *request)
{
	char owner[RAIN_BLOB_OWNER_SIZE];

	owner_of(request, owner);
	rain_face_upload_head(gateway, request, rain_http_request_param(request, "sha256"), owner);
	pass_on(gateway, request, owner);
}

void rain_job_blob_begin(struct rain_gateway *gateway, struct rain_http_request *request)
{
	char owner[RAIN_BLOB_OWNER_SIZE];

	owner_of(request, owner);
	rain_blob_http_put_begin(gateway, request, rain_http_request_param(request, "sha256"), owner, RAIN_LIMIT_BLOB);
}

void rain_job_blob_end(struct rain_gateway *gateway, struct rain_http_request *request)
{
	char owner[RAIN_BLOB_OWNER_SIZE];

	owner_of(request, owner);
	rain_blob_http_put_end(gateway, request);
	pass_on(gateway, request, owner);
}

void rain_job_blob_room(struct rain_gateway *gateway, struct rain_http_request *request)
{
	char owner[RAIN_BLOB_OWNER_SIZE];

	owner_of(request, owner);
	rain_face_upload_room(gateway, request, owner);
}
