/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The owner's hand on lending: operations `recall` and `offers` of the control
 * socket. */
#include <inttypes.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "federation/candidates.h"

#define RECALL_MAX_S (365 * 24 * 3600)

/* --- recall --- */

int rain_owner_evict(struct rain_gateway *gateway, const struct rain_peer *peer, const char *user,
		     const char *reason, int64_t *count, struct rain_error *err)
{
	struct rain_lender_extra extra = { .reason = reason };

	*count = 0;
	for (struct rain_live_loan *loan = rain_mind_of(gateway)->loans; loan; loan = loan->next) {
		int changed;

		if ((peer && loan->row.peer != peer->row) || (user && strcmp(loan->row.user, user) != 0))
			continue;
		changed = rain_lender_do(gateway, loan->row.id, (struct rain_loan_event){ .type = RAIN_LOAN_EVENT_EVICT },
					 &extra, err);
		if (changed < 0)
			return -1;
		*count += changed;
	}
	return 0;
}

/* {peer?, for_s?, end?}: nothing is lent for so long (to nobody, else to whom it
 * isn't paused anyway), and who is here goes. */
json_t *rain_owner_op_recall(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
			     struct rain_error *err)
{
	struct rain_gateway *gateway = arg;
	const char *name;
	const struct rain_peer *peer = NULL;
	int64_t for_s, until_ms = 0, count = 0;

	if (!rain_gateway_is_administrator(gateway, caller->uid)) {
		rain_error_set(err, "only administrators (ledger.administrators in rain.conf) may send guests away");
		return NULL;
	}
	if (rain_json_string_or(request, "peer", 64, NULL, &name, err) ||
	    rain_json_int_or(request, "for_s", 0, RECALL_MAX_S, 0, &for_s, err))
		return NULL;
	if (name && !(peer = rain_peers_by_name(gateway->peers, name))) {
		rain_error_set(err, "there is no peer '%s': see 'rain peer list'", name);
		return NULL;
	}
	if (!rain_mind_of(gateway)->recovered) {
		rain_error_set(err, "the gateway can't read its database yet: try again when PostgreSQL runs");
		return NULL;
	}
	/* First nobody new, then out with the others. */
	if (for_s)
		until_ms = rain_clock_realtime_ms() + for_s * 1000;
	if (!peer && rain_peers_recall(gateway, until_ms, err) < 0)
		return NULL;
	if (!json_is_true(json_object_get(request, "end")) &&
	    rain_owner_evict(gateway, peer, NULL, "the owner took the machine back", &count, err) < 0)
		return NULL;
	rain_log_info("recalled peer=%s guests=%" PRId64 " for_s=%" PRId64 " uid=%u", peer ? peer->name : "all", count,
		      for_s, (unsigned)caller->uid);
	return json_pack("{s:I, s:I}", "guests", (json_int_t)count, "until_ms", (json_int_t)until_ms);
}

/* --- offers --- */

static json_t *theirs(struct rain_gateway *gateway, const struct rain_peer *peer)
{
	const json_t *lend = json_object_get(json_object_get(peer->card, "capabilities"), "lend");
	const struct rain_room *room = rain_room_of(rain_asks_of(gateway), peer->row, false);
	int64_t now = rain_clock_monotonic_ms();
	const char *state = "open", *reason = "";

	if (peer->borrow_paused) {
		state = "paused";
		reason = "none of our jobs go there: see rain peer resume";
	} else if (!peer->protocol) {
		state = "incompatible";
		reason = "it speaks no version of the protocol that we speak: the older of us has to be updated";
	} else if (!rain_mind_peer_is_near(peer)) {
		state = "away";
		reason = "it can't be reached";
	} else if (json_integer_value(json_object_get(lend, "nodes")) == 0) {
		state = "closed";
		reason = "it lends nothing just now";
	} else if (room && room->until_ms > now) {
		state = rain_room_is_throttled(room) ? "throttled" : "full";
		reason = room->reason;
	}
	return json_pack("{s:s, s:O?, s:s, s:s}", "peer", peer->name, "lend", lend, "state", state, "reason", reason);
}

static json_t *ours(struct rain_gateway *gateway, const struct rain_peer *peer)
{
	const struct rain_config_bounds *b = rain_lender_bounds(gateway, peer->name, NULL);
	struct rain_lender_answer answer = { .reason = "" };
	bool lends = rain_lender_lends(gateway, peer, &answer);
	int64_t nodes = 0, cores = 0, guests = 0;

	for (const struct rain_live_loan *l = rain_mind_of(gateway)->loans; l; l = l->next)
		if (l->row.peer == peer->row && !rain_loan_is_over(&l->row.record)) {
			guests++;
			nodes += l->row.shape.nodes;
			cores += rain_shape_cores(&l->row.shape);
		}
	return json_pack("{s:s, s:b, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "peer", peer->name, "lends", lends, "reason",
			 answer.reason, "max_nodes", (json_int_t)b->max_nodes, "max_minutes", (json_int_t)b->max_minutes,
			 "max_cores", (json_int_t)b->max_cores, "percent", (json_int_t)b->price_percent, "guests",
			 (json_int_t)guests, "nodes", (json_int_t)nodes, "cores", (json_int_t)cores);
}

json_t *rain_owner_op_offers(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
			     struct rain_error *err)
{
	struct rain_gateway *gateway = arg;
	json_t *their = json_array(), *our = json_array();

	(void)caller;
	(void)request;
	(void)err;
	for (size_t i = 0; i < rain_peers_count(gateway->peers); i++) {
		const struct rain_peer *peer = rain_peers_at(gateway->peers, i);

		if (peer->removed)
			continue;
		json_array_append_new(their, theirs(gateway, peer));
		json_array_append_new(our, ours(gateway, peer));
	}
	return json_pack("{s:o, s:o, s:I}", "theirs", their, "ours", our, "recalled_until_ms",
			 (json_int_t)rain_peers_recalled_until(gateway->peers));
}
