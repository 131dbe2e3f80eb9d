/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks of peers: collected until the picture of the nodes is fresh, then answered in order. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "common/clock.h"
#include "common/log.h"
#include "federation/lender_internal.h"
#include "federation/system.h"

#define FRESH_MS 1000	   /* a picture of the nodes this old will do */
#define LEASE_TOLD_MS 5000 /* how long we say that an offer holds */
#define ANSWER_MS 5000
#define PENDING_MAX 256	   /* asks that wait for the broker */
#define CAPACITY_EVERY_MS 30000

static bool lends(const struct rain_gateway *gateway)
{
	return gateway->config->lend.enabled && gateway->config->lend.guest_uid_max > 0;
}

int rain_lender_ask_credit(struct rain_gateway *gateway, PGconn *tx, struct rain_lender_ask *p, struct rain_error *err)
{
	PGresult *rows = rain_store_query(tx, err,
		"SELECT ledger.account_available(ledger.account_id('peer:' || $1))", 1, p->peer->name);

	if (!rows)
		return -1;
	p->limit_utok = rain_store_int64(rows, 0, 0);
	PQclear(rows);
	return rain_standing_credit(gateway, tx, p->peer, rain_leases_tokens_promised(gateway, p->peer->row), &p->credit_utok,
				    &p->owed_utok, err);
}

bool rain_lender_ask_before(const struct rain_gateway *gateway, const struct rain_lender_ask *a,
			    const struct rain_lender_ask *b)
{
	struct rain_candidate x = { .submitted = a->asked_ms, .owed = a->owed_utok,
				    .expected = (int32_t)(a->expected_s ? a->expected_s : a->shape.minutes * 60) };
	struct rain_candidate y = { .submitted = b->asked_ms, .owed = b->owed_utok,
				    .expected = (int32_t)(b->expected_s ? b->expected_s : b->shape.minutes * 60) };

	return rain_overflow_ask_before(&rain_policy_of(gateway)->rule, &x, &y);
}

static void sort_pending(struct rain_gateway *gateway)
{
	struct rain_lender_ask *sorted = NULL, *p, **at;

	while ((p = rain_leases_of(gateway)->pending)) {
		rain_leases_of(gateway)->pending = p->next;
		for (at = &sorted; *at && !rain_lender_ask_before(gateway, p, *at); at = &(*at)->next)
			;
		p->next = *at;
		*at = p;
	}
	rain_leases_of(gateway)->pending = sorted;
}

static int answer_one(struct rain_gateway *gateway, PGconn *tx, struct rain_lender_ask *p, struct rain_error *err)
{
	struct rain_message m = { .lease_ms = LEASE_TOLD_MS };
	int banned;

	/* What was just promised to the same peer counts. */
	if (rain_lender_ask_credit(gateway, tx, p, err))
		return -1;
	p->credit_left_utok = 0;
	p->offer = p->capacity = false;
	banned = rain_ban_find(tx, p->peer, p->user, p->reason, err);
	if (banned < 0)
		return -1;
	if (!banned)
		rain_lender_decide(gateway, p);
	if (p->offer)
		rain_leases_make(gateway, p); /* the next in line must see it */
	else
		rain_log_debug("refused peer=%s burst=%s: %s", p->peer->name, p->id, p->reason);
	m.type = p->offer ? RAIN_MESSAGE_OFFER : RAIN_MESSAGE_REFUSE;
	m.terms = p->terms;
	m.capacity = p->capacity;
	if (p->offer ? p->waiting > 0 : m.capacity)
		rain_room_turned_away(gateway, p);
	m.line = m.capacity;
	if (m.capacity && p->room.extra < p->room.free) {
		m.free_nodes = rain_lender_least(p->room.free, RAIN_NODES_MAX);
		m.extra_nodes = rain_lender_least(p->room.extra, RAIN_NODES_MAX);
		m.window_s = rain_lender_least(p->room.window, RAIN_MINUTES_MAX * 60);
	}
	m.credit_utok = p->credit_left_utok;
	strcpy(m.reason, p->reason);
	return rain_mind_send(gateway, tx, p->peer, p->id, &m, err);
}

static int answer_work(PGconn *tx, void *arg, struct rain_error *err)
{
	struct rain_gateway *gateway = arg;

	for (struct rain_lender_ask *p = rain_leases_of(gateway)->pending; p; p = p->next)
		if (rain_lender_ask_credit(gateway, tx, p, err))
			return -1;
	sort_pending(gateway);
	for (struct rain_lender_ask *p = rain_leases_of(gateway)->pending; p; p = p->next)
		if (answer_one(gateway, tx, p, err))
			return -1;
	return 0;
}

static void answer_all(struct rain_gateway *gateway)
{
	struct rain_leases *leases = rain_leases_of(gateway);
	struct rain_lender_ask *p;
	struct rain_error err;

	rain_leases_expire(leases);
	if (leases->pending && rain_store_transaction(gateway->store, answer_work, gateway, &err)) {
		rain_log_warning("asks of peers can't be answered: %s", err.text);
		for (p = leases->pending; p; p = p->next)
			rain_leases_drop(gateway, p->id);
	}
	while ((p = leases->pending)) { /* who hears nothing asks again */
		leases->pending = p->next;
		leases->pending_count--;
		free(p);
	}
}

/* Whether our card says something else now. */
static bool read_capacity(struct rain_leases *leases, const json_t *result)
{
	int64_t total = leases->nodes_total, cpus = leases->cpus_per_node, mem = leases->mem_mb_per_node;
	const char *reason = json_string_value(json_object_get(result, "reason"));
	const char *arch = json_string_value(json_object_get(result, "arch"));

	leases->nodes_idle = json_integer_value(json_object_get(result, "nodes_idle"));
	leases->nodes_planned = json_integer_value(json_object_get(result, "nodes_planned"));
	leases->window_ms = leases->asked_ms + 1000 * json_integer_value(json_object_get(result, "window_s"));
	leases->nodes_total = json_integer_value(json_object_get(result, "nodes_total"));
	leases->cpus_per_node = json_integer_value(json_object_get(result, "cpus_per_node"));
	leases->mem_mb_per_node = json_integer_value(json_object_get(result, "mem_mb_per_node"));
	snprintf(leases->reason, sizeof leases->reason, "%s", reason ? reason : "");
	snprintf(leases->arch, sizeof leases->arch, "%s", arch ? arch : "");
	leases->known = true;
	return total != leases->nodes_total || cpus != leases->cpus_per_node || mem != leases->mem_mb_per_node;
}

static void on_capacity(void *arg, const json_t *result, const char *error)
{
	struct rain_gateway *gateway = arg;
	struct rain_leases *leases = rain_leases_of(gateway);
	bool changed;

	leases->asking = false;
	if (result) {
		leases->read_ms = leases->asked_ms;
		changed = read_capacity(leases, result);
		changed |= rain_system_seen(gateway, result);
		if (changed && rain_peers_are_loaded(gateway->peers))
			rain_peers_card_announce(gateway);
	} else {
		leases->nodes_idle = leases->nodes_planned = 0;
		snprintf(leases->reason, sizeof leases->reason, "its Slurm can't be asked just now");
		rain_log_warning("the capacity for guests is not known: %s", error);
	}
	answer_all(gateway);
	if (result)
		rain_room_seen(gateway);
}

static void capacity_ask(struct rain_gateway *gateway)
{
	struct rain_leases *leases = rain_leases_of(gateway);
	json_t *request = json_pack("{s:s}", "op", "capacity");
	struct rain_error err;

	leases->asked_ms = rain_clock_monotonic_ms();
	leases->asking = request &&
			 rain_rpc_client_call(gateway->broker, request, ANSWER_MS, on_capacity, gateway, &err) == 0;
	json_decref(request);
}

void rain_leases_look(struct rain_gateway *gateway)
{
	if (!rain_leases_of(gateway)->asking && lends(gateway))
		capacity_ask(gateway);
}

static void on_answer(evutil_socket_t fd, short what, void *arg)
{
	struct rain_gateway *gateway = arg;
	struct rain_leases *leases = rain_leases_of(gateway);
	int64_t left = leases->collect_ms - rain_clock_monotonic_ms();

	(void)fd;
	(void)what;
	if (!leases->pending || leases->asking)
		return;
	if (left > 0) {
		event_add(leases->answer, &(struct timeval){ 0, left * 1000 });
		return;
	}
	if (!lends(gateway) ||
	    (leases->known && leases->read_ms && rain_clock_monotonic_ms() - leases->read_ms < FRESH_MS))
		answer_all(gateway);
	else
		capacity_ask(gateway);
}

void rain_leases_ask(struct rain_gateway *gateway, const struct rain_peer *peer, const struct rain_message *m)
{
	struct rain_leases *leases = rain_leases_of(gateway);
	struct rain_lender_ask **at = &leases->pending, *p;

	while ((p = *at) && strcmp(p->id, m->burst) != 0)
		at = &p->next;
	if (p || leases->pending_count >= PENDING_MAX || !(p = calloc(1, sizeof *p)))
		return;
	p->peer = rain_mind_peer(gateway, peer->row);
	strcpy(p->id, m->burst);
	strcpy(p->user, m->user);
	strcpy(p->arch, m->arch);
	p->shape = m->shape;
	p->expected_s = m->expected_s;
	p->waiting = m->waiting;
	p->asked_ms = rain_clock_monotonic_ms();
	*at = p; /* at the end */
	leases->pending_count++;
	event_active(leases->answer, EV_TIMEOUT, 0);
}

void rain_leases_tick(struct rain_gateway *gateway)
{
	struct rain_leases *leases = rain_leases_of(gateway);

	rain_leases_expire(leases);
	/* Our card tells what there is, so it should be known before anybody asks. */
	if (!leases->asking && lends(gateway) &&
	    (!leases->asked_ms || rain_room_is_to_look(leases) ||
	     rain_clock_monotonic_ms() - leases->asked_ms > CAPACITY_EVERY_MS))
		capacity_ask(gateway);
}

int64_t rain_leases_processors(const struct rain_gateway *gateway)
{
	const struct rain_leases *leases = rain_leases_of(gateway);

	return rain_lender_least(gateway->config->lend.bounds.max_nodes, leases->nodes_total) * leases->cpus_per_node;
}

json_t *rain_leases_card(struct rain_gateway *gateway, const struct rain_peer *peer)
{
	const struct rain_leases *leases = rain_leases_of(gateway);
	const struct rain_config_bounds *bounds = rain_lender_bounds(gateway, peer ? peer->name : "", NULL);
	struct rain_lender_answer answer;

	if (!rain_lender_lends(gateway, peer, &answer) || rain_config_mflops(gateway->config) == 0)
		return json_pack("{s:i}", "nodes", 0);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "nodes",
			 (json_int_t)(leases->known ? rain_lender_least(bounds->max_nodes, leases->nodes_total) : bounds->max_nodes),
			 "minutes", (json_int_t)bounds->max_minutes, "mflops", (json_int_t)rain_config_mflops(gateway->config),
			 "percent", (json_int_t)bounds->price_percent, "cpus_per_node",
			 (json_int_t)leases->cpus_per_node, "mem_mb_per_node", (json_int_t)leases->mem_mb_per_node,
			 "direct", 1);
}

int rain_leases_start(struct rain_gateway *gateway, struct rain_error *err)
{
	struct rain_leases *leases = calloc(1, sizeof *leases);
	struct utsname system;

	if (!leases)
		return rain_error_set(err, "out of memory");
	rain_mind_of(gateway)->leases = leases;
	if (uname(&system) == 0)
		snprintf(leases->arch, sizeof leases->arch, "%.*s", (int)sizeof leases->arch - 1, system.machine);
	leases->answer = event_new(gateway->base, -1, 0, on_answer, gateway);
	return leases->answer ? rain_room_start(gateway, err) : rain_error_set(err, "out of memory for events");
}

void rain_leases_stop(struct rain_gateway *gateway)
{
	struct rain_leases *leases = rain_leases_of(gateway);
	struct rain_lender_ask *p;

	if (!leases)
		return;
	while (leases->list)
		rain_leases_drop(gateway, leases->list->id);
	while ((p = leases->pending)) {
		leases->pending = p->next;
		free(p);
	}
	if (leases->answer)
		event_free(leases->answer);
	rain_room_stop(leases);
	free(leases);
	rain_mind_of(gateway)->leases = NULL;
}
