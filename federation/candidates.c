/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which of our pending jobs should go to a peer now: late binding. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "federation/policy.h"

#define PASS_GAP_MS 20
#define UNBIND_GAP_MS 5000
#define UNBIND_ANSWER_MS 20000

static void pass_in(struct rain_asks *asks, int64_t ms)
{
	struct timeval delay = { ms / 1000, (ms % 1000) * 1000 };

	if (!event_pending(asks->pass, EV_TIMEOUT, NULL))
		event_add(asks->pass, &delay);
}

void rain_candidates_work(struct rain_gateway *gateway)
{
	struct rain_asks *asks = rain_asks_of(gateway);
	int64_t since = rain_clock_monotonic_ms() - asks->passed_ms;

	pass_in(asks, since >= PASS_GAP_MS ? 0 : PASS_GAP_MS - since);
}

/* --- what is remembered of a job that waits --- */

static struct rain_note **bucket_of(struct rain_asks *asks, int64_t job_id)
{
	return &asks->buckets[(uint64_t)job_id % RAIN_NOTE_BUCKETS];
}

struct rain_note *rain_note_of(struct rain_asks *asks, int64_t job_id, int64_t submit_time)
{
	struct rain_note *note = *bucket_of(asks, job_id);

	while (note && (note->job_id != job_id || note->submit_time != submit_time))
		note = note->chain;
	return note;
}

static struct rain_note *note_make(struct rain_asks *asks, const struct rain_queue_job *job)
{
	struct rain_note *note = rain_note_of(asks, job->job_id, job->submit_time);

	if (!note && (note = calloc(1, sizeof *note))) {
		note->job_id = job->job_id;
		note->submit_time = job->submit_time;
		note->uid = job->uid;
		note->only = job->only;
		note->waits = -1;
		note->since_ms = rain_clock_realtime_ms();
		note->first_ms = rain_clock_monotonic_ms();
		snprintf(note->user, sizeof note->user, "%s", job->user);
		snprintf(note->name, sizeof note->name, "%s", job->name);
		note->next = asks->notes;
		asks->notes = note;
		note->chain = *bucket_of(asks, note->job_id);
		*bucket_of(asks, note->job_id) = note;
	}
	return note;
}

static void unchain(struct rain_asks *asks, const struct rain_note *note)
{
	struct rain_note **at = bucket_of(asks, note->job_id);

	while (*at != note)
		at = &(*at)->chain;
	*at = note->chain;
}

static void notes_sweep(struct rain_asks *asks, int64_t seen_ms)
{
	struct rain_note **at = &asks->notes, *note;

	while ((note = *at)) {
		if (note->seen_ms >= seen_ms) {
			at = &note->next;
			continue;
		}
		*at = note->next;
		unchain(asks, note);
		free(note);
		asks->notes_changed = true;
	}
}

void rain_candidates_say(struct rain_gateway *gateway, struct rain_note *note, const char *sentence)
{
	int64_t now = rain_clock_monotonic_ms();

	if (strcmp(note->sentence, sentence) != 0) {
		strcpy(note->sentence, sentence);
		rain_asks_of(gateway)->notes_changed = true;
	}
	/* Each one is an update of the job's record: only now and then. */
	if (strcmp(note->annotated, sentence) != 0 &&
	    (!note->annotated[0] || now - note->annotated_ms > RAIN_ANNOTATE_GAP_MS)) {
		strcpy(note->annotated, sentence);
		note->annotated_ms = now;
		rain_candidates_annotate(gateway, note->job_id, note->submit_time, sentence);
	}
}

static void on_annotated(void *arg, const json_t *result, const char *error)
{
	(void)arg;
	if (!result)
		rain_log_debug("a job's comment isn't written: %s", error);
}

void rain_candidates_annotate(struct rain_gateway *gateway, int64_t job_id, int64_t submit_time,
			      const char *text)
{
	json_t *request = json_pack("{s:s, s:I, s:I, s:s}", "op", "annotate", "job_id", (json_int_t)job_id,
				    "submit_time", (json_int_t)submit_time, "text", text);
	struct rain_error err;

	if (!request || rain_rpc_client_call(gateway->broker, request, 30000, on_annotated, NULL, &err))
		rain_log_debug("the comment of job %" PRId64 " can't be written", job_id);
	json_decref(request);
}

/* --- a job on the virtual nodes that no burst knows --- */

static void on_unbound(void *arg, const json_t *result, const char *error)
{
	struct rain_gateway *gateway = arg;

	if (!result)
		rain_log_warning("a job without a burst can't be put back: %s", error);
	rain_queue_nudge(gateway);
}

static void put_back(struct rain_gateway *gateway, struct rain_note *note, const struct rain_queue_job *job)
{
	json_t *request;
	struct rain_error err;

	if (note->unbind_ms && rain_clock_monotonic_ms() - note->unbind_ms < UNBIND_GAP_MS)
		return;
	note->unbind_ms = rain_clock_monotonic_ms();
	rain_log_warning("job %" PRId64 " is in partition %s without a burst: it goes back", job->job_id, job->partition);
	request = json_pack("{s:s, s:I, s:I}", "op", "unbind", "job_id", (json_int_t)job->job_id, "submit_time",
			    (json_int_t)job->submit_time);
	if (!request || rain_rpc_client_call(gateway->broker, request, UNBIND_ANSWER_MS, on_unbound, gateway, &err))
		note->unbind_ms = 0;
	json_decref(request);
}

/* --- a pass over all that waits --- */

static bool is_taken_care_of(const struct rain_gateway *gateway, const struct rain_queue_job *job)
{
	const struct rain_live_burst *burst = rain_burst_of_job(gateway, job->job_id);

	return burst && (burst->live.touched || burst->live.busy || burst->row.record.job != RAIN_BURST_JOB_OVER ||
			 (burst->row.restart == job->restart && burst->row.submit_time == job->submit_time &&
			  burst->row.record.state != RAIN_BURST_VOID));
}

/* A virtual node refuses for a second or two to start again what was just
 * taken from it ("job credential revoked"), and the job would fail. */
static bool is_fresh_from_there(const struct rain_queue_job *job)
{
	return job->restart > 0 && job->eligible_s < RAIN_REBIND_S;
}

static void consider(struct rain_gateway *gateway, const struct rain_queue_job *job, int64_t now,
		     struct rain_pass *pass)
{
	struct rain_asks *asks = rain_asks_of(gateway);
	bool away = !strcmp(job->partition, gateway->config->gateway.overflow_partition);
	char sentence[RAIN_OVERFLOW_SENTENCE] = "";
	enum rain_eligibility verdict;
	struct rain_note *note;

	if (job->loan[0] || rain_loan_verdict_find(job->state) >= 0 || is_taken_care_of(gateway, job))
		return;
	if (away || job->returning) {
		/* Bound by somebody, or not all the way back yet. */
		if ((note = note_make(asks, job))) {
			note->seen_ms = now;
			put_back(gateway, note, job);
		}
		return;
	}
	verdict = job->completing || is_fresh_from_there(job) ? RAIN_ELIGIBLE_IGNORE
							      : rain_candidate_verdict(job, sentence);
	if (verdict == RAIN_ELIGIBLE_IGNORE || !(note = note_make(asks, job)))
		return;
	note->seen_ms = now;
	if (verdict == RAIN_ELIGIBLE_ASK && job->whole_array)
		rain_array_split(gateway, note, job);
	else if (verdict == RAIN_ELIGIBLE_ASK && !rain_array_has_room(gateway, job))
		snprintf(sentence, sizeof sentence, "as many tasks of its array run as may at once");
	else if (verdict == RAIN_ELIGIBLE_ASK && !rain_ask_of(asks, job->job_id))
		rain_pass_add(pass, job, note);
	if (sentence[0])
		rain_candidates_say(gateway, note, sentence);
}

static int save_work(PGconn *tx, void *arg, struct rain_error *err)
{
	return rain_store_execute(tx, err, "DELETE FROM federation.candidate", 0) ||
	       rain_store_execute(tx, err,
			"INSERT INTO federation.candidate SELECT * FROM"
			" jsonb_populate_recordset(NULL::federation.candidate, $1::jsonb)", 1, (const char *)arg)
		       ? -1 : 0;
}

/* For people who look into the database, and for what comes after us. */
static void save(struct rain_gateway *gateway)
{
	struct rain_asks *asks = rain_asks_of(gateway);
	int64_t now = rain_clock_monotonic_ms();
	json_t *list;
	char *text;

	if (!asks->notes_changed || now - asks->saved_ms < RAIN_SAVE_GAP_MS)
		return;
	list = json_array();
	for (const struct rain_note *n = asks->notes; n; n = n->next)
		json_array_append_new(list, json_pack("{s:I, s:I, s:I, s:s, s:s, s:s, s:s, s:I}",
			"job_id", (json_int_t)n->job_id, "submit_time", (json_int_t)n->submit_time,
			"uid", (json_int_t)n->uid, "user_name", n->user, "job_name", n->name,
			"mode", n->only ? "only" : "auto", "sentence", n->sentence,
			"since_ms", (json_int_t)n->since_ms));
	text = json_dumps(list, JSON_COMPACT);
	if (text && rain_store_transaction(gateway->store, save_work, text, NULL) == 0)
		asks->notes_changed = false;
	asks->saved_ms = now;
	free(text);
	json_decref(list);
}

static void on_pass(evutil_socket_t fd, short what, void *arg)
{
	struct rain_gateway *gateway = arg;
	struct rain_mind *mind = rain_mind_of(gateway);
	int64_t now = rain_clock_monotonic_ms();
	struct rain_pass pass = { 0 };

	(void)fd;
	(void)what;
	mind->asks->passed_ms = now;
	if (!mind->recovered || !mind->queue.asked_ms)
		return;
	rain_asks_judge(gateway);
	if (mind->asks->count > 0)
		pass_in(mind->asks, RAIN_ASK_PATIENCE_MS / 2);
	/* A picture from before a burst ended would show its job as waiting. */
	if (mind->queue.asked_ms <= mind->dropped_ms)
		return;
	for (size_t i = 0; i < mind->queue.count; i++)
		consider(gateway, &mind->queue.jobs[i], now, &pass);
	rain_pass_decide(gateway, &pass);
	rain_pass_release(&pass);
	notes_sweep(mind->asks, now);
	save(gateway);
}

int rain_candidates_start(struct rain_gateway *gateway, struct rain_error *err)
{
	struct rain_asks *asks = calloc(1, sizeof *asks);

	if (!asks)
		return rain_error_set(err, "out of memory");
	rain_mind_of(gateway)->asks = asks;
	asks->pass = event_new(gateway->base, -1, 0, on_pass, gateway);
	return asks->pass ? 0 : rain_error_set(err, "out of memory for events");
}

void rain_candidates_stop(struct rain_gateway *gateway)
{
	struct rain_asks *asks = rain_asks_of(gateway);

	if (!asks)
		return;
	if (asks->pass)
		event_free(asks->pass);
	notes_sweep(asks, INT64_MAX);
	rain_asks_release(asks);
	free(asks);
	rain_mind_of(gateway)->asks = NULL;
}
