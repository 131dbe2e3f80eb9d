/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/mind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "federation/limits.h"
#include "scheduler/cost.h"

/* A peer that we heard of within this time gets asks. */
#define NEAR_MS 100000

void rain_mind_uuid(char id[static RAIN_UUID_SIZE])
{
	unsigned char b[16];

	randombytes_buf(b, sizeof b);
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	snprintf(id, RAIN_UUID_SIZE, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
		 b[14], b[15]);
}

struct rain_peer *rain_mind_peer(const struct rain_gateway *gateway, int64_t row)
{
	return rain_peers_by_row(gateway->peers, row);
}

bool rain_mind_peer_is_near(const struct rain_peer *peer)
{
	return peer->reachable ||
	       (peer->last_contact_ms > 0 && rain_clock_realtime_ms() - peer->last_contact_ms < NEAR_MS);
}

int rain_mind_send(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
		   const char *id, struct rain_message *m, struct rain_error *err)
{
	json_t *body;
	int result;

	snprintf(m->burst, sizeof m->burst, "%s", id);
	body = rain_message_encode(m, err);
	if (!body)
		return -1;
	result = rain_mailbox_post(gateway, tx, peer, rain_message_name(m->type), body, err);
	json_decref(body);
	return result;
}

int rain_mind_price(const struct rain_terms *terms, int64_t core_ms, int64_t *utok,
		    struct rain_error *err)
{
	return rain_cost_price(core_ms, terms->mflops, terms->percent, 100, utok, err);
}

/* --- live rows --- */

struct rain_live_burst *rain_burst_live(const struct rain_gateway *gateway, const char *id)
{
	struct rain_live_burst *burst = rain_mind_of(gateway)->bursts;

	while (burst && strcmp(burst->row.id, id) != 0)
		burst = burst->next;
	return burst;
}

struct rain_live_loan *rain_loan_live(const struct rain_gateway *gateway, const char *id)
{
	struct rain_live_loan *loan = rain_mind_of(gateway)->loans;

	while (loan && strcmp(loan->row.id, id) != 0)
		loan = loan->next;
	return loan;
}

struct rain_live_burst *rain_burst_of_job(const struct rain_gateway *gateway, int64_t job_id)
{
	struct rain_live_burst *burst = rain_mind_of(gateway)->bursts, *found = NULL;

	for (; burst; burst = burst->next)
		if (burst->row.job_id == job_id &&
		    (!found || burst->row.record.bound_ms > found->row.record.bound_ms))
			found = burst;
	return found;
}

static void turn_soon(struct rain_mind *mind)
{
	event_active(mind->turn, EV_TIMEOUT, 0);
}

void rain_burst_touch(struct rain_gateway *gateway, const char *id)
{
	struct rain_mind *mind = rain_mind_of(gateway);
	struct rain_live_burst *burst = rain_burst_live(gateway, id);

	if (!burst) {
		burst = calloc(1, sizeof *burst);
		if (!burst)
			return; /* the tick's look at the database finds it */
		snprintf(burst->row.id, sizeof burst->row.id, "%s", id);
		burst->next = mind->bursts;
		mind->bursts = burst;
	}
	burst->live.touched = true;
	burst->live.changed_ms = rain_clock_monotonic_ms();
	turn_soon(mind);
}

void rain_loan_touch(struct rain_gateway *gateway, const char *id)
{
	struct rain_mind *mind = rain_mind_of(gateway);
	struct rain_live_loan *loan = rain_loan_live(gateway, id);

	if (!loan) {
		loan = calloc(1, sizeof *loan);
		if (!loan)
			return;
		snprintf(loan->row.id, sizeof loan->row.id, "%s", id);
		loan->next = mind->loans;
		mind->loans = loan;
	}
	loan->live.touched = true;
	loan->live.changed_ms = rain_clock_monotonic_ms();
	turn_soon(mind);
}

static void burst_drop(struct rain_mind *mind, struct rain_live_burst *burst)
{
	struct rain_live_burst **at = &mind->bursts;

	while (*at != burst)
		at = &(*at)->next;
	*at = burst->next;
	mind->dropped_ms = rain_clock_monotonic_ms();
	rain_waiters_end(&burst->waiters);
	rain_home_stop(burst);
	rain_burst_row_release(&burst->row);
	free(burst);
}

static void loan_drop(struct rain_mind *mind, struct rain_live_loan *loan)
{
	struct rain_live_loan **at = &mind->loans;

	while (*at != loan)
		at = &(*at)->next;
	*at = loan->next;
	rain_waiters_end(&loan->waiters);
	rain_lender_stop(loan);
	rain_loan_row_release(&loan->row);
	free(loan);
}

struct reading {
	const char *id;
	struct rain_burst_row burst;
	struct rain_loan_row loan;
	int found;
};

static int read_burst(PGconn *tx, void *arg, struct rain_error *err)
{
	struct reading *reading = arg;

	rain_burst_row_release(&reading->burst);
	reading->found = rain_burst_row_load(tx, reading->id, false, &reading->burst, err);
	return reading->found < 0 ? -1 : 0;
}

static int read_loan(PGconn *tx, void *arg, struct rain_error *err)
{
	struct reading *reading = arg;

	rain_loan_row_release(&reading->loan);
	reading->found = rain_loan_row_load(tx, reading->id, false, &reading->loan, err);
	return reading->found < 0 ? -1 : 0;
}

/* Nothing left to do, and nobody left who might ask. */
static bool burst_is_done(const struct rain_live_burst *burst)
{
	return rain_burst_is_done(&burst->row.record) && !burst->live.busy;
}

static bool loan_is_done(const struct rain_live_loan *loan)
{
	return rain_loan_is_done(&loan->row.record) && loan->row.cleaned && !loan->live.busy;
}

/* false: the database is away. */
static bool burst_turn(struct rain_gateway *gateway, struct rain_live_burst *burst)
{
	struct reading reading = { .id = burst->row.id };
	struct rain_error err;

	burst->live.touched = false;
	if (rain_store_transaction(gateway->store, read_burst, &reading, &err) < 0) {
		burst->live.touched = true;
		rain_burst_row_release(&reading.burst);
		return false;
	}
	if (!reading.found) { /* its transaction was rolled back */
		burst_drop(rain_mind_of(gateway), burst);
		return true;
	}
	rain_burst_row_release(&burst->row);
	burst->row = reading.burst;
	rain_waiters_wake(&burst->waiters);
	rain_home_work(gateway, burst);
	if (burst_is_done(burst)) {
		rain_stream_remove(gateway, false, burst->row.id);
		burst_drop(rain_mind_of(gateway), burst);
	}
	return true;
}

static bool loan_turn(struct rain_gateway *gateway, struct rain_live_loan *loan)
{
	struct reading reading = { .id = loan->row.id };
	struct rain_error err;

	loan->live.touched = false;
	if (rain_store_transaction(gateway->store, read_loan, &reading, &err) < 0) {
		loan->live.touched = true;
		rain_loan_row_release(&reading.loan);
		return false;
	}
	if (!reading.found) {
		loan_drop(rain_mind_of(gateway), loan);
		return true;
	}
	rain_loan_row_release(&loan->row);
	loan->row = reading.loan;
	rain_leases_drop(gateway, loan->row.id);
	rain_waiters_wake(&loan->waiters);
	rain_lender_work(gateway, loan);
	if (loan_is_done(loan))
		loan_drop(rain_mind_of(gateway), loan);
	return true;
}

static struct rain_live_burst *touched_burst(const struct rain_mind *mind)
{
	struct rain_live_burst *burst = mind->bursts;

	while (burst && !burst->live.touched)
		burst = burst->next;
	return burst;
}

static struct rain_live_loan *touched_loan(const struct rain_mind *mind)
{
	struct rain_live_loan *loan = mind->loans;

	while (loan && !loan->live.touched)
		loan = loan->next;
	return loan;
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct rain_gateway *gateway = arg;
	struct rain_mind *mind = rain_mind_of(gateway);
	struct timeval again = { 0, 300000 };
	struct rain_live_burst *burst;
	struct rain_live_loan *loan;

	(void)fd;
	(void)what;
	/* Working on one may touch others, or drop itself: look from the start. */
	while ((burst = touched_burst(mind)))
		if (!burst_turn(gateway, burst))
			break;
	while ((loan = touched_loan(mind)))
		if (!loan_turn(gateway, loan))
			break;
	if (burst || loan)
		event_add(mind->turn, &again);
	if (mind->recovered)
		rain_candidates_work(gateway);
}

/* --- recovery: everything that is open in the database --- */

static int touch_open(PGconn *tx, void *arg, struct rain_error *err)
{
	struct rain_gateway *gateway = arg;
	PGresult *rows = rain_store_query(tx, err,
		"SELECT burst_id::text, 'b' FROM federation.burst"
		" WHERE state NOT IN ('settled', 'void') OR job <> 'over' OR NOT (delivered OR state = 'void') "
		"UNION ALL SELECT burst_id::text, 'l' FROM federation.loan"
		" WHERE state NOT IN ('closed', 'void') OR NOT (job_over OR job_id = 0) OR NOT cleaned", 0);

	if (!rows)
		return -1;
	for (int i = 0; i < PQntuples(rows); i++) {
		if (*rain_store_text(rows, i, 1) == 'b')
			rain_burst_touch(gateway, rain_store_text(rows, i, 0));
		else
			rain_loan_touch(gateway, rain_store_text(rows, i, 0));
	}
	rain_log_info("going on with open bursts and loans count=%d", PQntuples(rows));
	PQclear(rows);
	return 0;
}

static void recover(struct rain_gateway *gateway)
{
	struct rain_mind *mind = rain_mind_of(gateway);
	struct rain_error err;

	if (rain_store_transaction(gateway->store, touch_open, gateway, &err) < 0)
		return; /* the next tick tries again */
	mind->recovered = true;
	rain_streams_clean(gateway);
	rain_queue_nudge(gateway);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct rain_gateway *gateway = arg;
	struct rain_mind *mind = rain_mind_of(gateway);
	struct rain_live_burst *burst, *next_burst;
	struct rain_live_loan *loan, *next_loan;

	(void)fd;
	(void)what;
	if (!mind->recovered && rain_peers_are_loaded(gateway->peers))
		recover(gateway);
	if (!mind->recovered)
		return;
	rain_leases_tick(gateway);
	for (burst = mind->bursts; burst; burst = next_burst) {
		next_burst = burst->next;
		if (!burst->live.touched)
			rain_home_work(gateway, burst);
	}
	for (loan = mind->loans; loan; loan = next_loan) {
		next_loan = loan->next;
		if (!loan->live.touched)
			rain_lender_work(gateway, loan);
	}
	rain_candidates_work(gateway);
}

/* --- messages --- */

static int on_message(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
		      enum rain_message_type type, const json_t *body, struct rain_error *err)
{
	struct rain_message m;
	int result;

	if (rain_message_parse(type, body, &m, err))
		return -1;
	switch (type) {
	case RAIN_MESSAGE_ASK:
		rain_leases_ask(gateway, peer, &m);
		result = 0;
		break;
	case RAIN_MESSAGE_OFFER:
	case RAIN_MESSAGE_REFUSE:
		rain_candidates_answer(gateway, peer, &m);
		result = 0;
		break;
	case RAIN_MESSAGE_RECEIPT:
		result = rain_settle_receipt(gateway, tx, peer, &m, err);
		break;
	case RAIN_MESSAGE_COUNTERSIGNED:
		result = rain_settle_countersigned(gateway, tx, peer, &m, err);
		break;
	case RAIN_MESSAGE_DISPUTED:
		result = rain_settle_disputed(gateway, tx, peer, &m, err);
		break;
	case RAIN_MESSAGE_ORDER:
	case RAIN_MESSAGE_WITHDRAWN:
	case RAIN_MESSAGE_RECALL:
		result = rain_lender_on_message(gateway, tx, peer, &m, err);
		break;
	case RAIN_MESSAGE_EVENT:
		/* Which side it is for follows from whose burst it is. */
		result = m.kind == RAIN_EVENT_STAGED || m.kind == RAIN_EVENT_STARTED
				 ? rain_home_on_message(gateway, tx, peer, &m, err)
				 : m.kind == RAIN_EVENT_OTHER ? 0
							      : rain_lender_on_message(gateway, tx, peer, &m, err);
		break;
	default:
		result = rain_home_on_message(gateway, tx, peer, &m, err);
	}
	rain_message_release(&m);
	return result < 0 ? -1 : 0;
}

/* A peer (of another version, perhaps) that can't take our order has rejected
 * it; other messages of ours that it skips are for people to look at. */
static int on_undelivered(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
			  const json_t *body, struct rain_error *err)
{
	const char *burst, *type, *why;
	struct rain_message m = { .type = RAIN_MESSAGE_REJECTED };

	if (rain_json_string(body, "type", RAIN_LIMIT_MESSAGE_TYPE, &type, err) ||
	    rain_json_string_or(body, "error", sizeof(err->text), "", &why, err))
		return -1;
	rain_log_warning("peer=%s skipped our message type=%s: %s", peer->name, type, why);
	if (strcmp(type, rain_message_name(RAIN_MESSAGE_ORDER)) != 0 ||
	    rain_json_string(json_object_get(body, "body"), "burst", RAIN_UUID_SIZE - 1, &burst, NULL) ||
	    !rain_uuid_is_valid(burst))
		return 0;
	strcpy(m.burst, burst);
	snprintf(m.reason, sizeof m.reason, "%.*s", (int)sizeof m.reason - 1, why);
	return rain_home_on_message(gateway, tx, peer, &m, err) < 0 ? -1 : 0;
}

#define HANDLER(name, type)                                                                    \
	static int on_##name(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer, \
			     const json_t *body, struct rain_error *err)                             \
	{                                                                                            \
		return on_message(gateway, tx, peer, type, body, err);                               \
	}
HANDLER(ask, RAIN_MESSAGE_ASK)
HANDLER(offer, RAIN_MESSAGE_OFFER)
HANDLER(refuse, RAIN_MESSAGE_REFUSE)
HANDLER(order, RAIN_MESSAGE_ORDER)
HANDLER(accepted, RAIN_MESSAGE_ACCEPTED)
HANDLER(rejected, RAIN_MESSAGE_REJECTED)
HANDLER(withdrawn, RAIN_MESSAGE_WITHDRAWN)
HANDLER(event, RAIN_MESSAGE_EVENT)
HANDLER(recall, RAIN_MESSAGE_RECALL)
HANDLER(evict, RAIN_MESSAGE_EVICT)
HANDLER(finished, RAIN_MESSAGE_FINISHED)
HANDLER(receipt, RAIN_MESSAGE_RECEIPT)
HANDLER(countersigned, RAIN_MESSAGE_COUNTERSIGNED)
HANDLER(disputed, RAIN_MESSAGE_DISPUTED)

static const struct rain_message_handler handlers[] = {
	{ "ask", on_ask },		 { "offer", on_offer },
	{ "refuse", on_refuse },	 { "order", on_order },
	{ "accepted", on_accepted },	 { "rejected", on_rejected },
	{ "withdrawn", on_withdrawn },	 { "event", on_event },
	{ "recall", on_recall },	 { "evict", on_evict },
	{ "finished", on_finished },	 { "receipt", on_receipt },
	{ "countersigned", on_countersigned }, { "disputed", on_disputed },
	{ "undelivered", on_undelivered }, { NULL, NULL },
};

/* --- the module --- */

static int init(struct rain_gateway *gateway, struct rain_error *err)
{
	const struct timeval second = { 1, 0 };
	struct rain_mind *mind = calloc(1, sizeof *mind);

	if (!mind)
		return rain_error_set(err, "out of memory");
	gateway->mind = mind;
	mind->turn = event_new(gateway->base, -1, 0, on_turn, gateway);
	mind->tick = event_new(gateway->base, -1, EV_PERSIST, on_tick, gateway);
	if (!mind->turn || !mind->tick || event_add(mind->tick, &second))
		return rain_error_set(err, "out of memory for events");
	if (rain_candidates_start(gateway, err) || rain_leases_start(gateway, err) ||
	    rain_queue_start(gateway, err))
		return -1;
	return 0;
}

static void fini(struct rain_gateway *gateway)
{
	struct rain_mind *mind = rain_mind_of(gateway);

	if (!mind)
		return;
	while (mind->bursts)
		burst_drop(mind, mind->bursts);
	while (mind->loans)
		loan_drop(mind, mind->loans);
	rain_queue_stop(gateway);
	rain_candidates_stop(gateway);
	rain_leases_stop(gateway);
	if (mind->turn)
		event_free(mind->turn);
	if (mind->tick)
		event_free(mind->tick);
	free(mind);
	gateway->mind = NULL;
}

static void ready(struct rain_gateway *gateway)
{
	recover(gateway);
}

static void card(struct rain_gateway *gateway, json_t *capabilities)
{
	json_object_set_new(capabilities, "lend", rain_leases_card(gateway));
}

struct wanted {
	const char *sha256;
	int64_t size;
};

static int is_wanted(void *arg, const char *sha256, int64_t size)
{
	struct wanted *wanted = arg;

	if (strcmp(sha256, wanted->sha256) != 0)
		return 0;
	wanted->size = size;
	return 1;
}

/* Inputs travel from home to lender, outputs back: nothing else is anybody's
 * business. */
static bool blob_allow(struct rain_gateway *gateway, const struct rain_peer *peer,
		       const char *sha256, bool write, int64_t *size_max, struct rain_error *err)
{
	const struct rain_mind *mind = rain_mind_of(gateway);
	struct wanted wanted = { .sha256 = sha256 };

	for (struct rain_live_burst *b = mind->bursts; b; b = b->next) {
		if (b->row.peer != peer->row)
			continue;
		if (write ? rain_outputs_blobs(b->row.outputs, is_wanted, &wanted)
			  : b->row.record.inputs_sent && rain_manifest_blobs(b->row.manifest, is_wanted, &wanted))
			goto allowed;
	}
	for (struct rain_live_loan *l = mind->loans; l; l = l->next) {
		if (l->row.peer != peer->row)
			continue;
		if (write ? l->row.manifest && !l->row.record.staged &&
				    rain_manifest_blobs(l->row.manifest, is_wanted, &wanted)
			  : rain_loan_is_over(&l->row.record) &&
				    rain_outputs_blobs(l->row.outputs, is_wanted, &wanted))
			goto allowed;
	}
	rain_error_set(err, "no order between us names this blob");
	return false;
allowed:
	*size_max = wanted.size;
	return true;
}

static bool blob_in_use(struct rain_gateway *gateway, const char *sha256)
{
	const struct rain_mind *mind = rain_mind_of(gateway);
	struct wanted wanted = { .sha256 = sha256 };

	for (struct rain_live_burst *b = mind->bursts; b; b = b->next)
		if (rain_manifest_blobs(b->row.manifest, is_wanted, &wanted) ||
		    rain_outputs_blobs(b->row.outputs, is_wanted, &wanted))
			return true;
	for (struct rain_live_loan *l = mind->loans; l; l = l->next)
		if (rain_manifest_blobs(l->row.manifest, is_wanted, &wanted) ||
		    rain_outputs_blobs(l->row.outputs, is_wanted, &wanted))
			return true;
	return !mind->recovered; /* as long as we don't know, everything is */
}

const struct rain_gateway_module rain_mind_module = {
	.name = "bursts",
	.init = init,
	.fini = fini,
	.ready = ready,
	.routes = rain_mind_routes,
	.messages = handlers,
	.ops = rain_mind_ops,
	.card = card,
	.blob_allow = blob_allow,
	.blob_in_use = blob_in_use,
};
