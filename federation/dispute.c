/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Receipts that were disputed: rain peer disputes, and the repair of a chain that broke over
 * one that was refused (doc/protocol.txt, section 10). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"
#include "federation/settle.h"

int rain_dispute_over(PGconn *tx, const struct rain_peer *peer, struct rain_error *err)
{
	char row[RAIN_STORE_INT64_SIZE];

	return rain_store_execute(tx, err,
		"UPDATE federation.receipt_refused SET became = 'withdrawn' WHERE peer_id = $1::bigint AND became IS NULL", 1,
		rain_store_format_int64(peer->row, row));
}

/* Moves tokens by a hold that is posted at once: the ledger's own way, bounds included. */
static int pay(PGconn *tx, const char *debit, const char *credit, int64_t amount_utok, const char *purpose,
	       struct rain_error *err)
{
	char hold[RAIN_UUID_SIZE], amount[RAIN_STORE_INT64_SIZE];

	if (amount_utok == 0)
		return 0;
	rain_mind_uuid(hold);
	rain_store_format_int64(amount_utok, amount);
	return rain_store_execute(tx, err,
			"SELECT ledger.hold_create($1::uuid, ledger.account_id($2), ledger.account_id($3), $4::bigint, $5)", 5,
			hold, debit, credit, amount, purpose) ||
	       rain_store_execute(tx, err, "SELECT ledger.hold_post($1::uuid, $1::uuid, $2::bigint)", 2, hold, amount)
		       ? -1 : 0;
}

int rain_dispute_paid(PGconn *tx, const struct rain_peer *peer, const struct rain_message *m, struct rain_error *err)
{
	char account[sizeof "peer:" + sizeof peer->name], purpose[128], amount[RAIN_STORE_INT64_SIZE];

	snprintf(account, sizeof account, "peer:%s", peer->name);
	snprintf(purpose, sizeof purpose, "burst %s, accepted after a dispute", m->burst);
	/* The peer has booked this debt already: where its limit has no room for it, the limit
	 * gives way, or the two ledgers would differ for good. */
	if (rain_store_execute(tx, err,
			"SELECT ledger.peer_limit_set($1::text, b.credit_limit + $2::bigint - b.available)"
			" FROM ledger.balance('peer:' || $1::text) b WHERE b.available < $2::bigint", 2, peer->name,
			rain_store_format_int64(m->amount_utok, amount)) ||
	    pay(tx, account, "system:commons", m->amount_utok, purpose, err))
		return -1;
	rain_log_info("receipt accepted after a dispute peer=%s burst=%s amount_utok=%" PRId64, peer->name, m->burst,
		      m->amount_utok);
	return 0;
}

/* --- withdraw, accept --- */

struct repair {
	struct rain_gateway *gateway;
	const struct rain_peer *peer;
	int64_t count, utok; /* receipts that are settled now, and for how much */
	int64_t left;	     /* accept: those that prove nothing */
};

static int withdraw_work(PGconn *tx, void *arg, struct rain_error *err)
{
	struct repair *repair = arg;
	char row[RAIN_STORE_INT64_SIZE];
	PGresult *rows = rain_store_query(tx, err, "SELECT federation.receipt_withdraw($1::bigint)", 1,
					  rain_store_format_int64(repair->peer->row, row));

	if (!rows)
		return -1;
	repair->count = rain_store_int64(rows, 0, 0);
	PQclear(rows);
	return 0;
}

struct refused {
	const char *id; /* of its row */
	const char *burst_id; /* whose receipt it was said to be, and was shown as */
	struct rain_receipt_text text;
	struct rain_receipt receipt;
	struct rain_burst_row burst;
};

/* Whether the receipt proves that the peer claims this for a burst of ours that is not paid. */
static int is_proof(PGconn *tx, const struct repair *repair, struct refused *refused, struct rain_error *err)
{
	struct rain_receipt *r = &refused->receipt;
	struct rain_error why;
	PGresult *rows;
	int result;

	if (rain_receipt_verify(&refused->text, repair->peer->key, r, &why) ||
	    strcmp(r->lender, repair->peer->id) != 0 || strcmp(r->borrower, repair->gateway->identity.id) != 0)
		return 0;
	result = rain_burst_row_load(tx, r->burst, true, &refused->burst, err);
	if (result <= 0)
		return result;
	if (refused->burst.peer != repair->peer->row || refused->burst.record.state != RAIN_BURST_SETTLED ||
	    refused->burst.amount_utok != 0 || strcmp(r->burst, refused->burst_id) != 0)
		return 0;
	rows = rain_store_query(tx, err, "SELECT FROM federation.receipt WHERE side = 'borrower' AND burst_id = $1::uuid", 1,
				r->burst);
	if (!rows)
		return -1;
	result = PQntuples(rows) == 0;
	PQclear(rows);
	return result;
}

/* 1: our chain ends before it now; 0: it is behind our end, so it can be no link any more. */
static int join_before(PGconn *tx, const struct rain_peer *peer, const struct rain_receipt *r, struct rain_error *err)
{
	char last_sha256[RAIN_SHA256_TEXT_SIZE], row[RAIN_STORE_INT64_SIZE], number[RAIN_STORE_INT64_SIZE];
	int64_t last;

	if (rain_settle_chain_end(tx, "borrower", peer->row, &last, last_sha256, err))
		return -1;
	if (r->number <= last)
		return 0;
	if (r->number == last + 1 && strcmp(r->previous, last_sha256) == 0)
		return 1;
	return rain_store_execute(tx, err,
			"INSERT INTO federation.rejoin (side, peer_id, number, sha256) VALUES ('borrower', $1::bigint, $2::bigint, $3)",
			3, rain_store_format_int64(peer->row, row), rain_store_format_int64(r->number - 1, number), r->previous)
		       ? -1 : 1;
}

static int pay_refused(PGconn *tx, struct repair *repair, const struct refused *refused, struct rain_error *err)
{
	const struct rain_receipt *r = &refused->receipt;
	struct rain_message m = { .type = RAIN_MESSAGE_COUNTERSIGNED };
	char user[RAIN_USER_SIZE + 8], account[sizeof "peer:" + sizeof repair->peer->name], purpose[128], amount[RAIN_STORE_INT64_SIZE];
	int64_t most = refused->burst.terms.ceiling_utok;

	/* What it said at the end of the job binds it, whatever its receipt says. */
	if (refused->burst.claimed_utok < most)
		most = refused->burst.claimed_utok;
	m.amount_utok = r->claimed_utok < most ? r->claimed_utok : most;
	strcpy(m.sha256, refused->text.sha256);
	snprintf(user, sizeof user, "user:%s", refused->burst.user);
	snprintf(account, sizeof account, "peer:%s", repair->peer->name);
	snprintf(purpose, sizeof purpose, "job %" PRId64 " at %s, accepted after a dispute", refused->burst.job_id,
		 repair->peer->name);
	if (pay(tx, user, account, m.amount_utok, purpose, err) ||
	    rain_receipt_countersign(m.sha256, m.amount_utok, &repair->gateway->identity, m.signature, err) ||
	    rain_settle_receipt_insert(tx, "borrower", repair->peer->row, r, &refused->text, NULL,
				       rain_store_format_int64(m.amount_utok, amount), m.signature, NULL, err) ||
	    rain_store_execute(tx, err, "UPDATE federation.receipt_refused SET became = 'accepted' WHERE id = $1::bigint", 1,
			       refused->id) ||
	    rain_mind_send(repair->gateway, tx, repair->peer, r->burst, &m, err))
		return -1;
	repair->count++;
	repair->utok += m.amount_utok;
	return 0;
}

static int accept_one(PGconn *tx, struct repair *repair, const PGresult *rows, int line, struct rain_error *err)
{
	struct refused refused = { .id = rain_store_text(rows, line, 0), .burst_id = rain_store_text(rows, line, 3) };
	int result;

	snprintf(refused.text.bytes, sizeof refused.text.bytes, "%s", rain_store_text(rows, line, 1));
	snprintf(refused.text.signature, sizeof refused.text.signature, "%s", rain_store_text(rows, line, 2));
	result = is_proof(tx, repair, &refused, err);
	if (result > 0)
		result = join_before(tx, repair->peer, &refused.receipt, err);
	if (result > 0)
		result = pay_refused(tx, repair, &refused, err);
	else if (result == 0)
		repair->left++;
	rain_burst_row_release(&refused.burst);
	return result;
}

static int accept_work(PGconn *tx, void *arg, struct rain_error *err)
{
	struct repair *repair = arg;
	char row[RAIN_STORE_INT64_SIZE];
	PGresult *rows = rain_store_query(tx, err,
		"SELECT id, bytes, signature, burst_id FROM federation.receipt_refused WHERE peer_id = $1::bigint AND became IS NULL"
		" ORDER BY id", 1, rain_store_format_int64(repair->peer->row, row));
	int result = rows ? 0 : -1;

	repair->count = repair->utok = repair->left = 0; /* a transaction may be tried again */
	for (int i = 0; result == 0 && i < PQntuples(rows); i++)
		result = accept_one(tx, repair, rows, i, err);
	PQclear(rows);
	return result;
}

/* {peer, verb: "accept" | "withdraw"}: what was refused is settled one way or the other. */
json_t *rain_dispute_op_settle(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
			       struct rain_error *err)
{
	struct rain_gateway *gateway = arg;
	struct repair repair = { .gateway = gateway };
	const char *name, *verb;
	bool accepts;

	if (!rain_gateway_is_administrator(gateway, caller->uid)) {
		rain_error_set(err, "only administrators (ledger.administrators in rain.conf) may settle disputes");
		return NULL;
	}
	if (rain_json_string(request, "peer", 64, &name, err) || rain_json_string(request, "verb", 16, &verb, err))
		return NULL;
	accepts = strcmp(verb, "accept") == 0;
	repair.peer = rain_mind_of(gateway)->recovered ? rain_peers_by_name(gateway->peers, name) : NULL;
	if (!accepts && strcmp(verb, "withdraw") != 0)
		rain_error_set(err, "a dispute is settled by 'accept' or 'withdraw', not by '%.16s'", verb);
	else if (!rain_mind_of(gateway)->recovered)
		rain_error_set(err, "the gateway can't read its database yet: try again when PostgreSQL runs");
	else if (!repair.peer)
		rain_error_set(err, "there is no peer '%s': see 'rain peer list'", name);
	else if (rain_store_transaction(gateway->store, accepts ? accept_work : withdraw_work, &repair, err) == 0) {
		rain_log_info("disputes settled peer=%s verb=%s receipts=%" PRId64 " amount_utok=%" PRId64 " left=%" PRId64
			      " uid=%u", name, verb, repair.count, repair.utok, repair.left, (unsigned)caller->uid);
		return json_pack("{s:I, s:I, s:I}", "receipts", (json_int_t)repair.count, "amount_utok",
				 (json_int_t)repair.utok, "left", (json_int_t)repair.left);
	}
	return NULL;
}

/* --- disputes --- */

/* Of a receipt that was refused the bytes may be anything. */
static void add_claim(json_t *dispute, const char *bytes)
{
	json_t *receipt = json_loads(bytes, 0, NULL);
	int64_t number, claimed;

	if (rain_json_int(receipt, "number", 0, INT64_MAX, &number, NULL) == 0)
		json_object_set_new(dispute, "number", json_integer(number));
	if (rain_json_int(receipt, "claimed_utok", 0, INT64_MAX, &claimed, NULL) == 0)
		json_object_set_new(dispute, "claimed_utok", json_integer(claimed));
	json_decref(receipt);
}

static int list_work(PGconn *tx, void *arg, struct rain_error *err)
{
	json_t *list = arg;
	PGresult *rows = rain_store_query(tx, err,
		"SELECT json_build_object('peer', p.name, 'we', d.side, 'number', d.number, 'burst', d.burst_id,"
		" 'claimed_utok', d.claimed_utok, 'observed_utok', d.observed_utok, 'paid_utok', coalesce(d.amount_utok, 0),"
		" 'state', d.state, 'at', extract(epoch FROM d.at)::bigint, 'reason', d.reason), d.bytes FROM ("
		"SELECT peer_id, side, number, burst_id, claimed_utok, observed_utok, amount_utok,"
		" CASE WHEN withdrawn THEN 'withdrawn' WHEN amount_utok IS NULL THEN 'open'"
		" WHEN next_number IS NOT NULL THEN 'accepted' ELSE 'paid in part' END AS state,"
		" made_at AS at, disputed AS reason, NULL AS bytes FROM federation.receipt WHERE disputed IS NOT NULL"
		" UNION ALL SELECT r.peer_id, 'borrower', NULL, r.burst_id, NULL, r.observed_utok, b.amount_utok,"
		" coalesce(r.became, 'open'), r.refused_at, r.reason, r.bytes FROM federation.receipt_refused r"
		" LEFT JOIN federation.receipt b ON b.side = 'borrower' AND b.burst_id = r.burst_id AND r.became = 'accepted'"
		") d JOIN federation.peer p USING (peer_id) ORDER BY d.at", 0);

	if (!rows)
		return -1;
	json_array_clear(list); /* a transaction may be tried again */
	for (int i = 0; i < PQntuples(rows); i++) {
		json_t *dispute = json_loads(rain_store_text(rows, i, 0), 0, NULL);

		if (!rain_store_is_null(rows, i, 1))
			add_claim(dispute, rain_store_text(rows, i, 1));
		json_array_append_new(list, dispute);
	}
	PQclear(rows);
	return 0;
}

json_t *rain_dispute_op_list(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
			     struct rain_error *err)
{
	struct rain_gateway *gateway = arg;
	json_t *list;

	(void)caller;
	(void)request;
	list = json_array();
	if (rain_store_transaction(gateway->store, list_work, list, err)) {
		json_decref(list);
		return NULL;
	}
	return json_pack("{s:o}", "disputes", list);
}
