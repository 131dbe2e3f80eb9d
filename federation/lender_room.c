/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Peers that found no room here stand in line: when there is some, the one that the policy puts
 * first hears it, and a while later the next, if some is left. */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "federation/lender_internal.h"

#define GATHER_MS 10	 /* nodes often become free together */
#define COLLECT_MS 100	 /* for who was told, to ask; others who ask meanwhile wait for it */
#define NEXT_MS 1000	 /* what is left then is the next one's */
#define LOOKS_MAX 8	 /* for the same nodes: perhaps they can't be had */
#define LOOK_EVERY_MS 4000 /* while somebody stands in line: owners' jobs end, too */

struct rain_turned_away {
	struct rain_turned_away *next;
	struct rain_lender_ask ask; /* its last one */
};

/* For nodes to give away, unless a look is due by then. */
static void look_in(struct rain_leases *leases, int64_t ms)
{
	const struct timeval delay = { ms / 1000, ms % 1000 * 1000 };

	if (leases->turned_away && leases->looks < LOOKS_MAX &&
	    (ms < NEXT_MS || !event_pending(leases->room, EV_TIMEOUT, NULL)))
		event_add(leases->room, &delay);
}

void rain_room_turned_away(struct rain_gateway *gateway, const struct rain_lender_ask *ask)
{
	struct rain_leases *leases = rain_leases_of(gateway);
	struct rain_turned_away *t = leases->turned_away;

	while (t && t->ask.peer != ask->peer)
		t = t->next;
	if (!t) {
		t = calloc(1, sizeof *t);
		if (!t)
			return; /* it asks again by itself */
		t->next = leases->turned_away;
		leases->turned_away = t;
	}
	t->ask = *ask;
	look_in(leases, NEXT_MS);
}

static void forget(struct rain_leases *leases, const struct rain_turned_away *which)
{
	struct rain_turned_away **at = &leases->turned_away, *t;

	while ((t = *at) != which)
		at = &t->next;
	*at = t->next;
	free(t);
}

struct telling {
	struct rain_gateway *gateway;
	int64_t nodes;		       /* that are left; of them … */
	int64_t share;		       /* … so many are for: */
	struct rain_turned_away *told; /* NULL: nobody whose last job would fit */
};

static bool could_use(const struct rain_turned_away *t, int64_t nodes)
{
	return !t->ask.peer->removed && t->ask.shape.nodes <= nodes && t->ask.credit_utok > 0;
}

/* Who comes first; those whom we owe as much have a share. */
static int choose(PGconn *tx, struct telling *telling, struct rain_error *err)
{
	struct rain_turned_away *line = rain_leases_of(telling->gateway)->turned_away, *first = NULL;
	int64_t equals = 0;

	for (struct rain_turned_away *t = line; t; t = t->next) {
		if (rain_lender_ask_credit(telling->gateway, tx, &t->ask, err))
			return -1;
		if (could_use(t, telling->nodes) &&
		    (!first || rain_lender_ask_before(telling->gateway, &t->ask, &first->ask)))
			first = t;
	}
	telling->told = first;
	if (!first)
		return 0;
	for (const struct rain_turned_away *t = line; t; t = t->next)
		equals += could_use(t, telling->nodes) && t->ask.owed_utok == first->ask.owed_utok;
	telling->share = (telling->nodes + equals - 1) / equals;
	if (telling->share < first->ask.shape.nodes)
		telling->share = first->ask.shape.nodes;
	return 0;
}

static int tell_work(PGconn *tx, void *arg, struct rain_error *err)
{
	struct telling *telling = arg;
	struct rain_message m = { .type = RAIN_MESSAGE_REFUSE, .capacity = true, .room = true, .line = true };

	if (choose(tx, telling, err))
		return -1;
	m.free_nodes = m.extra_nodes = telling->share;
	return telling->told ? rain_mind_send(telling->gateway, tx, telling->told->ask.peer, telling->told->ask.id, &m, err)
			     : 0;
}

void rain_room_taken(struct rain_leases *leases, int64_t nodes)
{
	leases->told_nodes = leases->told_nodes > nodes ? leases->told_nodes - nodes : 0;
}

/* What nobody has, is promised, or has just been told of. */
static int64_t nodes_left(const struct rain_gateway *gateway)
{
	const struct rain_leases *leases = rain_leases_of(gateway);
	int64_t nodes = rain_lender_least(leases->nodes_idle - rain_leases_nodes_promised(gateway),
					  rain_lender_nodes_left(gateway));

	if (rain_clock_monotonic_ms() - leases->told_ms < NEXT_MS)
		nodes -= leases->told_nodes;
	return rain_lender_least(nodes, RAIN_NODES_MAX);
}

void rain_room_seen(struct rain_gateway *gateway)
{
	struct rain_leases *leases = rain_leases_of(gateway);
	struct telling telling = { .gateway = gateway, .nodes = nodes_left(gateway) };
	int64_t now = rain_clock_monotonic_ms();
	struct rain_error err;

	if (now - leases->told_ms >= NEXT_MS)
		leases->told_nodes = 0;
	while (leases->turned_away && telling.nodes > 0) {
		if (rain_store_transaction(gateway->store, tell_work, &telling, &err)) {
			rain_log_debug("nobody is told of free nodes: %s", err.text);
			break;
		}
		if (!telling.told)
			break;
		telling.nodes -= telling.share;
		leases->told_nodes += telling.share;
		leases->told_ms = now;
		leases->collect_ms = now + COLLECT_MS;
		forget(leases, telling.told); /* its next ask puts it in line again */
	}
	look_in(leases, NEXT_MS);
}

static void on_room(evutil_socket_t fd, short what, void *arg)
{
	struct rain_gateway *gateway = arg;
	struct rain_leases *leases = rain_leases_of(gateway);

	(void)fd;
	(void)what;
	if (!leases->turned_away)
		return;
	leases->looks++;
	look_in(leases, NEXT_MS); /* it may take Slurm a moment, or the one who is told doesn't want it */
	rain_leases_look(gateway);
}

void rain_room_again(struct rain_gateway *gateway)
{
	struct rain_leases *leases = rain_leases_of(gateway);

	leases->read_ms = 0; /* the picture shows them as taken */
	leases->looks = 0;
	look_in(leases, GATHER_MS);
}

bool rain_room_is_to_look(const struct rain_leases *leases)
{
	return leases->turned_away && rain_clock_monotonic_ms() - leases->asked_ms > LOOK_EVERY_MS;
}

int rain_room_start(struct rain_gateway *gateway, struct rain_error *err)
{
	struct rain_leases *leases = rain_leases_of(gateway);

	leases->room = event_new(gateway->base, -1, 0, on_room, gateway);
	return leases->room ? 0 : rain_error_set(err, "out of memory for events");
}

void rain_room_stop(struct rain_leases *leases)
{
	while (leases->turned_away)
		forget(leases, leases->turned_away);
	if (leases->room)
		event_free(leases->room);
}
