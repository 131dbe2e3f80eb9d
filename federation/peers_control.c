// SPDX-License-Identifier: GPL-2.0-or-later
/* What the owner decides about peers: pause, limit, remove, recall. */
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/tokens.h"
#include "federation/peers_internal.h"

/* The peer that an administrator names; NULL with err. */
static struct rain_peer *named(struct rain_gateway *gateway, const struct rain_rpc_caller *caller,
			       const json_t *request, struct rain_error *err)
{
	struct rain_peer *peer;
	const char *name;

	if (rain_peers_check_administrator(gateway, caller, err) < 0 ||
	    rain_json_string(request, "peer", 64, &name, err) < 0)
		return NULL;
	if (!rain_peers_are_loaded(gateway->peers)) {
		rain_error_set(err, "the gateway can't read its database yet: try again when "
				    "PostgreSQL runs");
		return NULL;
	}
	peer = rain_peers_by_name(gateway->peers, name);
	if (peer && !peer->removed)
		return peer;
	rain_error_set(err, "there is no peer '%s': see 'rain peer list'", name);
	return NULL;
}

/* ---- pause, resume ---- */

struct pause {
	const struct rain_peer *peer;
	bool lend, borrow; /* as they shall be */
};

static int pause_work(PGconn *tx, void *arg, struct rain_error *err)
{
	const struct pause *pause = arg;
	char row[RAIN_STORE_INT64_SIZE];

	return rain_store_execute(tx, err,
				  "UPDATE federation.peer SET lend_paused = $2::boolean, "
				  "borrow_paused = $3::boolean WHERE peer_id = $1::bigint",
				  3, rain_store_format_int64(pause->peer->row, row),
				  pause->lend ? "true" : "false", pause->borrow ? "true" : "false");
}

/* {peer, paused, lend?, borrow?}: what is true of lend and borrow becomes `paused`. */
json_t *rain_peers_op_pause(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
			    struct rain_error *err)
{
	struct rain_gateway *gateway = arg;
	struct rain_peer *peer = named(gateway, caller, request, err);
	bool paused = json_is_true(json_object_get(request, "paused"));
	struct pause pause;

	if (!peer)
		return NULL;
	pause = (struct pause){peer, peer->lend_paused, peer->borrow_paused};
	if (json_is_true(json_object_get(request, "lend")))
		pause.lend = paused;
	if (json_is_true(json_object_get(request, "borrow")))
		pause.borrow = paused;
	if (rain_store_transaction(gateway->store, pause_work, &pause, err) < 0)
		return NULL;
	peer->lend_paused = pause.lend;
	peer->borrow_paused = pause.borrow;
	rain_log_info("peer=%s is %s by uid=%u lend_paused=%d borrow_paused=%d", peer->name,
		      paused ? "paused" : "resumed", (unsigned)caller->uid, pause.lend, pause.borrow);
	rain_peers_card_announce(gateway);
	return json_pack("{s:b,s:b}", "lend_paused", pause.lend, "borrow_paused", pause.borrow);
}

/* ---- limit ---- */

struct limit {
	const struct rain_peer *peer;
	int64_t utok;
};

static int limit_work(PGconn *tx, void *arg, struct rain_error *err)
{
	const struct limit *limit = arg;
	char amount[RAIN_STORE_INT64_SIZE];

	return rain_store_execute(tx, err, "SELECT ledger.peer_limit_set($1, $2::bigint)", 2,
				  limit->peer->name, rain_store_format_int64(limit->utok, amount));
}

json_t *rain_peers_op_limit(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
			    struct rain_error *err)
{
	struct rain_gateway *gateway = arg;
	struct limit limit = {named(gateway, caller, request, err), 0};
	char text[RAIN_TOKENS_TEXT_SIZE];

	if (!limit.peer ||
	    rain_json_int(request, "limit_utok", 0, RAIN_TOKENS_MAX, &limit.utok, err) < 0 ||
	    rain_store_transaction(gateway->store, limit_work, &limit, err) < 0)
		return NULL;
	rain_log_info("peer=%s may owe %s tokens now, by uid=%u", limit.peer->name,
		      rain_tokens_format(limit.utok, text), (unsigned)caller->uid);
	return json_pack("{s:I}", "limit_utok", (json_int_t)limit.utok);
}

/* ---- remove ---- */

static int remove_work(PGconn *tx, void *arg, struct rain_error *err)
{
	const struct rain_peer *peer = arg;
	char row[RAIN_STORE_INT64_SIZE];
	int64_t bursts, loans;
	PGresult *rows;

	rain_store_format_int64(peer->row, row);
	rows = rain_store_query(tx, err,
				"SELECT (SELECT count(*) FROM federation.burst WHERE peer_id = $1::bigint "
				"AND state NOT IN ('settled', 'void')), "
				"(SELECT count(*) FROM federation.loan WHERE peer_id = $1::bigint "
				"AND state NOT IN ('closed', 'void'))",
				1, row);
	if (!rows)
		return -1;
	bursts = rain_store_int64(rows, 0, 0);
	loans = rain_store_int64(rows, 0, 1);
	PQclear(rows);
	if (bursts || loans)
		return rain_error_set(err, "%lld of our jobs are still there and %lld of theirs here: "
					   "'rain peer pause %s', then wait, or cancel ours and send "
					   "theirs away with 'rain recall %s'", (long long)bursts,
				      (long long)loans, peer->name, peer->name);
	return rain_store_execute(tx, err,
				  "UPDATE federation.peer SET removed_at = clock_timestamp() "
				  "WHERE peer_id = $1::bigint",
				  1, row);
}

json_t *rain_peers_op_remove(void *arg, const struct rain_rpc_caller *caller,
			     const json_t *request, struct rain_error *err)
{
	struct rain_gateway *gateway = arg;
	struct rain_peer *peer = named(gateway, caller, request, err);

	if (!peer || rain_store_transaction(gateway->store, remove_work, peer, err) < 0)
		return NULL;
	peer->removed = true;
	rain_log_info("peer=%s is removed by uid=%u", peer->name, (unsigned)caller->uid);
	return json_pack("{s:s}", "removed", peer->name);
}

/* ---- recall ---- */

int64_t rain_peers_recalled_until(const struct rain_peers *peers)
{
	return peers->recalled_until_ms > rain_clock_realtime_ms() ? peers->recalled_until_ms : 0;
}

static int recall_work(PGconn *tx, void *arg, struct rain_error *err)
{
	char until[RAIN_STORE_INT64_SIZE];

	return rain_store_execute(tx, err,
				  "UPDATE federation.cluster SET recalled_until = "
				  "to_timestamp($1::bigint / 1000.0)",
				  1, rain_store_format_int64(*(const int64_t *)arg, until));
}

int rain_peers_recall(struct rain_gateway *gateway, int64_t until_ms, struct rain_error *err)
{
	if (rain_store_transaction(gateway->store, recall_work, &until_ms, err) < 0)
		return -1;
	gateway->peers->recalled_until_ms = until_ms;
	rain_peers_card_announce(gateway);
	return 0;
}
