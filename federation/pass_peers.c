/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Peers as the policy sees them: their cards, what they said last, what is known of
 * them, and what of ours they have already. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "federation/policy.h"

#define OVERHEAD_UNKNOWN_S 10 /* until something has been sent there */

static const json_t *lend_of(const struct rain_peer *peer)
{
	return json_object_get(json_object_get(peer->card, "capabilities"), "lend");
}

static int64_t number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static int32_t bounded(int64_t value)
{
	return (int32_t)(value < 0 ? 0 : value > INT32_MAX ? INT32_MAX : value);
}

static void say_silence(const struct rain_peer *peer, char *said, size_t size)
{
	int64_t silent = (rain_clock_realtime_ms() - peer->last_contact_ms) / 60000;

	if (!peer->last_contact_ms)
		snprintf(said, size, "has not been reached yet");
	else if (silent < 1)
		snprintf(said, size, "does not answer");
	else
		snprintf(said, size, "has been unreachable for %lld min", (long long)silent);
}

/* Nodes of the peer that our jobs have, or are about to get. */
static int64_t nodes_in_use(const struct rain_gateway *gateway, const struct rain_peer *peer)
{
	const struct rain_mind *mind = rain_mind_of(gateway);
	int64_t nodes = 0;

	for (const struct rain_live_burst *b = mind->bursts; b; b = b->next)
		if (b->row.peer == peer->row && b->row.record.state <= RAIN_BURST_RUNNING)
			nodes += b->row.shape.nodes;
	for (const struct rain_ask *ask = mind->asks->list; ask; ask = ask->next)
		for (size_t i = 0; i < ask->count; i++)
			if (ask->peers[i].peer == peer && ask->peers[i].answer != RAIN_ANSWER_REFUSED)
				nodes += ask->job.shape.nodes;
	return nodes;
}

/* What it said when it had no room, or gave no more credit, holds for a while. */
static void apply_answers(struct rain_gateway *gateway, struct rain_view *view)
{
	const struct rain_room *room = rain_room_of(rain_asks_of(gateway), view->peer->row, false);
	int64_t now = rain_clock_monotonic_ms();

	if (!room)
		return;
	if (room->until_ms > now && room->nodes - 1 < view->capacity.free) {
		view->capacity.free = bounded(room->nodes - 1);
		snprintf(view->said, sizeof view->said, "%s", room->reason);
	}
	if (room->until_ms > now && room->window_ms > now && room->extra < view->capacity.free) {
		view->capacity.extra = bounded(room->extra);
		view->capacity.window = bounded((room->window_ms - now) / 1000);
	}
	if (room->credit_until_ms > now)
		view->capacity.credit = room->credit_utok;
}

static void apply_memory(struct rain_gateway *gateway, struct rain_view *view, int64_t mflops)
{
	const struct rain_policy *policy = rain_policy_of(gateway);
	const struct rain_policy_peer *known = rain_policy_peer(gateway, view->peer->row);
	int64_t home = rain_config_mflops(gateway->config), closed, claimed = 1000;

	if (home > 0 && mflops < INT32_MAX)
		claimed = mflops * 1000 / home;
	view->capacity.speed_permille = bounded(claimed > 0 ? claimed : 1);
	view->capacity.overhead = OVERHEAD_UNKNOWN_S;
	if (!known)
		return;
	view->capacity.overhead = rain_overhead_usual(&known->overhead, OVERHEAD_UNKNOWN_S);
	view->capacity.owes = known->standing.lent - known->standing.borrowed;
	if (!policy->rule.verifies)
		return;
	view->capacity.speed_permille =
		rain_trust_speed(&known->trust, &policy->home, view->capacity.speed_permille);
	closed = known->trust.closed_until - rain_clock_realtime_ms() / 1000;
	if (closed > 0 && view->capacity.closed == RAIN_OVERFLOW_GO) {
		view->capacity.closed = RAIN_OVERFLOW_EVICTS;
		snprintf(view->said, sizeof view->said, "%lld min", (long long)(closed + 59) / 60);
	}
}

static void view_fill(struct rain_gateway *gateway, struct rain_peer *peer, struct rain_view *view)
{
	const json_t *lend = lend_of(peer);
	struct rain_capacity *c = &view->capacity;

	view->peer = peer;
	view->direct = json_is_true(json_object_get(lend, "direct"));
	*c = (struct rain_capacity){
		.window = INT32_MAX, .credit = INT64_MAX,
		.nodes = bounded(number(lend, "nodes")), .minutes = bounded(number(lend, "minutes")),
		.cpus_per_node = bounded(number(lend, "cpus_per_node")),
		.mem_mb_per_node = number(lend, "mem_mb_per_node"),
		.mflops = number(lend, "mflops"), .percent = number(lend, "percent"),
	};
	if (peer->borrow_paused) {
		c->closed = RAIN_OVERFLOW_AWAY;
		snprintf(view->said, sizeof view->said, "is paused here");
	} else if (!peer->protocol) {
		c->closed = RAIN_OVERFLOW_AWAY;
		snprintf(view->said, sizeof view->said, "speaks no version of the protocol that we speak");
	} else if (!rain_mind_peer_is_near(peer)) {
		c->closed = RAIN_OVERFLOW_AWAY;
		say_silence(peer, view->said, sizeof view->said);
	} else if (c->nodes == 0 || c->mflops <= 0) {
		c->closed = RAIN_OVERFLOW_MISER;
	}
	c->free = c->extra = bounded(c->nodes - nodes_in_use(gateway, peer));
	apply_answers(gateway, view);
	apply_memory(gateway, view, c->mflops);
	if (c->extra > c->free)
		c->extra = c->free;
}

struct rain_view *rain_views_create(struct rain_gateway *gateway, size_t *count)
{
	struct rain_view *views;

	*count = rain_peers_count(gateway->peers);
	views = *count ? calloc(*count, sizeof *views) : NULL;
	for (size_t i = 0; views && i < *count; i++)
		view_fill(gateway, rain_peers_at(gateway->peers, i), &views[i]);
	if (!views)
		*count = 0;
	return views;
}
