/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asking peers about one job, and taking the best offer. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "common/clock.h"
#include "common/log.h"
#include "federation/policy.h"

enum rain_eligibility rain_candidate_verdict(const struct rain_queue_job *job,
					     char sentence[static RAIN_OVERFLOW_SENTENCE])
{
	struct rain_eligible_job d = { .state = job->state, .reason = job->reason, .eligible_s = job->eligible_s,
				       .only = job->only, .held = job->held,
				       .het = job->het, .gres = job->gres,
				       .constrained = job->constrained, .no_limit = job->no_limit };
	enum rain_eligibility verdict = rain_eligible(&d, sentence);
	struct rain_error err;

	if (verdict == RAIN_ELIGIBLE_ASK && rain_shape_check(&job->shape, &err)) {
		snprintf(sentence, RAIN_OVERFLOW_SENTENCE, "waits at home: %.300s", err.text);
		return RAIN_ELIGIBLE_HOME;
	}
	return verdict;
}

struct rain_ask *rain_ask_of(const struct rain_asks *asks, int64_t job_id)
{
	struct rain_ask *ask = asks->list;

	while (ask && ask->job.job_id != job_id)
		ask = ask->next;
	return ask;
}

void rain_ask_drop(struct rain_asks *asks, struct rain_ask *ask)
{
	struct rain_ask **at = &asks->list;

	while (*at != ask)
		at = &(*at)->next;
	*at = ask->next;
	asks->count--;
	free(ask);
}

/* --- asking --- */

struct sending {
	struct rain_gateway *gateway;
	const struct rain_ask *ask;
	int64_t waiting;
};

static int send_work(PGconn *tx, void *arg, struct rain_error *err)
{
	const struct sending *sending = arg;
	struct rain_message m = { .type = RAIN_MESSAGE_ASK, .shape = sending->ask->job.shape,
				  .expected_s = sending->ask->candidate.expected,
				  .waiting = sending->waiting };
	struct utsname system;

	snprintf(m.user, sizeof m.user, "%s", sending->ask->job.user);
	if (uname(&system) == 0)
		snprintf(m.arch, sizeof m.arch, "%.*s", (int)sizeof m.arch - 1, system.machine);
	for (size_t i = 0; i < sending->ask->count; i++)
		if (rain_mind_send(sending->gateway, tx, sending->ask->peers[i].peer, sending->ask->id, &m, err))
			return -1;
	return 0;
}

void rain_ask_send(struct rain_gateway *gateway, const struct rain_queue_job *job,
		   const struct rain_candidate *candidate, struct rain_peer *const peers[], size_t count,
		   int64_t waiting)
{
	struct rain_asks *asks = rain_asks_of(gateway);
	struct rain_ask *ask = calloc(1, sizeof *ask), **at;
	struct sending sending = { gateway, ask, waiting < INT32_MAX ? waiting : INT32_MAX };
	struct rain_error err;

	if (!ask)
		return;
	rain_mind_uuid(ask->id);
	ask->job = *job;
	ask->job.peers = NULL;
	ask->candidate = *candidate;
	ask->candidate.barred = NULL;
	ask->asked_ms = rain_clock_monotonic_ms();
	ask->count = count;
	for (size_t i = 0; i < count; i++)
		ask->peers[i].peer = peers[i];
	if (rain_store_transaction(gateway->store, send_work, &sending, &err)) {
		rain_log_warning("no peer can be asked for job %" PRId64 ": %s", job->job_id, err.text);
		free(ask);
		return;
	}
	for (size_t i = 0; i < count; i++)
		rain_room_take(asks, peers[i], job->shape.nodes);
	for (at = &asks->list; *at; at = &(*at)->next)
		; /* first come, first served */
	*at = ask;
	asks->count++;
}

/* No more credit is an answer about all our jobs. */
static void note_credit(struct rain_asks *asks, const struct rain_peer *peer, int64_t credit_utok)
{
	struct rain_room *room = credit_utok > 0 ? rain_room_of(asks, peer->row, true) : NULL;

	if (!room)
		return;
	room->credit_utok = credit_utok;
	room->credit_until_ms = rain_clock_monotonic_ms() + RAIN_REFUSAL_MS;
}

/* Nodes that are free until an owner's job begins are an answer about all our jobs, too. */
static void note_window(struct rain_asks *asks, const struct rain_peer *peer, const struct rain_message *m)
{
	struct rain_room *room = m->capacity ? rain_room_of(asks, peer->row, false) : NULL;

	if (!room)
		return;
	room->window_ms = m->window_s > 0 ? rain_clock_monotonic_ms() + m->window_s * 1000 : 0;
	room->extra = m->extra_nodes;
	if (m->window_s > 0)
		room->nodes = m->free_nodes + 1;
}

void rain_candidates_answer(struct rain_gateway *gateway, const struct rain_peer *peer, const struct rain_message *m)
{
	struct rain_asks *asks = rain_asks_of(gateway);
	struct rain_ask *ask = asks->list;
	int64_t now = rain_clock_monotonic_ms();

	if (m->type == RAIN_MESSAGE_REFUSE && m->room) {
		rain_room_told(gateway, peer, m->free_nodes, m->line);
		return;
	}
	while (ask && strcmp(ask->id, m->burst) != 0)
		ask = ask->next;
	for (size_t i = 0; ask && i < ask->count; i++) {
		if (ask->peers[i].peer->row != peer->row || ask->peers[i].answer != RAIN_ANSWER_NONE)
			continue;
		if (m->type == RAIN_MESSAGE_OFFER) {
			ask->peers[i].answer = RAIN_ANSWER_OFFER;
			ask->peers[i].terms = m->terms;
			ask->peers[i].until_ms = now + m->lease_ms;
			if (!ask->offer_ms)
				ask->offer_ms = now;
			rain_room_offered(asks, peer);
		} else {
			ask->peers[i].answer = RAIN_ANSWER_REFUSED;
			if (m->capacity && m->line)
				rain_room_line(asks, peer);
			rain_refusal_note(asks, ask, peer, m->reason[0] ? m->reason : "it gives no reason", m->capacity);
			note_window(asks, peer, m);
			note_credit(asks, peer, m->credit_utok);
		}
		rain_candidates_work(gateway);
	}
}

/* --- judging --- */

struct releasing {
	struct rain_gateway *gateway;
	const struct rain_ask *ask;
	const struct rain_peer *chosen;
};

static int release_work(PGconn *tx, void *arg, struct rain_error *err)
{
	const struct releasing *r = arg;
	struct rain_message m = { .type = RAIN_MESSAGE_WITHDRAWN };

	for (size_t i = 0; i < r->ask->count; i++)
		if (r->ask->peers[i].answer == RAIN_ANSWER_OFFER && r->ask->peers[i].peer != r->chosen &&
		    rain_mind_send(r->gateway, tx, r->ask->peers[i].peer, r->ask->id, &m, err))
			return -1;
	return 0;
}

/* Offers that aren't taken needn't keep nodes free until they lapse. */
static void release_others(struct rain_gateway *gateway, const struct rain_ask *ask, const struct rain_peer *chosen)
{
	struct releasing releasing = { gateway, ask, chosen };
	size_t offers = 0;

	for (size_t i = 0; i < ask->count; i++)
		offers += ask->peers[i].answer == RAIN_ANSWER_OFFER && ask->peers[i].peer != chosen;
	if (offers && rain_store_transaction(gateway->store, release_work, &releasing, NULL))
		rain_log_debug("offers for job %" PRId64 " are left to lapse", ask->job.job_id);
}

static void order(struct rain_gateway *gateway, struct rain_ask *ask, size_t which, const char *decision,
		  char sentence[static RAIN_OVERFLOW_SENTENCE])
{
	const struct rain_queue_job *job = &ask->job;
	struct rain_burst_row row = { .peer = ask->peers[which].peer->row, .job_id = job->job_id,
				      .submit_time = job->submit_time, .restart = job->restart, .uid = job->uid,
				      .shape = job->shape, .terms = ask->peers[which].terms,
				      .observed_utok = -1, .amount_utok = -1 };
	struct rain_error err;

	strcpy(row.id, ask->id);
	strcpy(row.user, job->user);
	strcpy(row.job_name, job->name);
	strcpy(row.home_partition, job->partition);
	strcpy(row.decision, decision);
	row.direct = !job->batch;
	row.held = row.terms.ceiling_utok > 0;
	row.record.bound_ms = row.changed_ms = rain_clock_realtime_ms();
	row.outputs = json_array();
	if (rain_home_order(gateway, &row, &err)) {
		snprintf(sentence, RAIN_OVERFLOW_SENTENCE, "%.350s", err.text);
		rain_log_warning("job %" PRId64 " isn't bound: %s", job->job_id, err.text);
	} else {
		rain_log_info("job %" PRId64 " %s", job->job_id, decision);
		release_others(gateway, ask, ask->peers[which].peer);
	}
	rain_money_forget(rain_asks_of(gateway), job->user);
	json_decref(row.outputs);
}

/* It may have started at home, or been cancelled, while peers thought. */
static bool still_waits(const struct rain_gateway *gateway, const struct rain_ask *ask)
{
	const struct rain_queue_job *job = rain_queue_find(&rain_mind_of(gateway)->queue, ask->job.job_id);

	return job && job->submit_time == ask->job.submit_time && job->restart == ask->job.restart &&
	       !strcmp(job->state, "PENDING");
}

/* The offers as the policy sees them. Returns how many still stand. */
static size_t offers_of(struct rain_gateway *gateway, struct rain_ask *ask, struct rain_capacity offers[],
			size_t from[])
{
	int64_t now = rain_clock_monotonic_ms();
	size_t count = 0, views_count;
	struct rain_view *views = rain_views_create(gateway, &views_count);

	for (size_t i = 0; i < ask->count; i++) {
		const struct rain_terms *terms = &ask->peers[i].terms;

		if (ask->peers[i].answer != RAIN_ANSWER_OFFER || ask->peers[i].until_ms <= now)
			continue;
		for (size_t v = 0; v < views_count; v++) {
			struct rain_capacity *c = &offers[count];

			if (views[v].peer != ask->peers[i].peer)
				continue;
			*c = views[v].capacity;
			/* It has said that it can start the job now, and at what rate. */
			c->free = c->extra = c->free > ask->candidate.procs ? c->free : ask->candidate.procs;
			c->credit = INT64_MAX;
			c->mflops = terms->mflops;
			c->percent = terms->percent;
			if (terms->ceiling_utok > rain_overflow_price(&ask->candidate, c))
				rain_refusal_note(rain_asks_of(gateway), ask, views[v].peer,
						  "its offer is above its own price", false);
			else
				from[count++] = i;
			break;
		}
	}
	free(views);
	return count;
}

static void judge(struct rain_gateway *gateway, struct rain_ask *ask)
{
	const struct rain_overflow_policy *rule = &rain_policy_of(gateway)->rule;
	struct rain_note *note = rain_note_of(rain_asks_of(gateway), ask->job.job_id, ask->job.submit_time);
	char decision[RAIN_OVERFLOW_SENTENCE], sentence[RAIN_OVERFLOW_SENTENCE] = "";
	const struct rain_queue_job *job = &ask->job;
	struct rain_capacity offers[RAIN_ASK_PEERS];
	size_t from[RAIN_ASK_PEERS], count;
	const struct rain_money *money;
	struct rain_error err;
	int best;

	if (!still_waits(gateway, ask) || !(count = offers_of(gateway, ask, offers, from)))
		return;
	if (rain_money_read(gateway, &job, 1, &err) || !(money = rain_money_of(gateway, job->user)))
		return;
	ask->candidate.purse = money->available_utok;
	best = rain_overflow_choose(rule, &ask->candidate, offers, count);
	rain_overflow_explain(&ask->candidate, &offers[best < 0 ? 0 : best],
			      rain_overflow_judge(&ask->candidate, &offers[best < 0 ? 0 : best]),
			      ask->peers[from[best < 0 ? 0 : best]].peer->name, NULL, decision);
	if (best >= 0)
		order(gateway, ask, from[best], decision, sentence);
	else
		strcpy(sentence, decision);
	if (sentence[0] && note)
		rain_candidates_say(gateway, note, sentence);
}

static bool is_time(const struct rain_ask *ask, int64_t now)
{
	size_t open = 0;

	for (size_t i = 0; i < ask->count; i++)
		open += ask->peers[i].answer == RAIN_ANSWER_NONE;
	return !open || now - ask->asked_ms >= RAIN_ASK_ANSWER_MS ||
	       (ask->offer_ms && now - ask->offer_ms >= RAIN_ASK_PATIENCE_MS);
}

void rain_asks_judge(struct rain_gateway *gateway)
{
	struct rain_asks *asks = rain_asks_of(gateway);
	struct rain_ask *ask, *next;
	int64_t now = rain_clock_monotonic_ms();

	rain_refusals_forget(asks, now);
	for (ask = asks->list; ask; ask = next) {
		next = ask->next;
		if (!is_time(ask, now))
			continue;
		for (size_t i = 0; i < ask->count; i++)
			if (ask->peers[i].answer == RAIN_ANSWER_NONE)
				rain_refusal_note(asks, ask, ask->peers[i].peer, "it did not answer in time", false);
		judge(gateway, ask);
		rain_ask_drop(asks, ask);
	}
}
