/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Peers that found no room here hear when there is some again: all at once, so that the order
 * among them is the policy's, and not who happens to ask first. */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "federation/lender_internal.h"

#define REMEMBERED_MS 60000 /* who was turned away longer ago asks again by itself */
#define GATHER_MS 10	    /* nodes often become free together */
#define COLLECT_MS 100	    /* for those who were told, to ask */

struct rain_turned_away {
	struct rain_turned_away *next;
	int64_t peer, at_ms;
	char id[RAIN_UUID_SIZE]; /* of its last ask */
};

void rain_room_turned_away(struct rain_gateway *gateway, const struct rain_lender_ask *ask)
{
	struct rain_leases *leases = rain_leases_of(gateway);
	struct rain_turned_away *t = leases->turned_away;

	while (t && t->peer != ask->peer->row)
		t = t->next;
	if (!t) {
		t = calloc(1, sizeof *t);
		if (!t)
			return; /* it asks again by itself */
		t->peer = ask->peer->row;
		t->next = leases->turned_away;
		leases->turned_away = t;
	}
	t->at_ms = rain_clock_monotonic_ms();
	strcpy(t->id, ask->id);
}

void rain_room_forget(struct rain_leases *leases)
{
	struct rain_turned_away *t;

	while ((t = leases->turned_away)) {
		leases->turned_away = t->next;
		free(t);
	}
	leases->freed_nodes = 0;
}

static int tell_work(PGconn *tx, void *arg, struct rain_error *err)
{
	struct rain_gateway *gateway = arg;
	const struct rain_leases *leases = rain_leases_of(gateway);
	struct rain_message m = { .type = RAIN_MESSAGE_REFUSE, .capacity = true, .room = true,
				  .free_nodes = leases->freed_nodes, .extra_nodes = leases->freed_nodes };
	int64_t now = rain_clock_monotonic_ms();

	if (m.free_nodes > RAIN_NODES_MAX)
		m.free_nodes = m.extra_nodes = RAIN_NODES_MAX;
	for (const struct rain_turned_away *t = leases->turned_away; t; t = t->next) {
		const struct rain_peer *peer = rain_mind_peer(gateway, t->peer);

		if (peer && now - t->at_ms < REMEMBERED_MS && rain_mind_send(gateway, tx, peer, t->id, &m, err))
			return -1;
	}
	return 0;
}

static void on_room(evutil_socket_t fd, short what, void *arg)
{
	struct rain_gateway *gateway = arg;
	struct rain_leases *leases = rain_leases_of(gateway);
	struct rain_error err;

	(void)fd;
	(void)what;
	if (leases->turned_away && rain_store_transaction(gateway->store, tell_work, gateway, &err))
		rain_log_debug("peers aren't told of free nodes: %s", err.text);
	else if (leases->turned_away)
		leases->collect_ms = rain_clock_monotonic_ms() + COLLECT_MS;
	rain_room_forget(leases);
}

void rain_room_again(struct rain_gateway *gateway, int64_t nodes)
{
	struct rain_leases *leases = rain_leases_of(gateway);
	struct timeval delay = { 0, GATHER_MS * 1000 };

	leases->read_ms = 0; /* the picture shows them as taken */
	leases->freed_nodes += nodes;
	if (leases->turned_away && !event_pending(leases->room, EV_TIMEOUT, NULL))
		event_add(leases->room, &delay);
}

int rain_room_start(struct rain_gateway *gateway, struct rain_error *err)
{
	struct rain_leases *leases = rain_leases_of(gateway);

	leases->room = event_new(gateway->base, -1, 0, on_room, gateway);
	return leases->room ? 0 : rain_error_set(err, "out of memory for events");
}

void rain_room_stop(struct rain_leases *leases)
{
	rain_room_forget(leases);
	if (leases->room)
		event_free(leases->room);
}
