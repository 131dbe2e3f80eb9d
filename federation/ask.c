/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asking peers about one job, and taking the best offer. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "common/clock.h"
#include "common/log.h"
#include "federation/candidates.h"

#define PEERS_MAX 256

enum rain_eligibility rain_candidate_verdict(const struct rain_queue_job *job,
					     char sentence[static RAIN_DECIDE_SENTENCE])
{
	struct rain_eligible_job d = { .state = job->state, .reason = job->reason, .eligible_s = job->eligible_s,
				       .only = job->only, .held = job->held, .batch = job->batch,
				       .het = job->het, .gres = job->gres,
				       .constrained = job->constrained, .no_limit = job->no_limit };
	enum rain_eligibility verdict = rain_eligible(&d, sentence);
	struct rain_error err;

	if (verdict == RAIN_ELIGIBLE_ASK && rain_shape_check(&job->shape, &err)) {
		snprintf(sentence, RAIN_DECIDE_SENTENCE, "waits at home: %.300s", err.text);
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

/* --- whether a job fits a peer, by its card --- */

static const json_t *lend_of(const struct rain_peer *peer)
{
	return json_object_get(json_object_get(peer->card, "capabilities"), "lend");
}

static int64_t number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static const char *unfit(const struct rain_queue_job *job, const json_t *lend, char *text, size_t size)
{
	const struct rain_shape *s = &job->shape;
	int64_t nodes = number(lend, "nodes"), cpus = number(lend, "cpus_per_node"), mem = number(lend, "mem_mb_per_node");
	int64_t per_node = (rain_shape_cores(s) + s->nodes - 1) / s->nodes;
	int64_t job_mem = job->mem_mb_per_node ? job->mem_mb_per_node : job->mem_mb_per_cpu * per_node;

	if (s->nodes > nodes)
		snprintf(text, size, "needs %" PRId64 " nodes, it lends %" PRId64, s->nodes, nodes);
	else if (s->minutes > number(lend, "minutes"))
		snprintf(text, size, "needs %" PRId64 " min, it lends for %" PRId64, s->minutes, number(lend, "minutes"));
	else if (cpus && per_node > cpus)
		snprintf(text, size, "needs %" PRId64 " CPUs a node, it has %" PRId64, per_node, cpus);
	else if (mem && job_mem > mem)
		snprintf(text, size, "needs %" PRId64 " MB a node, it has %" PRId64, job_mem, mem);
	else
		return NULL;
	return text;
}

static int price_of(const struct rain_terms *terms, const struct rain_shape *shape, int64_t *utok)
{
	return rain_mind_price(terms, rain_shape_cores(shape) * shape->minutes * 60000, utok, NULL);
}

static bool is_wanted(const struct rain_queue_job *job, const char *peer)
{
	size_t i;
	json_t *name;

	json_array_foreach(job->peers, i, name)
		if (json_is_string(name) && !strcmp(json_string_value(name), peer))
			return true;
	return json_array_size(job->peers) == 0;
}

struct view {
	struct rain_decide_peer peer;
	char text[RAIN_REASON_SIZE];
};

static void view_peer(struct rain_gateway *gateway, const struct rain_queue_job *job, const struct rain_peer *peer,
		      struct view *view)
{
	struct rain_asks *asks = rain_asks_of(gateway);
	const json_t *lend = lend_of(peer);
	struct rain_terms terms = { .mflops = number(lend, "mflops"), .percent = number(lend, "percent") };
	const struct rain_room *room = rain_room_of(asks, peer->row, false);
	const struct rain_refusal *refusal = rain_refusal_of(asks, job->job_id, peer->row, false);
	int64_t now = rain_clock_monotonic_ms(), ceiling = 0;
	bool full = room && room->until_ms > now && job->shape.nodes >= room->nodes;
	bool refused = refusal && refusal->until_ms > now;

	view->peer = (struct rain_decide_peer){
		.name = peer->name,
		.reachable = rain_mind_peer_is_near(peer),
		.silent_s = peer->last_contact_ms ? (rain_clock_realtime_ms() - peer->last_contact_ms) / 1000 : -1,
		.lends = number(lend, "nodes") > 0 && terms.mflops > 0,
		.wanted = is_wanted(job, peer->name),
		.latency_ms = peer->latency_ms < 0 ? INT32_MAX : peer->latency_ms,
		.may_ask = !full && !refused,
		.refusal = refused ? refusal->reason : full ? room->reason : NULL,
	};
	if (!view->peer.lends)
		return;
	view->peer.unfit = unfit(job, lend, view->text, sizeof view->text);
	if (!view->peer.unfit && price_of(&terms, &job->shape, &ceiling))
		view->peer.unfit = "its price can't be computed";
	view->peer.ceiling_utok = ceiling;
}

/* --- asking --- */

struct sending {
	struct rain_gateway *gateway;
	const struct rain_ask *ask;
};

static int send_work(PGconn *tx, void *arg, struct rain_error *err)
{
	const struct sending *sending = arg;
	struct rain_message m = { .type = RAIN_MESSAGE_ASK, .shape = sending->ask->job.shape };
	struct utsname system;

	snprintf(m.user, sizeof m.user, "%s", sending->ask->job.user);
	if (uname(&system) == 0)
		snprintf(m.arch, sizeof m.arch, "%.*s", (int)sizeof m.arch - 1, system.machine);
	for (size_t i = 0; i < sending->ask->count; i++)
		if (rain_mind_send(sending->gateway, tx, sending->ask->peers[i].peer, sending->ask->id, &m, err))
			return -1;
	return 0;
}

static void ask_send(struct rain_gateway *gateway, const struct rain_queue_job *job, struct rain_peer *const peers[],
		     size_t count)
{
	struct rain_asks *asks = rain_asks_of(gateway);
	struct rain_ask *ask = calloc(1, sizeof *ask), **at;
	struct sending sending = { gateway, ask };
	struct rain_error err;

	if (!ask)
		return;
	rain_mind_uuid(ask->id);
	ask->job = *job;
	ask->job.peers = NULL;
	ask->asked_ms = rain_clock_monotonic_ms();
	ask->count = count;
	for (size_t i = 0; i < count; i++)
		ask->peers[i].peer = peers[i];
	if (rain_store_transaction(gateway->store, send_work, &sending, &err)) {
		rain_log_warning("no peer can be asked for job %" PRId64 ": %s", job->job_id, err.text);
		free(ask);
		return;
	}
	for (at = &asks->list; *at; at = &(*at)->next)
		; /* first come, first served */
	*at = ask;
	asks->count++;
}

void rain_ask_try(struct rain_gateway *gateway, struct rain_note *note, const struct rain_queue_job *job,
		  char sentence[static RAIN_DECIDE_SENTENCE])
{
	size_t count = rain_peers_count(gateway->peers), picked[RAIN_ASK_PEERS], found;
	const struct rain_money *money = rain_money_of(gateway, job->user);
	struct rain_decide_money d;
	struct rain_decide_peer *peers;
	struct rain_peer *chosen[RAIN_ASK_PEERS];
	struct view *views;

	if (!money) {
		snprintf(sentence, RAIN_DECIDE_SENTENCE, "the ledger can't be read just now");
		return;
	}
	count = count < PEERS_MAX ? count : PEERS_MAX;
	d = (struct rain_decide_money){ job->user, money->available_utok, job->max_utok };
	views = calloc(count + 1, sizeof *views);
	peers = calloc(count + 1, sizeof *peers);
	for (size_t i = 0; views && peers && i < count; i++) {
		view_peer(gateway, job, rain_peers_at(gateway->peers, i), &views[i]);
		peers[i] = views[i].peer;
	}
	found = views && peers ? rain_decide_ask(peers, count, &d, RAIN_ASK_PEERS, picked, sentence) : 0;
	for (size_t i = 0; i < found; i++)
		chosen[i] = rain_peers_at(gateway->peers, picked[i]);
	if (found && rain_asks_of(gateway)->count < RAIN_ASKS_MAX)
		ask_send(gateway, job, chosen, found);
	if (found && !note->sentence[0])
		snprintf(sentence, RAIN_DECIDE_SENTENCE, "peers are being asked");
	free(views);
	free(peers);
}

void rain_candidates_answer(struct rain_gateway *gateway, const struct rain_peer *peer, const struct rain_message *m)
{
	struct rain_asks *asks = rain_asks_of(gateway);
	struct rain_ask *ask = asks->list;
	int64_t now = rain_clock_monotonic_ms();

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
		} else {
			ask->peers[i].answer = RAIN_ANSWER_REFUSED;
			rain_refusal_note(asks, ask, peer, m->reason[0] ? m->reason : "it gives no reason", m->capacity);
		}
		rain_candidates_work(gateway);
	}
}

/* --- judging --- */

static void order(struct rain_gateway *gateway, struct rain_ask *ask, size_t which,
		  char sentence[static RAIN_DECIDE_SENTENCE])
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
	row.held = row.terms.ceiling_utok > 0;
	row.record.bound_ms = row.changed_ms = rain_clock_realtime_ms();
	row.outputs = json_array();
	if (rain_home_order(gateway, &row, &err)) {
		snprintf(sentence, RAIN_DECIDE_SENTENCE, "%.350s", err.text);
		rain_log_warning("job %" PRId64 " isn't bound: %s", job->job_id, err.text);
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

static void judge(struct rain_gateway *gateway, struct rain_ask *ask)
{
	const struct rain_money *money = rain_money_of(gateway, ask->job.user);
	struct rain_note *note = rain_note_of(rain_asks_of(gateway), ask->job.job_id, ask->job.submit_time);
	char sentence[RAIN_DECIDE_SENTENCE] = "";
	struct rain_decide_peer offers[RAIN_ASK_PEERS];
	size_t from[RAIN_ASK_PEERS], count = 0;
	int64_t now = rain_clock_monotonic_ms();
	struct rain_decide_money d;
	int best;

	if (!money || !still_waits(gateway, ask))
		return;
	for (size_t i = 0; i < ask->count; i++) {
		if (ask->peers[i].answer != RAIN_ANSWER_OFFER || ask->peers[i].until_ms <= now)
			continue;
		from[count] = i;
		offers[count++] = (struct rain_decide_peer){ .name = ask->peers[i].peer->name,
							    .ceiling_utok = ask->peers[i].terms.ceiling_utok,
							    .latency_ms = ask->peers[i].peer->latency_ms };
	}
	if (!count)
		return;
	d = (struct rain_decide_money){ ask->job.user, money->available_utok, ask->job.max_utok };
	best = rain_decide_offer(offers, count, &d, sentence);
	if (best >= 0)
		order(gateway, ask, from[best], sentence);
	if (sentence[0] && note)
		strcpy(note->sentence, sentence);
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
