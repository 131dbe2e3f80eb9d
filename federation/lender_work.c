/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What loans need outside of the database.  As in home_work.c all of it
 * follows from the row and may be done twice. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "federation/mind.h"
#include "federation/receipt.h"

#define CALL_MS 20000
#define RETRY_MS 500
#define SUBMIT_TRIES 8
#define CANCEL_AGAIN_MS 3000
#define ABSENT_MS (3 * 60 * 1000)
#define REUSED_MS 10000 /* … or its number is another job's: it can't come back */
#define UNBEGUN_MS 15000 /* … or it can't begin without our leave, if it comes back */
#define ABSENT_OVER_MS 30000
#define STAGE_MS (30 * 60 * 1000) /* for all inputs to arrive */
#define PUSH_AFTER_MS 3000 /* home tells by then what it thinks of our receipt */
/* Streams and outputs wait so long for a home that doesn't say it has them. */
#define RETENTION_MS (60 * 60 * 1000)

struct call {
	struct rain_gateway *gateway;
	char id[RAIN_UUID_SIZE];
	int64_t job_id;
};

static struct rain_live_loan *call_end(struct call *call)
{
	struct rain_live_loan *loan = rain_loan_live(call->gateway, call->id);

	if (loan) {
		loan->live.busy = false;
		loan->live.changed_ms = rain_clock_monotonic_ms();
	}
	return loan;
}

static void retry_later(struct rain_live *live)
{
	live->retries++;
	live->retry_ms = rain_clock_monotonic_ms() + RETRY_MS * (live->retries < 10 ? live->retries : 10);
}

static void start_call(struct rain_gateway *gateway, struct rain_live_loan *loan, json_t *request,
		       rain_rpc_done done)
{
	struct call *call = calloc(1, sizeof *call);
	struct rain_error err;

	if (call) {
		call->gateway = gateway;
		call->job_id = loan->row.job_id;
		strcpy(call->id, loan->row.id);
	}
	if (!call || !request || rain_rpc_client_call(gateway->broker, request, CALL_MS, done, call, &err)) {
		free(call);
		retry_later(&loan->live);
	} else {
		loan->live.busy = true;
	}
	json_decref(request);
}

static void event(struct rain_gateway *gateway, struct rain_live_loan *loan, struct rain_loan_event event_,
		  const struct rain_lender_extra *extra)
{
	struct rain_error err;

	if (rain_lender_do(gateway, loan->row.id, event_, extra, &err) < 0) {
		rain_log_warning("loan burst=%s: %s", loan->row.id, err.text);
		retry_later(&loan->live);
	} else {
		loan->live.retries = 0;
	}
}

/* --- the guest job --- */

/* Slurm, or the owner's bounds, say no; anything else may pass. */
static bool is_refusal(const char *error)
{
	static const char *const passing[] = { "onnect", "ontact", "imed out", "ommunication", "ocket" };
	static const char *const refusals[] = { "refuses", "no room", "has no user", "does not lend", "must be",
						"more than", "do not fit", "can't fill", "can't reach" };
	for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
		if (strstr(error, passing[i]))
			return false;
	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
		if (strstr(error, refusals[i]))
			return true;
	return false;
}

static void on_submitted(void *arg, const json_t *result, const char *error)
{
	struct call *call = arg;
	struct rain_live_loan *loan = call_end(call);
	struct rain_lender_extra extra = { .job_id = json_integer_value(json_object_get(result, "job_id")) };

	if (loan && result) {
		event(call->gateway, loan, (struct rain_loan_event){ .type = RAIN_LOAN_EVENT_SUBMITTED }, &extra);
	} else if (loan && (is_refusal(error) || loan->live.retries >= SUBMIT_TRIES)) {
		extra.reason = error;
		event(call->gateway, loan, (struct rain_loan_event){ .type = RAIN_LOAN_EVENT_SUBMIT_REFUSED }, &extra);
	} else if (loan) {
		rain_log_warning("guest job not submitted yet burst=%s: %s", loan->row.id, error);
		retry_later(&loan->live);
	}
	free(call);
}

/* The same word for the same user of the same cluster, whatever its alias here. */
static void owner_word(const struct rain_peer *peer, const char *user, char word[static RAIN_SHA256_TEXT_SIZE])
{
	char text[sizeof peer->id + RAIN_USER_SIZE + 32];

	snprintf(text, sizeof text, "RAIN guest v1\n%s\n%s", peer->id, user);
	rain_receipt_hash(text, strlen(text), word);
}

static void submit(struct rain_gateway *gateway, struct rain_live_loan *loan)
{
	const struct rain_shape *s = &loan->row.shape;
	const struct rain_peer *peer = rain_mind_peer(gateway, loan->row.peer);
	char owner[RAIN_SHA256_TEXT_SIZE] = "";

	if (peer)
		owner_word(peer, loan->row.user, owner);
	/* The broker looks for a job of this loan first. */
	start_call(gateway, loan,
		   json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:s*, s:s}", "op", "guest_submit", "loan", loan->row.id, "uid",
			     (json_int_t)loan->row.guest_uid, "nodes", (json_int_t)s->nodes, "tasks", (json_int_t)s->tasks,
			     "cpus_per_task", (json_int_t)s->cpus_per_task, "ntasks_per_node",
			     (json_int_t)s->ntasks_per_node, "minutes", (json_int_t)s->minutes, "peer",
			     peer ? peer->name : NULL, "owner", owner),
		   on_submitted);
}

static void on_released(void *arg, const json_t *result, const char *error)
{
	struct call *call = arg;
	struct rain_live_loan *loan = call_end(call);

	if (loan && result) {
		event(call->gateway, loan, (struct rain_loan_event){ .type = RAIN_LOAN_EVENT_RELEASED }, NULL);
	} else if (loan) {
		rain_log_warning("guest job not released yet burst=%s job=%" PRId64 ": %s", loan->row.id, call->job_id, error);
		retry_later(&loan->live);
		rain_queue_nudge(call->gateway);
	}
	free(call);
}

static void on_cancelled(void *arg, const json_t *result, const char *error)
{
	struct call *call = arg;
	struct rain_live_loan *loan = call_end(call);

	if (!result)
		rain_log_warning("guest job not cancelled yet burst=%s job=%" PRId64 ": %s", call->id, call->job_id, error);
	if (loan)
		loan->live.retry_ms = rain_clock_monotonic_ms() + CANCEL_AGAIN_MS;
	rain_queue_nudge(call->gateway);
	free(call);
}

static json_t *job_request(const char *op, const struct rain_live_loan *loan)
{
	return json_pack("{s:s, s:I, s:s}", "op", op, "job_id", (json_int_t)loan->row.job_id, "loan", loan->row.id);
}

/* --- files --- */

static void stage_failed(struct rain_gateway *gateway, struct rain_live_loan *loan, const char *reason)
{
	struct rain_lender_extra extra = { .reason = reason };

	event(gateway, loan, (struct rain_loan_event){ .type = RAIN_LOAN_EVENT_STAGE_FAILED }, &extra);
}

/* Whether everything is here; before anything is fetched, whether it will fit. */
static bool has_inputs(struct rain_gateway *gateway, struct rain_live_loan *loan, const json_t *blobs,
		       const char *owner)
{
	int64_t missing = rain_fetches_missing(gateway, blobs, owner);
	struct rain_error err;

	if (missing == 0) {
		rain_log_info("all inputs are here burst=%s", loan->row.id);
		event(gateway, loan, (struct rain_loan_event){ .type = RAIN_LOAN_EVENT_STAGED }, NULL);
	} else if (!loan->fetches && !rain_fetches_are_brought(gateway, NULL, blobs, owner) &&
		 rain_blob_room(gateway->blobs, owner, missing, &err) < 0) {
		stage_failed(gateway, loan, err.text);
	} else {
		return false;
	}
	return true;
}

static void fetch(struct rain_gateway *gateway, struct rain_live_loan *loan)
{
	struct rain_peer *peer = rain_mind_peer(gateway, loan->row.peer);
	json_t *blobs = rain_fetches_of_manifest(loan->row.manifest);
	char owner[RAIN_BLOB_OWNER_SIZE];
	const char *error = NULL;

	snprintf(owner, sizeof owner, "peer-%s", peer ? peer->name : "");
	if (!peer || has_inputs(gateway, loan, blobs, owner))
		goto out;
	if (peer->address_count > 0 && !rain_fetches_are_brought(gateway, loan->fetches, blobs, owner))
		rain_fetches_work(gateway, &loan->fetches, peer, blobs, false, owner, true, loan->row.id, &error);
	/* Home may still bring what we can't fetch. */
	if (rain_clock_realtime_ms() - loan->row.record.accepted_ms > (error ? STAGE_MS / 30 : STAGE_MS))
		stage_failed(gateway, loan, error ? error : "the inputs did not arrive");
out:
	json_decref(blobs);
}

/* Home takes no outputs before it knows which: it does when it has answered our
 * receipt, whatever it answered. */
static bool is_to_push(const struct rain_live_loan *loan, const struct rain_peer *peer)
{
	const struct rain_loan_record *r = &loan->row.record;

	return rain_loan_is_over(r) && peer->address_count > 0 && !peer->dials_us &&
	       (r->state != RAIN_LOAN_RECEIPTED || rain_clock_realtime_ms() - r->ended_ms > PUSH_AFTER_MS);
}

static void return_files(struct rain_gateway *gateway, struct rain_live_loan *loan)
{
	struct rain_peer *peer = rain_mind_peer(gateway, loan->row.peer);

	if (!peer || loan->row.record.delivered || loan->row.cleaned)
		return;
	rain_stream_push(gateway, loan);
	rain_input_pull(gateway, loan);
	if (is_to_push(loan, peer))
		rain_fetches_work(gateway, &loan->fetches, peer, loan->row.outputs, true, "", true, loan->row.id, NULL);
}

static int clean_work(PGconn *tx, void *arg, struct rain_error *err)
{
	return rain_store_execute(tx, err, "UPDATE federation.loan SET cleaned = true WHERE burst_id = $1::uuid", 1,
				  (const char *)arg) ||
	       rain_store_execute(tx, err, "DELETE FROM federation.loan_signal WHERE burst_id = $1::uuid", 1,
				  (const char *)arg)
		       ? -1 : 0;
}

static void clean(struct rain_gateway *gateway, struct rain_live_loan *loan)
{
	const struct rain_loan_record *r = &loan->row.record;
	int64_t age = rain_clock_realtime_ms() - (r->ended_ms ? r->ended_ms : r->accepted_ms);

	if (loan->row.cleaned || !rain_loan_is_over(r) || (r->job_known && !r->job_over) ||
	    !(r->delivered || r->state == RAIN_LOAN_VOID || age > RETENTION_MS))
		return;
	if (rain_store_transaction(gateway->store, clean_work, loan->row.id, NULL))
		return; /* the next tick tries again */
	rain_stream_remove(gateway, true, loan->row.id);
	rain_loan_touch(gateway, loan->row.id);
}

void rain_lender_work(struct rain_gateway *gateway, struct rain_live_loan *loan)
{
	struct rain_loan_record copy = loan->row.record;
	struct rain_loan_event tick = { .type = RAIN_LOAN_EVENT_TICK };
	int64_t now = rain_clock_realtime_ms();
	struct rain_loan_actions actions;
	unsigned todo;

	if (rain_loan_step(&copy, &tick, now, &actions, NULL) > 0) {
		struct rain_lender_extra extra = { .reason = "home sent no inputs" };
		event(gateway, loan, tick, &extra);
		return;
	}
	todo = rain_loan_due(&loan->row.record, now);
	if (todo & RAIN_LOAN_DUE_FETCH)
		fetch(gateway, loan);
	if (!loan->live.busy && loan->live.retry_ms <= rain_clock_monotonic_ms()) {
		if (todo & RAIN_LOAN_DUE_CANCEL)
			start_call(gateway, loan, job_request("guest_cancel", loan), on_cancelled);
		else if (todo & RAIN_LOAN_DUE_SUBMIT)
			submit(gateway, loan);
		else if (todo & RAIN_LOAN_DUE_RELEASE)
			start_call(gateway, loan, job_request("guest_release", loan), on_released);
	}
	return_files(gateway, loan);
	clean(gateway, loan);
}

void rain_lender_stop(struct rain_live_loan *loan)
{
	rain_fetches_stop(&loan->fetches);
	for (int i = 0; i < 2; i++)
		rain_stream_move_stop(&loan->pushes[i]);
	rain_input_stop(&loan->input);
}

/* --- what Slurm shows --- */

static void job_over(struct rain_gateway *gateway, struct rain_live_loan *loan, enum rain_loan_verdict verdict,
		     const char *reason)
{
	struct rain_lender_extra extra = { .reason = rain_loan_is_over(&loan->row.record) ? NULL : reason };

	event(gateway, loan, (struct rain_loan_event){ .type = RAIN_LOAN_EVENT_JOB_OVER, .verdict = verdict }, &extra);
}

static int64_t absent_limit(const struct rain_loan_record *r, bool is_reused)
{
	if (is_reused)
		return REUSED_MS;
	if (r->state < RAIN_LOAN_RUNNING)
		return UNBEGUN_MS;
	return rain_loan_is_over(r) ? ABSENT_OVER_MS : ABSENT_MS;
}

void rain_lender_on_queue(struct rain_gateway *gateway, struct rain_live_loan *loan)
{
	const struct rain_queue_job *job = rain_queue_find(&rain_mind_of(gateway)->queue, loan->row.job_id);
	const struct rain_loan_record *r = &loan->row.record;
	int64_t now = rain_clock_monotonic_ms();
	char reason[RAIN_REASON_SIZE];
	int verdict;

	if (!r->job_known || r->job_over || loan->live.busy)
		return;
	if (!job || strcmp(job->loan, loan->row.id) != 0) {
		if (!loan->live.absent_ms)
			loan->live.absent_ms = now;
		if (now - loan->live.absent_ms > absent_limit(r, job != NULL))
			job_over(gateway, loan, RAIN_LOAN_VERDICT_UNKNOWN, "Slurm has forgotten its job");
		return;
	}
	loan->live.absent_ms = 0;
	verdict = rain_loan_verdict_find(job->state);
	if (verdict >= 0 && job->preempted)
		verdict = RAIN_LOAN_VERDICT_PREEMPTED; /* whatever it died of in its grace */
	if (verdict < 0 && job->preempted && !r->evicting && !rain_loan_is_over(r)) {
		/* Slurm's grace signal doesn't reach a batch script, and it looks for
		 * the end of the grace only now and then: the owner needn't wait. */
		struct rain_lender_extra extra = { .reason = "the owner needs the nodes" };
		event(gateway, loan, (struct rain_loan_event){ .type = RAIN_LOAN_EVENT_EVICT }, &extra);
	} else if (r->state == RAIN_LOAN_RELEASED && !strcmp(job->state, "PENDING") &&
		   rain_clock_realtime_ms() - r->accepted_ms > gateway->config->lend.start_seconds * 1000) {
		/* The owners' jobs came out otherwise than Slurm had planned: home may do better. */
		struct rain_lender_extra extra = { .reason = "the nodes that it was promised are not free" };
		event(gateway, loan, (struct rain_loan_event){ .type = RAIN_LOAN_EVENT_EVICT }, &extra);
	} else if (verdict >= 0) {
		/* While it is completing, its processes may still be there. */
		if (job->completing)
			rain_queue_nudge(gateway);
		else {
			snprintf(reason, sizeof reason, "the guest job ended as %s without a report of its agent", job->state);
			job_over(gateway, loan, (enum rain_loan_verdict)verdict,
				 r->state == RAIN_LOAN_EXITED || r->recalled ? NULL : reason);
		}
	} else if (r->state == RAIN_LOAN_SUBMITTED && !job->held) {
		event(gateway, loan, (struct rain_loan_event){ .type = RAIN_LOAN_EVENT_RELEASED }, NULL);
	}
}

static void on_orphan(void *arg, const json_t *result, const char *error)
{
	(void)arg;
	if (!result)
		rain_log_warning("a guest job without a loan can't be cancelled: %s", error);
}

void rain_lender_orphans(struct rain_gateway *gateway)
{
	struct rain_mind *mind = rain_mind_of(gateway);
	int64_t now = rain_clock_monotonic_ms();

	if (mind->queue.asked_ms <= mind->orphans_ms)
		return;
	for (size_t i = 0; i < mind->queue.count; i++) {
		const struct rain_queue_job *job = &mind->queue.jobs[i];
		struct rain_live_loan *loan = job->loan[0] ? rain_loan_live(gateway, job->loan) : NULL;
		json_t *request;

		if (!job->loan[0] || rain_loan_verdict_find(job->state) >= 0 ||
		    (loan && (loan->live.busy || loan->live.touched || loan->live.changed_ms >= mind->queue.asked_ms ||
			      loan->row.job_id == job->job_id)))
			continue;
		if (loan && !loan->row.job_id && loan->row.record.state == RAIN_LOAN_ACCEPTED)
			continue; /* its submission is asked for again and will find it */
		rain_log_warning("guest job %" PRId64 " has no loan (burst=%s): it is cancelled", job->job_id, job->loan);
		request = json_pack("{s:s, s:I, s:s}", "op", "guest_cancel", "job_id", (json_int_t)job->job_id, "loan",
				    job->loan);
		rain_rpc_client_call(gateway->broker, request, CALL_MS, on_orphan, NULL, NULL);
		json_decref(request);
		mind->orphans_ms = now + CANCEL_AGAIN_MS;
	}
}
