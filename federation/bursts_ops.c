/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What people see of bursts, candidates and loans: operations of the control
 * socket. */
#include <inttypes.h>
#include <string.h>

#include "common/json.h"
#include "federation/candidates.h"

#define LIST_MAX 500

struct listing {
	struct rain_gateway *gateway;
	const char *query;
	int64_t uid; /* -1: everybody's */
	json_t *list;
};

/* Rows as the database shows them, with the peer's name instead of its number. */
static int list_work(PGconn *tx, void *arg, struct rain_error *err)
{
	struct listing *listing = arg;
	char uid[RAIN_STORE_INT64_SIZE], limit[RAIN_STORE_INT64_SIZE];
	PGresult *rows = rain_store_query(tx, err, listing->query, 2, rain_store_format_int64(listing->uid, uid),
					  rain_store_format_int64(LIST_MAX, limit));

	if (!rows)
		return -1;
	json_array_clear(listing->list);
	for (int i = 0; i < PQntuples(rows); i++) {
		json_t *row = json_loads(rain_store_text(rows, i, 0), 0, NULL);
		if (row)
			json_array_append_new(listing->list, row);
	}
	PQclear(rows);
	return 0;
}

static json_t *list(struct rain_gateway *gateway, const char *query, int64_t uid, struct rain_error *err)
{
	struct listing listing = { gateway, query, uid, json_array() };

	if (rain_store_transaction(gateway->store, list_work, &listing, err) == 0)
		return listing.list;
	json_decref(listing.list);
	return NULL;
}

/* Open ones first, then what ended last. */
#define BURSTS(condition)                                                                                   \
	"SELECT (to_jsonb(b) - 'manifest' - 'peer_id' || jsonb_build_object('peer', p.name))::text"         \
	" FROM federation.burst b JOIN federation.peer p USING (peer_id)"                                   \
	" WHERE ($1::bigint < 0 OR b.uid = $1::bigint)" condition                                           \
	" ORDER BY b.changed_ms DESC LIMIT $2::bigint"
#define LOANS(condition)                                                                                    \
	"SELECT (to_jsonb(l) - 'manifest' - 'peer_id' || jsonb_build_object('peer', p.name))::text"         \
	" FROM federation.loan l JOIN federation.peer p USING (peer_id) WHERE $1::bigint < 0" condition     \
	" ORDER BY l.changed_ms DESC LIMIT $2::bigint"

static json_t *candidates(const struct rain_gateway *gateway, int64_t uid)
{
	json_t *result = json_array();

	for (const struct rain_note *n = rain_mind_of(gateway)->asks->notes; n; n = n->next)
		if (uid < 0 || uid == n->uid)
			json_array_append_new(result, json_pack(
				"{s:I, s:I, s:s, s:s, s:s, s:s, s:I, s:i, s:b, s:i, s:i}",
				"job_id", (json_int_t)n->job_id, "uid", (json_int_t)n->uid, "user_name", n->user,
				"job_name", n->name, "mode", n->only ? "only" : "auto", "sentence", n->sentence,
				"since_ms", (json_int_t)n->since_ms, "wait_s", (int)n->waits, "wait_longer",
				n->waits_more, "ahead", (int)n->ahead, "known", (int)n->known));
	return result;
}

/* "moving": {what, bytes, of}, while files are on their way. */
static void show_progress(const struct rain_gateway *gateway, json_t *row, const struct rain_fetch *fetches,
			  json_t *blobs, bool push, const char *owner, const char *what)
{
	int64_t at, size;

	if (rain_fetches_progress(gateway, fetches, blobs, push, owner, &at, &size))
		json_object_set_new(row, "moving", json_pack("{s:s, s:I, s:I}", "what", what, "bytes", (json_int_t)at,
							     "of", (json_int_t)size));
}

static void show_burst_progress(const struct rain_gateway *gateway, json_t *row, const char *id)
{
	const struct rain_live_burst *burst = rain_burst_live(gateway, id);
	char owner[RAIN_BLOB_OWNER_SIZE];
	json_t *blobs;

	if (!burst)
		return;
	snprintf(owner, sizeof owner, "uid-%" PRId64, burst->row.uid);
	if (burst->row.record.state == RAIN_BURST_PLACED && burst->row.record.inputs_given) {
		blobs = rain_fetches_of_manifest(burst->row.manifest);
		show_progress(gateway, row, burst->fetches, blobs, true, owner, "inputs");
		json_decref(blobs);
	} else if (burst->row.record.state >= RAIN_BURST_ENDED) {
		show_progress(gateway, row, burst->fetches, burst->row.outputs, false, owner, "outputs");
	}
}

static void show_loan_progress(const struct rain_gateway *gateway, json_t *row, const char *id)
{
	const struct rain_live_loan *loan = rain_loan_live(gateway, id);
	const struct rain_peer *peer = loan ? rain_mind_peer(gateway, loan->row.peer) : NULL;
	char owner[RAIN_BLOB_OWNER_SIZE];
	json_t *blobs;

	if (!peer || loan->row.record.staged || !loan->row.manifest)
		return;
	snprintf(owner, sizeof owner, "peer-%s", peer->name);
	blobs = rain_fetches_of_manifest(loan->row.manifest);
	show_progress(gateway, row, loan->fetches, blobs, false, owner, "inputs");
	json_decref(blobs);
}

static void show_all_progress(const struct rain_gateway *gateway, json_t *rows,
			      void (*show)(const struct rain_gateway *gateway, json_t *row, const char *id))
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		const char *id = json_string_value(json_object_get(row, "burst_id"));
		if (id)
			show(gateway, row, id);
	}
}

static json_t *op_bursts(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
			 struct rain_error *err)
{
	struct rain_gateway *gateway = arg;
	bool all = json_is_true(json_object_get(request, "all"));
	int64_t uid = rain_gateway_is_administrator(gateway, caller->uid) ? -1 : (int64_t)caller->uid;
	json_t *bursts = list(gateway, all ? BURSTS("") : BURSTS(" AND (b.state NOT IN ('settled', 'void') OR b.job <> 'over')"),
			      uid, err);

	show_all_progress(gateway, bursts, show_burst_progress);
	return bursts ? json_pack("{s:o, s:o}", "bursts", bursts, "candidates", candidates(gateway, uid)) : NULL;
}

static json_t *op_loans(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
			struct rain_error *err)
{
	struct rain_gateway *gateway = arg;
	bool all = json_is_true(json_object_get(request, "all"));
	json_t *loans;

	if (!rain_gateway_is_administrator(gateway, caller->uid)) {
		rain_error_set(err, "only administrators (ledger.administrators in rain.conf) see the jobs of peers");
		return NULL;
	}
	loans = list(gateway, all ? LOANS("") : LOANS(" AND (l.state NOT IN ('closed', 'void') OR NOT (l.job_over OR l.job_id = 0))"),
		     -1, err);
	show_all_progress(gateway, loans, show_loan_progress);
	return loans ? json_pack("{s:o}", "loans", loans) : NULL;
}

/* The owner takes the machine back from one guest. */
static json_t *op_evict(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
			struct rain_error *err)
{
	struct rain_gateway *gateway = arg;
	struct rain_lender_extra extra = { .reason = "the owner took the machine back" };
	const char *burst;
	int changed;

	if (!rain_gateway_is_administrator(gateway, caller->uid)) {
		rain_error_set(err, "only administrators (ledger.administrators in rain.conf) may send guests away");
		return NULL;
	}
	if (rain_json_string(request, "burst", RAIN_UUID_SIZE - 1, &burst, err))
		return NULL;
	if (!rain_uuid_is_valid(burst)) {
		rain_error_set(err, "'%s' is not the id of a burst", burst);
		return NULL;
	}
	changed = rain_lender_do(gateway, burst, (struct rain_loan_event){ .type = RAIN_LOAN_EVENT_EVICT }, &extra, err);
	return changed < 0 ? NULL : json_pack("{s:b}", "changed", changed);
}

/* How fast inputs came to each peer lately: from sending them to the start there. */
#define SPEEDS                                                                                              \
	"SELECT json_build_object('peer', p.name, 'bursts', count(*), 'bytes', sum(b.bytes), 'ms', sum(b.ms),"  \
	" 'least_ms', min(b.ms))::text"                                                                         \
	" FROM (SELECT peer_id, started_ms - inputs_ms AS ms,"                                                  \
	"   (SELECT coalesce(sum(size::text::bigint), 0) FROM jsonb_path_query(manifest, '$.**.size') size)"    \
	"   AS bytes FROM federation.burst WHERE inputs_ms > 0 AND started_ms > inputs_ms AND $1::bigint < 0"   \
	"   ORDER BY changed_ms DESC LIMIT $2::bigint) b JOIN federation.peer p USING (peer_id) GROUP BY p.name"

/* {} -> [{peer, bursts, bytes, ms, least_ms}]: sums over the last bursts; of nobody's
 * in particular, so that everybody may ask. */
static json_t *op_speeds(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
			 struct rain_error *err)
{
	(void)caller;
	(void)request;
	return list(arg, SPEEDS, -1, err);
}

const struct rain_rpc_op rain_mind_ops[] = {
	{ "speeds", op_speeds },
	{ "bursts", op_bursts },
	{ "loans", op_loans },
	{ "evict", op_evict },
	{ "recall", rain_owner_op_recall },
	{ "offers", rain_owner_op_offers },
	{ "ban", rain_ban_op_set },
	{ "unban", rain_ban_op_lift },
	{ "bans", rain_ban_op_list },
	{ "dispute", rain_dispute_op_settle },
	{ "disputes", rain_dispute_op_list },
	{ NULL, NULL },
};
