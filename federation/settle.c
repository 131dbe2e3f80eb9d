/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Receipts: signed by the lender, countersigned and paid by home. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/tokens.h"
#include "federation/policy.h"
#include "federation/settle.h"

#define RUN_SLACK_MS 1000 /* between the lender's word on the run and its bill */

int rain_settle_chain_end(PGconn *tx, const char *side, int64_t peer, int64_t *number,
			  char sha256[static RAIN_SHA256_TEXT_SIZE], struct rain_error *err)
{
	char row[RAIN_STORE_INT64_SIZE];
	PGresult *rows = rain_store_query(tx, err, "SELECT number, sha256 FROM federation.chain_end($1, $2::bigint)", 2,
					  side, rain_store_format_int64(peer, row));

	if (!rows)
		return -1;
	*number = rain_store_int64(rows, 0, 0);
	snprintf(sha256, RAIN_SHA256_TEXT_SIZE, "%s", rain_store_text(rows, 0, 1));
	PQclear(rows);
	return 0;
}

int rain_settle_receipt_insert(PGconn *tx, const char *side, int64_t peer, const struct rain_receipt *r,
			       const struct rain_receipt_text *text, const char *observed, const char *amount,
			       const char *countersignature, const char *disputed, struct rain_error *err)
{
	char row[RAIN_STORE_INT64_SIZE], number[RAIN_STORE_INT64_SIZE], claimed[RAIN_STORE_INT64_SIZE],
		core_ms[RAIN_STORE_INT64_SIZE];

	return rain_store_execute(tx, err,
		"INSERT INTO federation.receipt (side, peer_id, number, burst_id, bytes, sha256, previous, signature,"
		" claimed_utok, core_ms, observed_utok, amount_utok, countersignature, disputed)"
		" VALUES ($1, $2::bigint, $3::bigint, $4::uuid, $5, $6, $7, $8, $9::bigint, $10::bigint, $11::bigint,"
		" $12::bigint, $13, $14)", 14, side, rain_store_format_int64(peer, row),
		rain_store_format_int64(r->number, number), r->burst, text->bytes, text->sha256, r->previous,
		text->signature, rain_store_format_int64(r->claimed_utok, claimed),
		rain_store_format_int64(r->core_ms, core_ms), observed, amount, countersignature, disputed);
}

/* --- lender --- */

int rain_settle_sign(struct rain_gateway *gateway, PGconn *tx, const struct rain_loan_row *row,
		     struct rain_error *err)
{
	const struct rain_peer *peer = rain_mind_peer(gateway, row->peer);
	struct rain_receipt r = { .claimed_utok = row->record.claimed_utok,
				  .core_ms = rain_shape_cores(&row->shape) * row->record.run_ms };
	struct rain_message m = { .type = RAIN_MESSAGE_RECEIPT };
	struct rain_receipt_text text;

	if (!peer)
		return rain_error_set(err, "the peer of loan %s is gone", row->id);
	if (rain_settle_chain_end(tx, "lender", row->peer, &r.number, r.previous, err))
		return -1;
	r.number++;
	strcpy(r.lender, gateway->identity.id);
	strcpy(r.borrower, peer->id);
	strcpy(r.burst, row->id);
	if (rain_receipt_sign(&r, &gateway->identity, &text, err) ||
	    rain_settle_receipt_insert(tx, "lender", row->peer, &r, &text, NULL, NULL, NULL, NULL, err))
		return -1;
	strcpy(m.receipt, text.bytes);
	strcpy(m.signature, text.signature);
	return rain_mind_send(gateway, tx, peer, row->id, &m, err);
}

/* Our own receipt of this burst; *refused: home has not taken it. */
static int own_receipt(PGconn *tx, const struct rain_peer *peer, const struct rain_message *m, int64_t *claimed,
		       bool *refused, struct rain_error *err)
{
	char row[RAIN_STORE_INT64_SIZE];
	PGresult *rows = rain_store_query(tx, err,
		"SELECT claimed_utok, disputed IS NOT NULL AND amount_utok IS NULL FROM federation.receipt WHERE side = 'lender' AND peer_id = $1::bigint"
		" AND burst_id = $2::uuid AND sha256 = $3", 3, rain_store_format_int64(peer->row, row), m->burst, m->sha256);
	bool found;

	if (!rows)
		return -1;
	found = PQntuples(rows) == 1;
	*claimed = found ? rain_store_int64(rows, 0, 0) : 0;
	*refused = found && rain_store_bool(rows, 0, 1);
	PQclear(rows);
	return found ? 0 : rain_error_set(err, "this is not the receipt that we signed for burst %s", m->burst);
}

int rain_settle_countersigned(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
			      const struct rain_message *m, struct rain_error *err)
{
	struct rain_lender_extra extra = { .peer = peer, .message = m, .amount_utok = m->amount_utok };
	struct rain_loan_event event = { .type = RAIN_LOAN_EVENT_COUNTERSIGNED };
	char amount[RAIN_STORE_INT64_SIZE];
	int64_t claimed;
	bool refused;

	if (own_receipt(tx, peer, m, &claimed, &refused, err) ||
	    rain_receipt_verify_countersign(m->sha256, m->amount_utok, m->signature, peer->key, err))
		return -1;
	if (m->amount_utok > claimed)
		return rain_error_set(err, "more is countersigned than was claimed");
	if (rain_store_execute(tx, err,
		"UPDATE federation.receipt SET amount_utok = $1::bigint, countersignature = $2 WHERE sha256 = $3", 3,
		rain_store_format_int64(m->amount_utok, amount), m->signature, m->sha256))
		return -1;
	if (refused) /* its loan is closed, and its hold is void */
		return rain_dispute_paid(tx, peer, m, err);
	return rain_lender_apply(gateway, tx, m->burst, &event, &extra, err);
}

int rain_settle_disputed(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
			 const struct rain_message *m, struct rain_error *err)
{
	struct rain_lender_extra extra = { .peer = peer, .message = m };
	struct rain_loan_event event = { .type = RAIN_LOAN_EVENT_DISPUTED };
	const char *why = m->reason[0] ? m->reason : "the peer gives no reason";
	char next[RAIN_STORE_INT64_SIZE];
	int64_t claimed;
	bool refused;

	rain_store_format_int64(m->next_number, next);
	if (own_receipt(tx, peer, m, &claimed, &refused, err) ||
	    rain_store_execute(tx, err,
		"UPDATE federation.receipt SET disputed = $1, next_number = nullif($3::bigint, 0),"
		" next_previous = CASE WHEN $3::bigint > 0 THEN $4 END WHERE sha256 = $2", 4, why, m->sha256, next,
		m->next_previous))
		return -1;
	rain_log_warning("receipt disputed peer=%s burst=%s claimed_utok=%" PRId64 " amount_utok=%" PRId64
			 " observed_utok=%" PRId64 ": %s", peer->name, m->burst, claimed, m->amount_utok,
			 m->observed_utok, why);
	return rain_lender_apply(gateway, tx, m->burst, &event, &extra, err);
}

/* --- home --- */

static int settle(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer, const char *burst,
		  int64_t amount, int64_t observed, bool disputed, struct rain_error *err)
{
	struct rain_home_extra extra = { .peer = peer, .amount_utok = amount, .observed_utok = observed,
					 .disputed = disputed };
	struct rain_burst_event event = { .type = RAIN_BURST_EVENT_SETTLE };

	return rain_home_apply(gateway, tx, burst, &event, &extra, err) < 0 ? -1 : 0;
}

/* A receipt that proves nothing is not paid; the lender hears why. */
static int refuse_receipt(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
			  const struct rain_message *m, int64_t observed, const struct rain_error *why,
			  struct rain_error *err)
{
	struct rain_message answer = { .type = RAIN_MESSAGE_DISPUTED, .observed_utok = observed };
	char row[RAIN_STORE_INT64_SIZE], seen[RAIN_STORE_INT64_SIZE];

	rain_log_error("receipt refused: peer=%s may be dishonest or has lost its database burst=%s: %s", peer->name,
		       m->burst, why->text);
	snprintf(answer.reason, sizeof answer.reason, "%.*s", (int)sizeof answer.reason - 1, why->text);
	rain_receipt_hash(m->receipt, strlen(m->receipt), answer.sha256);
	if (rain_settle_chain_end(tx, "borrower", peer->row, &answer.next_number, answer.next_previous, err))
		return -1;
	answer.next_number++;
	if (rain_store_execute(tx, err,
		"INSERT INTO federation.receipt_refused (peer_id, burst_id, bytes, signature, reason, observed_utok)"
		" VALUES ($1::bigint, $2::uuid, $3, $4, $5, $6::bigint)", 6, rain_store_format_int64(peer->row, row),
		m->burst, m->receipt, m->signature, answer.reason, rain_store_format_int64(observed, seen)) ||
	    settle(gateway, tx, peer, m->burst, 0, observed, true, err))
		return -1;
	return rain_mind_send(gateway, tx, peer, m->burst, &answer, err);
}

static int check_receipt(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
			 const struct rain_message *m, int64_t claimed, struct rain_receipt *r,
			 struct rain_receipt_text *text, struct rain_error *why, struct rain_error *err)
{
	char last_sha256[RAIN_SHA256_TEXT_SIZE], now[RAIN_TOKENS_TEXT_SIZE], before[RAIN_TOKENS_TEXT_SIZE];
	int64_t last;

	if (rain_settle_chain_end(tx, "borrower", peer->row, &last, last_sha256, err))
		return -1;
	strcpy(text->bytes, m->receipt);
	strcpy(text->signature, m->signature);
	if (rain_receipt_verify(text, peer->key, r, why) ||
	    rain_receipt_check_chain(r, last, last_sha256, peer->id, gateway->identity.id, why))
		return 1;
	if (strcmp(r->burst, m->burst) != 0) {
		rain_error_set(why, "the receipt is of another burst");
		return 1;
	}
	if (r->claimed_utok != claimed) {
		rain_error_set(why, "the receipt claims %s tokens, what was said at the end of the job was %s",
			       rain_tokens_format(r->claimed_utok, now), rain_tokens_format(claimed, before));
		return 1;
	}
	return 0;
}

static int countersign(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
		       const struct rain_burst_row *row, const struct rain_receipt *r,
		       const struct rain_receipt_text *text, int64_t observed, struct rain_error *err)
{
	struct rain_message m = { .type = RAIN_MESSAGE_COUNTERSIGNED };
	char amount_text[RAIN_STORE_INT64_SIZE], observed_text[RAIN_STORE_INT64_SIZE];
	char claimed[RAIN_TOKENS_TEXT_SIZE], seen[RAIN_TOKENS_TEXT_SIZE], ceiling[RAIN_TOKENS_TEXT_SIZE];
	bool disputed;

	m.amount_utok = rain_receipt_amount(r->claimed_utok, observed, row->terms.ceiling_utok, &disputed);
	strcpy(m.sha256, text->sha256);
	if (rain_receipt_countersign(text->sha256, m.amount_utok, &gateway->identity, m.signature, err))
		return -1;
	if (disputed)
		snprintf(m.reason, sizeof m.reason, "%s tokens are claimed, %s were observed, %s were agreed on at most",
			 rain_tokens_format(r->claimed_utok, claimed), rain_tokens_format(observed, seen),
			 rain_tokens_format(row->terms.ceiling_utok, ceiling));
	if (rain_dispute_over(tx, peer, err) ||
	    rain_settle_receipt_insert(tx, "borrower", peer->row, r, text, rain_store_format_int64(observed, observed_text),
			   rain_store_format_int64(m.amount_utok, amount_text), m.signature,
			   disputed ? m.reason : NULL, err) ||
	    settle(gateway, tx, peer, row->id, m.amount_utok, observed, disputed, err) ||
	    rain_mind_send(gateway, tx, peer, row->id, &m, err))
		return -1;
	if (!disputed)
		return 0;
	rain_log_warning("receipt disputed peer=%s burst=%s job=%" PRId64 ": %s", peer->name, row->id, row->job_id,
			 m.reason);
	m.type = RAIN_MESSAGE_DISPUTED;
	m.claimed_utok = r->claimed_utok;
	m.observed_utok = observed;
	return rain_mind_send(gateway, tx, peer, row->id, &m, err);
}

/* What home knows of: from when it could begin to when we heard of its end, but no longer
 * than the lender says that it ran; at the speed that the peer's jobs have shown. */
static int observe(struct rain_gateway *gateway, PGconn *tx, const struct rain_burst_row *row, int64_t *utok,
		   struct rain_error *err)
{
	int64_t ms = row->record.finished_ms - row->record.inputs_ms;
	struct rain_terms terms = row->terms;

	if (row->run_ms > 0 && ms > row->run_ms + RUN_SLACK_MS)
		ms = row->run_ms + RUN_SLACK_MS;
	if (rain_standing_speed(gateway, tx, row, &terms.mflops, err) ||
	    rain_mind_price(&terms, rain_shape_cores(&row->shape) * (ms > 0 ? ms : 0), utok, err))
		return -1;
	if (*utok > RAIN_TOKENS_MAX)
		*utok = RAIN_TOKENS_MAX;
	return 0;
}

int rain_settle_receipt(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
			const struct rain_message *m, struct rain_error *err)
{
	struct rain_receipt_text text;
	struct rain_receipt r;
	struct rain_burst_row row;
	struct rain_error why = { "" };
	int64_t observed;
	int result = rain_burst_row_load(tx, m->burst, true, &row, err);

	if (result < 0)
		return -1;
	if (!result)
		return rain_error_set(err, "there is no burst %s", m->burst);
	if (row.peer != peer->row || row.record.state != RAIN_BURST_ENDED) {
		result = rain_error_set(err, "burst %s awaits no receipt of yours", m->burst);
		goto out;
	}
	result = observe(gateway, tx, &row, &observed, err);
	if (result)
		goto out;
	result = check_receipt(gateway, tx, peer, m, row.claimed_utok, &r, &text, &why, err);
	if (result > 0)
		result = refuse_receipt(gateway, tx, peer, m, observed, &why, err);
	else if (result == 0)
		result = countersign(gateway, tx, peer, &row, &r, &text, observed, err);
out:
	rain_burst_row_release(&row);
	return result;
}
