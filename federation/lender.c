/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loans in the database: each event is one transaction of state, holds and
 * messages. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "federation/mind.h"

static int send_event(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
		      const struct rain_loan_row *row, enum rain_event_kind kind, struct rain_error *err)
{
	struct rain_message m = { .type = RAIN_MESSAGE_EVENT, .kind = kind, .seq = row->record.seq_out,
				  .job_id = row->job_id };

	snprintf(m.nodes, sizeof m.nodes, "%s", row->job_nodes);
	return rain_mind_send(gateway, tx, peer, row->id, &m, err);
}

static int send_finished(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
			 const struct rain_loan_row *row, struct rain_error *err)
{
	const struct rain_loan_record *r = &row->record;
	struct rain_message m = { .type = RAIN_MESSAGE_FINISHED, .outcome = r->outcome, .code = r->code,
				  .signal = r->signal, .run_ms = r->run_ms, .stdout_bytes = row->stdout_bytes,
				  .stderr_bytes = row->stderr_bytes, .outputs = row->outputs,
				  .claimed_utok = r->claimed_utok, .out_of_memory = r->out_of_memory };

	snprintf(m.reason, sizeof m.reason, "%.*s", (int)sizeof m.reason - 1, row->sentence);
	return rain_mind_send(gateway, tx, peer, row->id, &m, err);
}

static int act(struct rain_gateway *gateway, PGconn *tx, const struct rain_loan_row *row,
	       const struct rain_loan_actions *a, const struct rain_lender_extra *extra, struct rain_error *err)
{
	const struct rain_peer *peer = rain_mind_peer(gateway, row->peer);
	char number[RAIN_STORE_INT64_SIZE], other[RAIN_STORE_INT64_SIZE], rows[RAIN_STORE_INT64_SIZE],
		columns[RAIN_STORE_INT64_SIZE];

	if (!peer)
		return rain_error_set(err, "the peer of loan %s is gone", row->id);
	if (a->hold_void && row->hold[0] &&
	    rain_store_execute(tx, err, "SELECT ledger.hold_void($1::uuid)", 1, row->hold))
		return -1;
	if (a->hold_post && row->hold[0] &&
	    rain_store_execute(tx, err, "SELECT ledger.hold_post($1::uuid, $2::uuid, $3::bigint)", 3, row->hold, row->id,
			       rain_store_format_int64(row->amount_utok, number)))
		return -1;
	if (a->store_signal &&
	    rain_store_execute(tx, err, "INSERT INTO federation.loan_signal VALUES ($1::uuid, $2::integer, $3::integer,"
			       " $4::integer, $5::integer)", 5,
			       row->id, rain_store_format_int64(row->record.seq_in, number),
			       rain_store_format_int64(extra->message->signal, other),
			       rain_store_format_int64(extra->message->rows, rows),
			       rain_store_format_int64(extra->message->columns, columns)))
		return -1;
	if (a->send_staged && send_event(gateway, tx, peer, row, RAIN_EVENT_STAGED, err))
		return -1;
	if (a->send_started && send_event(gateway, tx, peer, row, RAIN_EVENT_STARTED, err))
		return -1;
	if (a->send_evict) {
		struct rain_message m = { .type = RAIN_MESSAGE_EVICT };
		if (rain_mind_send(gateway, tx, peer, row->id, &m, err))
			return -1;
	}
	if (a->send_finished && send_finished(gateway, tx, peer, row, err))
		return -1;
	return a->send_receipt ? rain_settle_sign(gateway, tx, row, err) : 0;
}

static void note(struct rain_loan_row *row, const struct rain_loan_event *event,
		 const struct rain_lender_extra *extra, int64_t now_ms)
{
	row->changed_ms = now_ms;
	if (event->type == RAIN_LOAN_EVENT_SUBMITTED)
		row->job_id = extra->job_id;
	if (event->type == RAIN_LOAN_EVENT_INPUTS && row->record.inputs && !row->manifest)
		row->manifest = json_incref(extra->message->manifest);
	if (event->type == RAIN_LOAN_EVENT_EXIT) {
		row->stdout_bytes = extra->stdout_bytes;
		row->stderr_bytes = extra->stderr_bytes;
		if (extra->outputs) {
			json_decref(row->outputs);
			row->outputs = json_incref(extra->outputs);
		}
	}
	if (event->type == RAIN_LOAN_EVENT_COUNTERSIGNED)
		row->amount_utok = extra->amount_utok;
	if (event->type == RAIN_LOAN_EVENT_DISPUTED)
		row->disputed = true;
	if (row->record.state == RAIN_LOAN_CLOSED && row->amount_utok < 0)
		row->amount_utok = 0;
	if (event->type == RAIN_LOAN_EVENT_STARTED && extra->agent)
		snprintf(row->agent, sizeof row->agent, "%s", extra->agent);
	if (extra->job_nodes)
		snprintf(row->job_nodes, sizeof row->job_nodes, "%s", extra->job_nodes);
	if (extra->reason && extra->reason[0])
		snprintf(row->sentence, sizeof row->sentence, "%s", extra->reason);
}

/* What has been printed when nobody reports how much it was. */
static void measure_streams(struct rain_gateway *gateway, struct rain_loan_row *row)
{
	row->stdout_bytes = rain_stream_size(gateway, true, row->id, 0);
	row->stderr_bytes = rain_stream_size(gateway, true, row->id, 1);
}

static void report(const struct rain_gateway *gateway, PGconn *tx, const struct rain_loan_row *row,
		   enum rain_loan_state before)
{
	struct rain_peer *peer = rain_mind_peer(gateway, row->peer);

	if (before == row->record.state)
		return;
	if (peer && rain_loan_is_over(&row->record) && !(before >= RAIN_LOAN_RECEIPTED))
		rain_tally_after_commit(tx, peer, RAIN_TALLY_LOANS,
					row->record.outcome ? rain_outcome_name(row->record.outcome) : "void");
	rain_log_info("loan is %s burst=%s peer=%s user=%s uid=%" PRId64 " job=%" PRId64
			      " outcome=%s code=%" PRId64 " signal=%" PRId64 " claimed_utok=%" PRId64 "%s%s",
			      rain_loan_state_name(row->record.state), row->id, peer ? peer->name : "?", row->user,
			      row->guest_uid, row->job_id, rain_outcome_name(row->record.outcome), row->record.code,
			      row->record.signal, row->record.claimed_utok, row->sentence[0] ? ": " : "", row->sentence);
}

static int step(struct rain_gateway *gateway, PGconn *tx, struct rain_loan_row *row,
		const struct rain_loan_event *given, const struct rain_lender_extra *extra, struct rain_error *err)
{
	int64_t now_ms = rain_clock_realtime_ms();
	struct rain_loan_event event = *given;
	enum rain_loan_state before = row->record.state;
	struct rain_loan_actions a;
	int changed;

	if (event.type == RAIN_LOAN_EVENT_EXIT || event.type == RAIN_LOAN_EVENT_JOB_OVER) {
		int64_t core_ms = rain_shape_cores(&row->shape) * rain_loan_run_ms(&row->record, now_ms);
		if (rain_mind_price(&row->terms, core_ms, &event.claim_utok, err))
			return -1;
	}
	if (event.type == RAIN_LOAN_EVENT_EXIT || event.type == RAIN_LOAN_EVENT_STARTED)
		event.other_agent = strcmp(row->agent, extra->agent ? extra->agent : "") != 0;
	changed = rain_loan_step(&row->record, &event, now_ms, &a, err);
	if (changed <= 0)
		return changed;
	if (event.type == RAIN_LOAN_EVENT_JOB_OVER && a.send_finished && before != RAIN_LOAN_EXITED)
		measure_streams(gateway, row);
	note(row, &event, extra, now_ms);
	if (act(gateway, tx, row, &a, extra, err) || rain_loan_row_update(tx, row, err))
		return -1;
	report(gateway, tx, row, before);
	if (event.type == RAIN_LOAN_EVENT_JOB_OVER)
		rain_room_again(gateway);
	return changed;
}

int rain_lender_apply(struct rain_gateway *gateway, PGconn *tx, const char *id,
		      const struct rain_loan_event *event, const struct rain_lender_extra *extra,
		      struct rain_error *err)
{
	static const struct rain_lender_extra nothing;
	struct rain_loan_row row;
	int changed = rain_loan_row_load(tx, id, true, &row, err);

	if (changed < 0)
		return -1;
	if (!extra)
		extra = &nothing;
	if (!changed)
		return rain_error_set(err, "there is no loan %s", id);
	if (extra->peer && extra->peer->row != row.peer)
		changed = rain_error_set(err, "loan %s is not between us", id);
	else
		changed = step(gateway, tx, &row, event, extra, err);
	if (changed)
		rain_loan_touch(gateway, id);
	rain_loan_row_release(&row);
	return changed;
}

struct doing {
	struct rain_gateway *gateway;
	const char *id;
	const struct rain_loan_event *event;
	const struct rain_lender_extra *extra;
	int changed;
};

static int do_work(PGconn *tx, void *arg, struct rain_error *err)
{
	struct doing *doing = arg;

	doing->changed = rain_lender_apply(doing->gateway, tx, doing->id, doing->event, doing->extra, err);
	return doing->changed < 0 ? -1 : 0;
}

int rain_lender_do(struct rain_gateway *gateway, const char *id, struct rain_loan_event event,
		   const struct rain_lender_extra *extra, struct rain_error *err)
{
	struct doing doing = { gateway, id, &event, extra, 0 };

	return rain_store_transaction(gateway->store, do_work, &doing, err) < 0 ? -1 : doing.changed;
}

/* --- orders --- */

static int reject(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer, const char *id,
		  const char *reason, struct rain_error *err)
{
	struct rain_message m = { .type = RAIN_MESSAGE_REJECTED };

	rain_log_info("order rejected burst=%s peer=%s: %s", id, peer->name, reason);
	snprintf(m.reason, sizeof m.reason, "%.*s", (int)sizeof m.reason - 1, reason);
	return rain_mind_send(gateway, tx, peer, id, &m, err);
}

/* 1: assigned; 0: all are in use; -1. */
static int assign_guest(struct rain_gateway *gateway, PGconn *tx, struct rain_loan_row *row, struct rain_error *err)
{
	char peer[RAIN_STORE_INT64_SIZE], min[RAIN_STORE_INT64_SIZE], max[RAIN_STORE_INT64_SIZE],
		now[RAIN_STORE_INT64_SIZE];
	PGresult *result = rain_store_query(tx, err,
		"SELECT federation.guest_assign($1::bigint, $2, $3::bigint, $4::bigint, $5::bigint)", 5,
		rain_store_format_int64(row->peer, peer), row->user,
		rain_store_format_int64(gateway->config->lend.guest_uid_min, min),
		rain_store_format_int64(gateway->config->lend.guest_uid_max, max),
		rain_store_format_int64(row->changed_ms, now));
	bool found;

	if (!result)
		return -1;
	found = !rain_store_is_null(result, 0, 0);
	row->guest_uid = rain_store_int64(result, 0, 0);
	PQclear(result);
	return found;
}

/* 1: held; 0: it doesn't fit into the peer's credit, err says it; -1. */
static int hold_credit(PGconn *tx, const struct rain_peer *peer, struct rain_loan_row *row, struct rain_error *err)
{
	char amount[RAIN_STORE_INT64_SIZE], purpose[200];

	if (row->terms.ceiling_utok == 0)
		return 1;
	rain_mind_uuid(row->hold);
	snprintf(purpose, sizeof purpose, "a job of %s of %s", row->user, peer->name);
	if (rain_store_savepoint(tx, "credit", err))
		return -1;
	if (rain_store_execute(tx, err,
		"SELECT ledger.hold_create($1::uuid, ledger.account_id('peer:' || $2), ledger.account_id('system:commons'),"
		" $3::bigint, $4)", 4, row->hold, peer->name, rain_store_format_int64(row->terms.ceiling_utok, amount),
		purpose) == 0)
		return 1;
	if (strcmp(rain_store_sqlstate(tx), "RN002") != 0)
		return -1;
	return rain_store_rollback_to(tx, "credit", NULL) ? -1 : 0;
}

static int on_order(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
		    const struct rain_message *m, struct rain_error *err)
{
	struct rain_message answer = { .type = RAIN_MESSAGE_ACCEPTED };
	struct rain_loan_row row = { .peer = peer->row, .shape = m->shape, .terms = m->terms, .amount_utok = -1 };
	struct rain_error why = { "" };
	char reason[RAIN_REASON_SIZE];
	int result;

	if (!rain_leases_fits(gateway, peer, m))
		return reject(gateway, tx, peer, m->burst, "the offer has lapsed", err);
	strcpy(row.id, m->burst);
	strcpy(row.user, m->user);
	row.record.accepted_ms = row.changed_ms = rain_clock_realtime_ms();
	row.record.ceiling_utok = m->terms.ceiling_utok;
	/* It may have been banned since the offer. */
	result = rain_ban_find(tx, peer, m->user, reason, err);
	if (result > 0)
		return reject(gateway, tx, peer, m->burst, reason, err);
	if (result == 0)
		result = assign_guest(gateway, tx, &row, err);
	if (result == 0)
		return reject(gateway, tx, peer, m->burst, "all accounts for guests are in use", err);
	if (result > 0 && (result = hold_credit(tx, peer, &row, &why)) == 0)
		return reject(gateway, tx, peer, m->burst, why.text, err);
	if (result < 0) {
		if (why.text[0])
			*err = why;
		return -1;
	}
	row.outputs = json_array();
	result = rain_loan_row_insert(tx, &row, err);
	json_decref(row.outputs);
	if (result)
		return -1;
	rain_loan_touch(gateway, row.id);
	rain_log_info("loan is accepted burst=%s peer=%s user=%s uid=%" PRId64 " ceiling_utok=%" PRId64, row.id,
		      peer->name, row.user, row.guest_uid, row.terms.ceiling_utok);
	return rain_mind_send(gateway, tx, peer, row.id, &answer, err);
}

/* --- messages of home --- */

int rain_lender_on_message(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
			   const struct rain_message *m, struct rain_error *err)
{
	struct rain_lender_extra extra = { .peer = peer, .message = m, .reason = m->reason };
	struct rain_loan_event event = { .seq = m->seq };
	struct rain_loan_row row;

	switch (m->type) {
	case RAIN_MESSAGE_ORDER:
		return on_order(gateway, tx, peer, m, err);
	case RAIN_MESSAGE_WITHDRAWN:
		rain_leases_return(gateway, m->burst);
		event.type = RAIN_LOAN_EVENT_WITHDRAWN;
		break;
	case RAIN_MESSAGE_RECALL:
		event.type = RAIN_LOAN_EVENT_RECALL;
		break;
	default:
		event.type = m->kind == RAIN_EVENT_INPUTS   ? RAIN_LOAN_EVENT_INPUTS
			     : m->kind == RAIN_EVENT_SIGNAL ? RAIN_LOAN_EVENT_SIGNAL
							    : RAIN_LOAN_EVENT_DELIVERED;
	}
	if (m->type == RAIN_MESSAGE_WITHDRAWN) {
		/* It may have crossed with our `rejected`. */
		int known = rain_loan_row_load(tx, m->burst, false, &row, err);
		if (known <= 0)
			return known;
		rain_loan_row_release(&row);
	}
	return rain_lender_apply(gateway, tx, m->burst, &event, &extra, err);
}
