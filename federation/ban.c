/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Users of peers whose jobs the owner doesn't take: rain peer ban, unban, bans. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"
#include "federation/mind.h"

#define BAN_REASON_MAX 200 /* bytes, as in the database */

int rain_ban_find(PGconn *tx, const struct rain_peer *peer, const char *user, char reason[RAIN_REASON_SIZE],
		  struct rain_error *err)
{
	char row[RAIN_STORE_INT64_SIZE];
	PGresult *rows = rain_store_query(tx, err,
		"SELECT FROM federation.ban WHERE peer_id = $1::bigint AND remote_user = $2", 2,
		rain_store_format_int64(peer->row, row), user);
	int found;

	if (!rows)
		return -1;
	found = PQntuples(rows) > 0;
	PQclear(rows);
	if (found)
		/* Why is between the owner and the log. */
		snprintf(reason, RAIN_REASON_SIZE, "its owner doesn't take jobs of %s", user);
	return found;
}

/* --- ban, unban --- */

struct ban {
	const struct rain_peer *peer;
	const char *user, *reason;
	bool found; /* of lift: there was one */
};

/* What an administrator asks; -1 with err. */
static int read_request(struct rain_gateway *gateway, const struct rain_rpc_caller *caller, const json_t *request,
			struct ban *ban, struct rain_error *err)
{
	const char *name;

	if (!rain_gateway_is_administrator(gateway, caller->uid))
		return rain_error_set(err, "only administrators (ledger.administrators in rain.conf) may ban users");
	if (rain_json_string(request, "peer", 64, &name, err) ||
	    rain_json_string(request, "user", RAIN_USER_SIZE - 1, &ban->user, err) ||
	    rain_json_string_or(request, "reason", BAN_REASON_MAX, "", &ban->reason, err))
		return -1;
	if (!rain_mind_of(gateway)->recovered)
		return rain_error_set(err, "the gateway can't read its database yet: try again when PostgreSQL runs");
	ban->peer = rain_peers_by_name(gateway->peers, name);
	if (!ban->peer || ban->peer->removed)
		return rain_error_set(err, "there is no peer '%s': see 'rain peer list'", name);
	if (!*ban->user)
		return rain_error_set(err, "say which user of %s, by the name there", name);
	return 0;
}

static int set_work(PGconn *tx, void *arg, struct rain_error *err)
{
	const struct ban *ban = arg;
	char row[RAIN_STORE_INT64_SIZE];

	return rain_store_execute(tx, err,
		"INSERT INTO federation.ban (peer_id, remote_user, reason) VALUES ($1::bigint, $2, $3)"
		" ON CONFLICT (peer_id, remote_user) DO UPDATE SET reason = excluded.reason", 3,
		rain_store_format_int64(ban->peer->row, row), ban->user, ban->reason);
}

/* {peer, user, reason?}: from now on nothing for this user, and what it has here goes. */
json_t *rain_ban_op_set(void *arg, const struct rain_rpc_caller *caller, const json_t *request, struct rain_error *err)
{
	struct rain_gateway *gateway = arg;
	struct ban ban = { 0 };
	int64_t count;

	/* First nobody new, then out with the others. */
	if (read_request(gateway, caller, request, &ban, err) ||
	    rain_store_transaction(gateway->store, set_work, &ban, err) ||
	    rain_owner_evict(gateway, ban.peer, ban.user, "the owner doesn't take this user's jobs", &count, err))
		return NULL;
	rain_log_info("banned user=%s peer=%s guests=%" PRId64 " uid=%u reason=\"%s\"", ban.user, ban.peer->name, count,
		      (unsigned)caller->uid, ban.reason);
	return json_pack("{s:I}", "guests", (json_int_t)count);
}

static int lift_work(PGconn *tx, void *arg, struct rain_error *err)
{
	struct ban *ban = arg;
	char row[RAIN_STORE_INT64_SIZE];
	PGresult *rows = rain_store_query(tx, err,
		"DELETE FROM federation.ban WHERE peer_id = $1::bigint AND remote_user = $2 RETURNING 1", 2,
		rain_store_format_int64(ban->peer->row, row), ban->user);

	if (!rows)
		return -1;
	ban->found = PQntuples(rows) > 0;
	PQclear(rows);
	return 0;
}

json_t *rain_ban_op_lift(void *arg, const struct rain_rpc_caller *caller, const json_t *request, struct rain_error *err)
{
	struct rain_gateway *gateway = arg;
	struct ban ban = { 0 };

	if (read_request(gateway, caller, request, &ban, err) ||
	    rain_store_transaction(gateway->store, lift_work, &ban, err))
		return NULL;
	if (!ban.found) {
		rain_error_set(err, "%s of %s is not banned: see 'rain peer bans'", ban.user, ban.peer->name);
		return NULL;
	}
	rain_log_info("ban is lifted user=%s peer=%s uid=%u", ban.user, ban.peer->name, (unsigned)caller->uid);
	return json_object();
}

/* --- bans --- */

static int list_work(PGconn *tx, void *arg, struct rain_error *err)
{
	json_t *list = arg;
	PGresult *rows = rain_store_query(tx, err,
		"SELECT p.name, b.remote_user, extract(epoch FROM b.since)::bigint, b.reason"
		" FROM federation.ban b JOIN federation.peer p USING (peer_id) WHERE p.removed_at IS NULL"
		" ORDER BY p.name, b.remote_user", 0);

	if (!rows)
		return -1;
	json_array_clear(list); /* a transaction may be tried again */
	for (int i = 0; i < PQntuples(rows); i++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:s}", "peer", rain_store_text(rows, i, 0), "user",
						      rain_store_text(rows, i, 1), "since",
						      (json_int_t)rain_store_int64(rows, i, 2), "reason",
						      rain_store_text(rows, i, 3)));
	PQclear(rows);
	return 0;
}

json_t *rain_ban_op_list(void *arg, const struct rain_rpc_caller *caller, const json_t *request, struct rain_error *err)
{
	struct rain_gateway *gateway = arg;
	json_t *list;

	(void)request;
	if (!rain_gateway_is_administrator(gateway, caller->uid)) {
		rain_error_set(err, "only administrators (ledger.administrators in rain.conf) see who is banned");
		return NULL;
	}
	list = json_array();
	if (rain_store_transaction(gateway->store, list_work, list, err)) {
		json_decref(list);
		return NULL;
	}
	return json_pack("{s:o}", "bans", list);
}
