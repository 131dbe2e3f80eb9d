// SPDX-License-Identifier: GPL-2.0-or-later
/* What people see of the peers: operation peer-list. */
#include <string.h>

#include "common/clock.h"
#include "federation/peers_internal.h"

/* How far back the success rate looks. */
#define SUCCESS_MS (INT64_C(30) * 24 * 3600 * 1000)

struct listing {
	struct rain_gateway *gateway;
	json_t *list;
};

const char *rain_peers_state(const struct rain_gateway *gateway, const struct rain_peer *peer)
{
	char **own = gateway->config->gateway.addresses;
	int64_t age = rain_clock_realtime_ms() - peer->last_contact_ms;

	if (peer->lost_count)
		return "diverged";
	if (!peer->protocol)
		return "incompatible"; /* no protocol version in common */
	if (peer->lend_paused && peer->borrow_paused)
		return "paused";
	if (rain_mailbox_is_polled(peer))
		return "up";
	if (peer->last_contact_ms && age < 3 * RAIN_LIMIT_HEARTBEAT_S * 1000 &&
	    peer->last_contact_ms >= peer->failed_ms)
		return "up";
	if (!peer->address_count && (!own || !own[0]))
		return "unreachable"; /* neither can dial the other */
	return "down";
}

static json_t *describe(const struct rain_gateway *gateway, const struct rain_peer *peer,
			const PGresult *rows, int row)
{
	json_t *addresses = json_array();

	for (size_t i = 0; i < peer->address_count; i++)
		json_array_append_new(addresses, json_string(peer->addresses[i]));
	return json_pack("{s:s,s:s,s:o,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:b,s:b,s:I,s:o,s:O}",
			 "name", peer->name,
			 "id", peer->id, "addresses", addresses, "state", rain_peers_state(gateway, peer),
			 "last_contact_ms", (json_int_t)peer->last_contact_ms, "latency_ms",
			 (json_int_t)peer->latency_ms, "outbox", (json_int_t)rain_store_int64(rows, row, 1),
			 "refused", (json_int_t)rain_store_int64(rows, row, 2), "balance_utok",
			 (json_int_t)rain_store_int64(rows, row, 3), "held_utok",
			 (json_int_t)rain_store_int64(rows, row, 4), "available_utok",
			 (json_int_t)rain_store_int64(rows, row, 5), "credit_limit_utok",
			 (json_int_t)rain_store_int64(rows, row, 6), "ended",
			 (json_int_t)rain_store_int64(rows, row, 7), "lost",
			 (json_int_t)rain_store_int64(rows, row, 8), "evicted",
			 (json_int_t)rain_store_int64(rows, row, 9), "disputed",
			 (json_int_t)rain_store_int64(rows, row, 10), "lend_paused", peer->lend_paused,
			 "borrow_paused", peer->borrow_paused, "protocol", (json_int_t)peer->protocol,
			 "clock_ahead_ms", peer->clock_known ? json_integer(peer->clock_ahead_ms) : json_null(),
			 "card", peer->card);
}

static int list_work(PGconn *tx, void *arg, struct rain_error *err)
{
	struct listing *listing = arg;
	char since[RAIN_STORE_INT64_SIZE];
	PGresult *rows;

	json_array_clear(listing->list);
	rows = rain_store_query(tx, err,
				"SELECT p.peer_id, p.outbox_seq - p.outbox_acked, p.refused, "
				"b.balance, b.held, b.available, b.credit_limit, "
				"f.ended, f.lost, f.evicted, "
				"(SELECT count(*) FROM federation.receipt r WHERE r.peer_id = p.peer_id "
				"AND r.disputed IS NOT NULL) + (SELECT count(*) FROM "
				"federation.receipt_refused r WHERE r.peer_id = p.peer_id) "
				"FROM federation.peer p "
				"LEFT JOIN LATERAL ledger.balance('peer:' || p.name) b ON true "
				/* what became of our jobs there */
				"LEFT JOIN LATERAL (SELECT "
				"count(*) FILTER (WHERE outcome IN ('exited', 'cancelled', 'timeout')) AS ended, "
				"count(*) FILTER (WHERE outcome = 'lost') AS lost, "
				"count(*) FILTER (WHERE outcome = 'evicted') AS evicted "
				"FROM federation.burst u WHERE u.peer_id = p.peer_id "
				"AND u.changed_ms > $1::bigint) f ON true "
				"WHERE p.removed_at IS NULL ORDER BY p.name",
				1, rain_store_format_int64(rain_clock_realtime_ms() - SUCCESS_MS, since));
	if (!rows)
		return -1;
	for (int i = 0; i < PQntuples(rows); i++) {
		const struct rain_peer *peer = rain_peers_by_row(listing->gateway->peers,
								 rain_store_int64(rows, i, 0));

		if (peer && !peer->removed)
			json_array_append_new(listing->list,
					      describe(listing->gateway, peer, rows, i));
	}
	PQclear(rows);
	return 0;
}

json_t *rain_peers_op_list(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
			   struct rain_error *err)
{
	struct listing listing = {arg, json_array()};
	struct rain_gateway *gateway = arg;
	json_t *result = NULL;

	(void)caller;
	(void)request;
	if (rain_store_transaction(gateway->store, list_work, &listing, err) == 0)
		result = json_pack("{s:s,s:s,s:I,s:o,s:O}", "cluster", gateway->config->cluster_name, "id",
				   gateway->identity.id, "now_ms",
				   (json_int_t)rain_clock_realtime_ms(), "card", rain_peers_own_card(gateway, NULL), "peers",
				   listing.list);
	json_decref(listing.list);
	return result;
}

const struct rain_rpc_op rain_peers_ops[] = {
	{"peer-invite", rain_peers_op_invite},
	{"peer-accept", rain_peers_op_accept},
	{"peer-join", rain_peers_op_join},
	{"peer-list", rain_peers_op_list},
	{"peer-pause", rain_peers_op_pause},
	{"peer-limit", rain_peers_op_limit},
	{"peer-remove", rain_peers_op_remove},
	{NULL, NULL},
};
