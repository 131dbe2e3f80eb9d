/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Our bursts in the database: each event is one transaction of state, holds
 * and messages. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "federation/policy.h"

static int hold_void(PGconn *tx, const struct rain_burst_row *row, struct rain_error *err)
{
	return row->held ? rain_store_execute(tx, err, "SELECT ledger.hold_void($1::uuid)", 1, row->id) : 0;
}

/* Charges the very run of the home job. */
static int hold_post(struct rain_gateway *gateway, PGconn *tx, const struct rain_burst_row *row,
		     struct rain_error *err)
{
	char amount[RAIN_STORE_INT64_SIZE], job[RAIN_STORE_INT64_SIZE], submit[RAIN_STORE_INT64_SIZE],
		restart[RAIN_STORE_INT64_SIZE];

	if (!row->held)
		return 0;
	return rain_store_execute(tx, err,
		"SELECT ledger.hold_post_run($1::uuid, $1::uuid, $2::bigint, $3, $4::bigint, $5::bigint, $6::integer)",
		6, row->id, rain_store_format_int64(row->amount_utok, amount), gateway->config->cluster_name,
		rain_store_format_int64(row->job_id, job), rain_store_format_int64(row->submit_time, submit),
		rain_store_format_int64(row->restart, restart));
}

static int send_event(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
		      const struct rain_burst_row *row, enum rain_event_kind kind,
		      const struct rain_home_extra *extra, struct rain_error *err)
{
	struct rain_message m = { .type = RAIN_MESSAGE_EVENT, .kind = kind, .seq = row->record.seq_out,
				  .signal = extra->signal, .rows = extra->rows, .columns = extra->columns,
				  .manifest = row->manifest };
	return rain_mind_send(gateway, tx, peer, row->id, &m, err);
}

static int act(struct rain_gateway *gateway, PGconn *tx, const struct rain_burst_row *row,
	       const struct rain_burst_actions *a, const struct rain_home_extra *extra, struct rain_error *err)
{
	const struct rain_peer *peer = rain_mind_peer(gateway, row->peer);

	if (!peer)
		return rain_error_set(err, "the peer of burst %s is gone", row->id);
	if (a->hold_void && hold_void(tx, row, err))
		return -1;
	if (a->hold_post && hold_post(gateway, tx, row, err))
		return -1;
	if (a->send_withdrawn) {
		struct rain_message m = { .type = RAIN_MESSAGE_WITHDRAWN };
		if (rain_mind_send(gateway, tx, peer, row->id, &m, err))
			return -1;
	}
	if (a->send_recall) {
		struct rain_message m = { .type = RAIN_MESSAGE_RECALL };
		if (rain_mind_send(gateway, tx, peer, row->id, &m, err))
			return -1;
	}
	if (a->send_inputs && send_event(gateway, tx, peer, row, RAIN_EVENT_INPUTS, extra, err))
		return -1;
	if (a->send_signal && send_event(gateway, tx, peer, row, RAIN_EVENT_SIGNAL, extra, err))
		return -1;
	if (a->send_delivered && send_event(gateway, tx, peer, row, RAIN_EVENT_DELIVERED, extra, err))
		return -1;
	return 0;
}

/* What the message says goes into the row, as far as it is of its event. */
static void note_message(struct rain_burst_row *row, const struct rain_message *m, int64_t now_ms)
{
	if (m->type == RAIN_MESSAGE_EVENT && m->kind == RAIN_EVENT_STARTED) {
		row->started_ms = now_ms;
		row->remote_job_id = m->job_id;
		snprintf(row->remote_nodes, sizeof row->remote_nodes, "%s", m->nodes);
	} else if (m->type == RAIN_MESSAGE_FINISHED) {
		row->outcome = m->outcome;
		row->code = m->code;
		row->signal = m->signal;
		row->run_ms = m->run_ms;
		row->stdout_bytes = m->stdout_bytes;
		row->stderr_bytes = m->stderr_bytes;
		json_decref(row->outputs);
		row->outputs = json_incref(m->outputs);
		row->claimed_utok = rain_outcome_is_final(m->outcome) ? m->claimed_utok : 0;
	}
	if (m->reason[0])
		snprintf(row->sentence, sizeof row->sentence, "%s", m->reason);
}

static void note(struct rain_burst_row *row, const struct rain_burst_event *event,
		 const struct rain_home_extra *extra, int64_t now_ms)
{
	row->changed_ms = now_ms;
	if (event->type == RAIN_BURST_EVENT_INPUTS) {
		json_decref(row->manifest);
		row->manifest = json_incref(extra->manifest);
	}
	if (extra->message)
		note_message(row, extra->message, now_ms);
	if (event->type == RAIN_BURST_EVENT_SETTLE) {
		row->amount_utok = extra->amount_utok;
		row->observed_utok = extra->observed_utok;
		row->disputed = extra->disputed;
	} else if (row->record.state == RAIN_BURST_SETTLED && row->amount_utok < 0) {
		row->amount_utok = 0;
	}
}

static void report(struct rain_gateway *gateway, PGconn *tx, const struct rain_burst_row *row,
		   enum rain_burst_event_type type, enum rain_burst_state before)
{
	const struct rain_peer *peer = rain_mind_peer(gateway, row->peer);

	if (before == row->record.state)
		return;
	if (row->record.state == RAIN_BURST_VOID && peer &&
	    (row->outcome == RAIN_OUTCOME_LOST || (before == RAIN_BURST_BOUND && row->sentence[0])))
		rain_candidates_lost(gateway, row->job_id, peer, row->sentence);
	if (type == RAIN_BURST_EVENT_TICK && before == RAIN_BURST_ENDED)
		rain_log_warning("peer=%s withholds its receipt of burst=%s job=%" PRId64
				 ": nothing is paid for it", peer ? peer->name : "?", row->id, row->job_id);
	if (peer && (row->record.state == RAIN_BURST_ENDED || row->record.state == RAIN_BURST_VOID))
		rain_tally_after_commit(tx, rain_mind_peer(gateway, row->peer), RAIN_TALLY_BURSTS,
					row->outcome ? rain_outcome_name(row->outcome) : "void");
	rain_log_info("burst is %s burst=%s job=%" PRId64 " user=%s peer=%s remote_job=%" PRId64
			      " outcome=%s code=%" PRId64 " signal=%" PRId64 "%s%s",
			      rain_burst_state_name(row->record.state), row->id, row->job_id, row->user,
			      peer ? peer->name : "?", row->remote_job_id, rain_outcome_name(row->outcome),
			      row->code, row->signal, row->sentence[0] ? ": " : "", row->sentence);
}

/* What a burst that has come to its end, or to its beginning, tells the policy. */
static int learn(struct rain_gateway *gateway, PGconn *tx, const struct rain_burst_row *row,
		 enum rain_burst_state before, int64_t now_ms, struct rain_error *err)
{
	enum rain_burst_state state = row->record.state;
	bool over = state == RAIN_BURST_ENDED || state == RAIN_BURST_SETTLED || state == RAIN_BURST_VOID;

	if (before == state || before >= RAIN_BURST_ENDED)
		return 0;
	if (state == RAIN_BURST_RUNNING)
		rain_policy_sent(gateway, row);
	if (!over)
		return 0;
	if (row->outcome == RAIN_OUTCOME_EXITED && rain_history_burst(gateway, tx, row, now_ms, err))
		return -1;
	return rain_standing_note(gateway, tx, row, now_ms, err);
}

int rain_home_apply(struct rain_gateway *gateway, PGconn *tx, const char *id,
		    const struct rain_burst_event *event, const struct rain_home_extra *extra,
		    struct rain_error *err)
{
	static const struct rain_home_extra nothing;
	int64_t now_ms = rain_clock_realtime_ms();
	struct rain_burst_row row;
	struct rain_burst_actions a;
	enum rain_burst_state before;
	int changed = rain_burst_row_load(tx, id, true, &row, err);

	if (changed < 0)
		return -1;
	if (!extra)
		extra = &nothing;
	if (!changed)
		return rain_error_set(err, "there is no burst %s", id);
	if (extra->peer && extra->peer->row != row.peer) {
		rain_burst_row_release(&row);
		return rain_error_set(err, "burst %s is not between us", id);
	}
	before = row.record.state;
	changed = rain_burst_step(&row.record, event, now_ms, &a, err);
	if (changed > 0) {
		note(&row, event, extra, now_ms);
		if (act(gateway, tx, &row, &a, extra, err) || learn(gateway, tx, &row, before, now_ms, err) ||
		    rain_burst_row_update(tx, &row, err))
			changed = -1;
		else
			report(gateway, tx, &row, event->type, before);
		rain_burst_touch(gateway, id);
	}
	rain_burst_row_release(&row);
	return changed;
}

struct doing {
	struct rain_gateway *gateway;
	const char *id;
	struct rain_burst_event event;
	const struct rain_home_extra *extra;
	int changed;
};

static int do_work(PGconn *tx, void *arg, struct rain_error *err)
{
	struct doing *doing = arg;

	doing->changed = rain_home_apply(doing->gateway, tx, doing->id, &doing->event, doing->extra, err);
	return doing->changed < 0 ? -1 : 0;
}

int rain_home_do(struct rain_gateway *gateway, const char *id, enum rain_burst_event_type type,
		 const struct rain_home_extra *extra, struct rain_error *err)
{
	struct doing doing = { gateway, id, { .type = type }, extra, 0 };

	return rain_store_transaction(gateway->store, do_work, &doing, err) < 0 ? -1 : doing.changed;
}

/* --- an order --- */

struct ordering {
	struct rain_gateway *gateway;
	const struct rain_burst_row *row;
};

static int order_work(PGconn *tx, void *arg, struct rain_error *err)
{
	const struct ordering *o = arg;
	const struct rain_burst_row *row = o->row;
	const struct rain_peer *peer = rain_mind_peer(o->gateway, row->peer);
	struct rain_message m = { .type = RAIN_MESSAGE_ORDER, .shape = row->shape, .terms = row->terms };
	char amount[RAIN_STORE_INT64_SIZE], purpose[200];

	if (!peer)
		return rain_error_set(err, "the peer is gone");
	snprintf(m.user, sizeof m.user, "%s", row->user);
	snprintf(purpose, sizeof purpose, "job %" PRId64 " at %s", row->job_id, peer->name);
	if (row->held &&
	    rain_store_execute(tx, err,
		"SELECT ledger.hold_create($1::uuid, ledger.account_ensure_user($2), ledger.account_id('peer:' || $3),"
		" $4::bigint, $5)", 5, row->id, row->user, peer->name,
		rain_store_format_int64(row->terms.ceiling_utok, amount), purpose))
		return -1;
	if (rain_burst_row_insert(tx, row, err))
		return -1;
	rain_burst_touch(o->gateway, row->id);
	return rain_mind_send(o->gateway, tx, peer, row->id, &m, err);
}

int rain_home_order(struct rain_gateway *gateway, const struct rain_burst_row *row, struct rain_error *err)
{
	struct ordering ordering = { gateway, row };
	struct rain_live_burst *burst;
	const struct rain_peer *peer = rain_mind_peer(gateway, row->peer);

	if (rain_store_transaction(gateway->store, order_work, &ordering, err) < 0)
		return -1;
	/* Until the row is read in the next turn: whose job it is. */
	if ((burst = rain_burst_live(gateway, row->id))) {
		burst->row.job_id = row->job_id;
		burst->row.submit_time = row->submit_time;
		burst->row.restart = row->restart;
	}
	rain_log_info("burst is bound burst=%s job=%" PRId64 " user=%s peer=%s ceiling_utok=%" PRId64, row->id,
		      row->job_id, row->user, peer ? peer->name : "?", row->terms.ceiling_utok);
	return 0;
}

/* --- messages of the lender --- */

int rain_home_on_message(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
			 const struct rain_message *m, struct rain_error *err)
{
	struct rain_home_extra extra = { .peer = peer, .message = m };
	struct rain_burst_event event = { .outcome = m->outcome, .claimed_utok = m->claimed_utok,
					  .out_of_memory = m->out_of_memory, .seq = m->seq };
	int changed;

	switch (m->type) {
	case RAIN_MESSAGE_ACCEPTED:
		event.type = RAIN_BURST_EVENT_ACCEPTED;
		break;
	case RAIN_MESSAGE_REJECTED:
		event.type = RAIN_BURST_EVENT_REJECTED;
		break;
	case RAIN_MESSAGE_EVICT:
		event.type = RAIN_BURST_EVENT_EVICT;
		break;
	case RAIN_MESSAGE_FINISHED:
		event.type = RAIN_BURST_EVENT_FINISHED;
		break;
	default:
		event.type = m->kind == RAIN_EVENT_STAGED ? RAIN_BURST_EVENT_STAGED : RAIN_BURST_EVENT_STARTED;
	}
	changed = rain_home_apply(gateway, tx, m->burst, &event, &extra, err);
	if (changed > 0 && event.type == RAIN_BURST_EVENT_STAGED)
		rain_log_info("the inputs are there burst=%s peer=%s", m->burst, peer->name);
	if (changed > 0 && m->type == RAIN_MESSAGE_FINISHED && rain_outcome_is_final(m->outcome))
		rain_candidates_kept(gateway, peer, m->signal ? 0 : m->code);
	if (changed >= 0 && m->type == RAIN_MESSAGE_FINISHED)
		rain_candidates_room(gateway, peer);
	return changed;
}
