/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What our bursts need outside of the database.  All of it follows from the
 * row, may be done twice, and is taken up again after any stop. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/tokens.h"
#include "federation/mind.h"

#define CALL_MS 20000
#define RETRY_MS 500
#define RETRY_MAX_MS 10000
/* How long a job may be absent from what Slurm shows: a controller that comes
 * back with an old state shows it again.  Absent is not finished. */
#define ABSENT_MS (3 * 60 * 1000)
#define ABSENT_OVER_MS 5000
#define END_AGAIN_MS 1100
/* A lender that said it fetches by itself has so long. */
#define PUSH_AFTER_MS 3000
#define EARLY_MAX 1024 /* blobs that go ahead of their manifest */

struct call {
	struct rain_gateway *gateway;
	char id[RAIN_UUID_SIZE];
};

static struct call *call_new(struct rain_gateway *gateway, const char *id)
{
	struct call *call = calloc(1, sizeof *call);

	if (call) {
		call->gateway = gateway;
		snprintf(call->id, sizeof call->id, "%s", id);
	}
	return call;
}

static void retry_later(struct rain_live *live)
{
	int64_t delay = RETRY_MS << (live->retries < 5 ? live->retries : 5);

	live->retries++;
	live->retry_ms = rain_clock_monotonic_ms() + (delay < RETRY_MAX_MS ? delay : RETRY_MAX_MS);
}

/* The broker has answered about this burst. */
static struct rain_live_burst *call_end(struct call *call)
{
	struct rain_live_burst *burst = rain_burst_live(call->gateway, call->id);

	if (burst) {
		burst->live.busy = false;
		burst->live.changed_ms = rain_clock_monotonic_ms();
	}
	rain_queue_nudge(call->gateway);
	return burst;
}

static void event(struct rain_gateway *gateway, struct rain_live_burst *burst, enum rain_burst_event_type type)
{
	struct rain_error err;

	if (rain_home_do(gateway, burst->row.id, type, NULL, &err) < 0) {
		rain_log_warning("burst=%s job=%" PRId64 ": %s", burst->row.id, burst->row.job_id, err.text);
		retry_later(&burst->live);
	} else {
		burst->live.retries = 0;
	}
}

/* --- to the overflow partition --- */

static void on_bound(void *arg, const json_t *result, const char *error)
{
	struct call *call = arg;
	struct rain_live_burst *burst = call_end(call);

	if (burst && result) {
		event(call->gateway, burst, RAIN_BURST_EVENT_BIND_DONE);
	} else if (burst && strstr(error, "not pending")) {
		event(call->gateway, burst, RAIN_BURST_EVENT_BIND_REFUSED);
	} else if (burst) {
		/* Perhaps it was done all the same: the queue will show it. */
		rain_log_warning("job %" PRId64 " isn't bound yet burst=%s: %s", burst->row.job_id, burst->row.id, error);
		retry_later(&burst->live);
	}
	free(call);
}

static void start_call(struct rain_gateway *gateway, struct rain_live_burst *burst, json_t *request,
		       rain_rpc_done done)
{
	struct call *call = call_new(gateway, burst->row.id);
	struct rain_error err;

	if (!call || !request || rain_rpc_client_call(gateway->broker, request, CALL_MS, done, call, &err)) {
		free(call);
		retry_later(&burst->live);
	} else {
		burst->live.busy = true;
	}
	json_decref(request);
}

static void bind_job(struct rain_gateway *gateway, struct rain_live_burst *burst)
{
	const struct rain_peer *peer = rain_mind_peer(gateway, burst->row.peer);

	if (peer)
		start_call(gateway, burst,
			   json_pack("{s:s, s:I, s:I, s:s}", "op", "bind", "job_id", (json_int_t)burst->row.job_id,
				     "submit_time", (json_int_t)burst->row.submit_time, "feature", peer->name),
			   on_bound);
}

/* --- and back --- */

static void on_returned(void *arg, const json_t *result, const char *error)
{
	struct call *call = arg;
	struct rain_live_burst *burst = call_end(call);

	if (burst && result) {
		event(call->gateway, burst, RAIN_BURST_EVENT_RETURN_DONE);
	} else if (burst && strstr(error, "has ended")) {
		event(call->gateway, burst, RAIN_BURST_EVENT_JOB_OVER);
	} else if (burst) {
		retry_later(&burst->live);
		/* What can't be requeued has to end where it is: the relay is told. */
		if (strstr(error, "requeue")) {
			snprintf(burst->return_error, sizeof burst->return_error, "%s", error);
			rain_waiters_wake(&burst->waiters);
		}
		rain_log_warning("job %" PRId64 " isn't back yet burst=%s: %s", burst->row.job_id, burst->row.id, error);
	}
	free(call);
}

static void give_back(struct rain_gateway *gateway, struct rain_live_burst *burst)
{
	start_call(gateway, burst,
		   json_pack("{s:s, s:I, s:I}", "op", "unbind", "job_id", (json_int_t)burst->row.job_id,
			     "submit_time", (json_int_t)burst->row.submit_time),
		   on_returned);
}

/* --- its time, and an end that only Slurm can give it --- */

static void on_clocked(void *arg, const json_t *result, const char *error)
{
	struct call *call = arg;
	struct rain_live_burst *burst = call_end(call);

	if (burst && result) {
		burst->clocked = true;
	} else if (burst) {
		rain_log_warning("the time limit of job %" PRId64 " isn't set burst=%s: %s", burst->row.job_id, call->id,
				 error);
		retry_later(&burst->live);
	}
	free(call);
}

/* The job's time began with its script, not with the way there. */
static void clock_set(struct rain_gateway *gateway, struct rain_live_burst *burst)
{
	int64_t left_s = burst->row.shape.minutes * 60 -
			 (rain_clock_realtime_ms() - burst->row.started_ms) / 1000;

	start_call(gateway, burst,
		   json_pack("{s:s, s:I, s:I, s:I}", "op", "clock", "job_id", (json_int_t)burst->row.job_id,
			     "submit_time", (json_int_t)burst->row.submit_time, "seconds",
			     (json_int_t)(left_s > 1 ? left_s : 1)),
		   on_clocked);
}

static void on_ended(void *arg, const json_t *result, const char *error)
{
	struct call *call = arg;
	struct rain_live_burst *burst = call_end(call);

	if (burst && !result)
		rain_log_warning("job %" PRId64 " isn't ended yet burst=%s: %s", burst->row.job_id, call->id, error);
	if (burst) /* the queue will show it, or its last second isn't over yet */
		burst->live.retry_ms = rain_clock_monotonic_ms() + END_AGAIN_MS;
	free(call);
}

static void end_job(struct rain_gateway *gateway, struct rain_live_burst *burst)
{
	start_call(gateway, burst,
		   json_pack("{s:s, s:I, s:I, s:s}", "op", "end", "job_id", (json_int_t)burst->row.job_id, "submit_time",
			     (json_int_t)burst->row.submit_time, "as",
			     burst->row.record.timed_out ? "timeout" : "out_of_memory"),
		   on_ended);
}

/* --- files --- */

/* The lender fetches by itself if it can, but home goes on with what it began. */
static bool is_to_push(const struct rain_live_burst *burst, const struct rain_peer *peer)
{
	const struct rain_burst_record *record = &burst->row.record;

	return record->state == RAIN_BURST_PLACED && record->inputs_sent && record->seq_in == 0 &&
	       (!peer->dials_us || burst->early ||
		rain_clock_realtime_ms() - record->inputs_ms > PUSH_AFTER_MS);
}

static void move_files(struct rain_gateway *gateway, struct rain_live_burst *burst)
{
	const struct rain_burst_record *record = &burst->row.record;
	struct rain_peer *peer = rain_mind_peer(gateway, burst->row.peer);
	char owner[RAIN_BLOB_OWNER_SIZE];
	json_t *blobs;

	/* Ended before all of it was there: nobody wants the rest. */
	if (record->state > RAIN_BURST_PLACED && burst->bringing)
		rain_fetches_stop(&burst->fetches);
	burst->bringing = record->state <= RAIN_BURST_PLACED;
	if (!peer || peer->address_count == 0)
		return;
	if (record->state == RAIN_BURST_PLACED && !record->inputs_sent && burst->early)
		rain_fetches_work(gateway, &burst->fetches, peer, burst->early, true, "", false, burst->row.id, NULL);
	if (is_to_push(burst, peer)) {
		blobs = rain_fetches_of_manifest(burst->row.manifest);
		rain_fetches_work(gateway, &burst->fetches, peer, blobs, true, "", false, burst->row.id, NULL);
		json_decref(blobs);
	}
	if ((record->state == RAIN_BURST_ENDED || record->state == RAIN_BURST_SETTLED) && !record->delivered) {
		snprintf(owner, sizeof owner, "uid-%" PRId64, burst->row.uid);
		rain_fetches_work(gateway, &burst->fetches, peer, burst->row.outputs, false, owner, false,
				  burst->row.id, NULL);
	}
}

void rain_home_bring(struct rain_gateway *gateway, int64_t job_id, int64_t uid, const char *sha256)
{
	struct rain_live_burst *burst = rain_burst_of_job(gateway, job_id);
	const struct rain_peer *peer = burst ? rain_mind_peer(gateway, burst->row.peer) : NULL;
	int64_t size = rain_blob_size(gateway->blobs, sha256);

	if (!peer || burst->row.uid != uid || size < 0 || burst->row.record.inputs_given ||
	    burst->row.record.state > RAIN_BURST_PLACED || !rain_mind_peer_takes_parts(peer))
		return;
	if (!burst->early)
		burst->early = json_array();
	if (json_array_size(burst->early) >= EARLY_MAX)
		return;
	json_array_append_new(burst->early, json_pack("{s:s, s:I}", "sha256", sha256, "size", (json_int_t)size));
	move_files(gateway, burst);
}

static void annotate(struct rain_gateway *gateway, struct rain_live_burst *burst)
{
	const struct rain_peer *peer = rain_mind_peer(gateway, burst->row.peer);
	char text[RAIN_OVERFLOW_SENTENCE], tokens[RAIN_TOKENS_TEXT_SIZE];

	if (!peer || burst->row.record.state != RAIN_BURST_RUNNING || burst->row.record.job != RAIN_BURST_JOB_BOUND)
		return;
	snprintf(text, sizeof text, "runs on %s as its job %" PRId64 "%s%s, at up to %s tokens", peer->name,
		 burst->row.remote_job_id, burst->row.remote_nodes[0] ? " on " : "", burst->row.remote_nodes,
		 rain_tokens_format(burst->row.terms.ceiling_utok, tokens));
	if (strcmp(text, burst->annotated) != 0) {
		strcpy(burst->annotated, text);
		rain_candidates_annotate(gateway, burst->row.job_id, burst->row.submit_time, text);
	}
}

void rain_home_work(struct rain_gateway *gateway, struct rain_live_burst *burst)
{
	struct rain_burst_record copy = burst->row.record;
	struct rain_burst_event tick = { .type = RAIN_BURST_EVENT_TICK };
	struct rain_burst_actions actions;
	unsigned todo;

	if (rain_burst_step(&copy, &tick, rain_clock_realtime_ms(), &actions, NULL) > 0) {
		event(gateway, burst, RAIN_BURST_EVENT_TICK);
		return;
	}
	todo = rain_burst_due(&burst->row.record);
	if (!burst->live.busy && burst->live.retry_ms <= rain_clock_monotonic_ms()) {
		if (todo & RAIN_BURST_DUE_BIND)
			bind_job(gateway, burst);
		else if (todo & RAIN_BURST_DUE_RETURN)
			give_back(gateway, burst);
		else if (todo & RAIN_BURST_DUE_END)
			end_job(gateway, burst);
		else if (burst->row.record.state == RAIN_BURST_RUNNING && !burst->clocked &&
			 burst->row.record.job == RAIN_BURST_JOB_BOUND)
			clock_set(gateway, burst);
	}
	move_files(gateway, burst);
	rain_stream_pull(gateway, burst);
	rain_input_push(gateway, burst);
	annotate(gateway, burst);
}

void rain_home_stop(struct rain_live_burst *burst)
{
	rain_fetches_stop(&burst->fetches);
	json_decref(burst->early);
	for (int i = 0; i < 2; i++)
		rain_stream_move_stop(&burst->polls[i]);
	rain_input_stop(&burst->input);
}

/* --- what Slurm shows --- */

static void on_absent(struct rain_gateway *gateway, struct rain_live_burst *burst)
{
	int64_t now = rain_clock_monotonic_ms();
	bool over = burst->row.record.state >= RAIN_BURST_ENDED;

	if (!burst->live.absent_ms)
		burst->live.absent_ms = now;
	if (burst->row.record.job != RAIN_BURST_JOB_OVER &&
	    now - burst->live.absent_ms > (over ? ABSENT_OVER_MS : ABSENT_MS)) {
		rain_log_warning("job %" PRId64 " is unknown to Slurm for long; its burst=%s ends", burst->row.job_id,
				 burst->row.id);
		event(gateway, burst, RAIN_BURST_EVENT_JOB_OVER);
	}
}

static bool is_same_run(const struct rain_live_burst *burst, const struct rain_queue_job *job)
{
	return job->restart == burst->row.restart && job->submit_time == burst->row.submit_time;
}

/* Where the run of this burst is, by Slurm. */
static void place_on_queue(struct rain_gateway *gateway, struct rain_live_burst *burst,
			   const struct rain_queue_job *job)
{
	bool bound = burst->row.record.job == RAIN_BURST_JOB_BOUND;
	bool away = !strcmp(job->partition, gateway->config->gateway.overflow_partition);
	bool pending = !strcmp(job->state, "PENDING");

	if (!bound && away)
		event(gateway, burst, RAIN_BURST_EVENT_BIND_DONE);
	else if (!bound && !pending)
		event(gateway, burst, RAIN_BURST_EVENT_BIND_REFUSED);
	else if (bound && !away && pending)
		event(gateway, burst, RAIN_BURST_EVENT_JOB_UNBOUND);
	else if (bound && !away)
		event(gateway, burst, RAIN_BURST_EVENT_JOB_OVER); /* it runs at home now */
}

void rain_home_on_queue(struct rain_gateway *gateway, struct rain_live_burst *burst)
{
	const struct rain_queue_job *job = rain_queue_find(&rain_mind_of(gateway)->queue, burst->row.job_id);
	const struct rain_burst_record *record = &burst->row.record;

	if (burst->live.busy || (record->state == RAIN_BURST_VOID && record->job == RAIN_BURST_JOB_OVER))
		return;
	if (record->job == RAIN_BURST_JOB_OVER) {
		if (job && is_same_run(burst, job) && !strcmp(job->state, "PENDING"))
			event(gateway, burst, RAIN_BURST_EVENT_JOB_UNBOUND);
		return;
	}
	if (!job) {
		on_absent(gateway, burst);
		return;
	}
	burst->live.absent_ms = 0;
	if (!is_same_run(burst, job)) {
		bool same = job->restart > burst->row.restart && job->submit_time >= burst->row.submit_time;
		if (record->job == RAIN_BURST_JOB_TO_RETURN && same)
			return; /* we did that ourselves; the rest of the way back is under way */
		event(gateway, burst, same && rain_loan_verdict_find(job->state) < 0 ? RAIN_BURST_EVENT_JOB_REQUEUED
										      : RAIN_BURST_EVENT_JOB_OVER);
	} else if (record->job == RAIN_BURST_JOB_TO_RETURN) {
		return; /* the broker, who takes it back, says what its end means */
	} else if (rain_loan_verdict_find(job->state) >= 0) {
		event(gateway, burst, RAIN_BURST_EVENT_JOB_OVER);
	} else {
		place_on_queue(gateway, burst, job);
	}
}
