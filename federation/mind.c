/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/mind.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "federation/limits.h"
#include "federation/system.h"
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

bool rain_mind_peer_takes_parts(const struct rain_peer *peer)
{
	return json_is_true(json_object_get(json_object_get(peer->card, "capabilities"), "parts"));
}

bool rain_mind_peer_is_near(const struct rain_peer *peer)
{
	return !peer->removed && (peer->reachable ||
	       (peer->last_contact_ms > 0 && rain_clock_realtime_ms() - peer->last_contact_ms < NEAR_MS));
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
	rain_policy_tick(gateway);
	rain_leases_tick(gateway);
	for (burst = mind->bursts; burst; burst = next_burst) {
		next_burst = burst->next;
		if (burst->live.touched)
			continue;
		rain_home_work(gateway, burst);
		rain_burst_drop_when_done(gateway, burst);
	}
	for (loan = mind->loans; loan; loan = next_loan) {
		next_loan = loan->next;
		if (!loan->live.touched)
			rain_lender_work(gateway, loan);
	}
	rain_candidates_work(gateway);
}

/* --- the module --- */

static int init(struct rain_gateway *gateway, struct rain_error *err)
{
	const struct timeval second = { 1, 0 };
	struct rain_mind *mind = calloc(1, sizeof *mind);

	if (!mind)
		return rain_error_set(err, "out of memory");
	gateway->mind = mind;
	mind->turn = event_new(gateway->base, -1, 0, rain_live_turn, gateway);
	mind->tick = event_new(gateway->base, -1, EV_PERSIST, on_tick, gateway);
	if (!mind->turn || !mind->tick || event_add(mind->tick, &second))
		return rain_error_set(err, "out of memory for events");
	if (rain_policy_start(gateway, err) || rain_candidates_start(gateway, err) || rain_leases_start(gateway, err) ||
	    rain_queue_start(gateway, err) || rain_system_start(gateway, err))
		return -1;
	return 0;
}

static void fini(struct rain_gateway *gateway)
{
	struct rain_mind *mind = rain_mind_of(gateway);

	if (!mind)
		return;
	rain_live_drop_all(mind);
	rain_queue_stop(gateway);
	rain_candidates_stop(gateway);
	rain_policy_stop(gateway);
	rain_leases_stop(gateway);
	rain_system_stop(gateway);
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

static void card(struct rain_gateway *gateway, const struct rain_peer *peer, json_t *capabilities)
{
	json_object_set_new(capabilities, "lend", rain_leases_card(gateway, peer));
	json_object_set_new(capabilities, "parts", json_true());
	json_object_set_new(capabilities, "system", rain_system_card(gateway));
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

/* While home still packs, it brings what is ready. */
static bool is_early(const struct rain_live_loan *loan, const char *burst)
{
	return burst && !loan->row.manifest && !rain_loan_is_over(&loan->row.record);
}

static bool is_for(const char *id, const char *burst)
{
	return !burst || !strcmp(id, burst);
}

/* Inputs travel from home to lender, outputs back: nothing else is anybody's
 * business. */
static bool blob_allow(struct rain_gateway *gateway, const struct rain_peer *peer, const char *sha256, bool write,
		       const char *burst, struct rain_blob_leave *leave, struct rain_error *err)
{
	const struct rain_mind *mind = rain_mind_of(gateway);
	struct wanted wanted = { .sha256 = sha256 };

	for (struct rain_live_burst *b = mind->bursts; b; b = b->next) {
		if (b->row.peer != peer->row || !is_for(b->row.id, burst))
			continue;
		if (write ? rain_outputs_blobs(b->row.outputs, is_wanted, &wanted)
			  : b->row.record.inputs_sent && rain_manifest_blobs(b->row.manifest, is_wanted, &wanted)) {
			snprintf(leave->owner, sizeof leave->owner, "uid-%" PRId64, b->row.uid);
			goto allowed;
		}
	}
	for (struct rain_live_loan *l = mind->loans; l; l = l->next) {
		if (l->row.peer != peer->row || !is_for(l->row.id, burst))
			continue;
		wanted.size = RAIN_LIMIT_BLOB;
		if (write && is_early(l, burst))
			goto allowed;
		if (write ? rain_manifest_blobs(l->row.manifest, is_wanted, &wanted)
			  : rain_loan_is_over(&l->row.record) &&
				    rain_outputs_blobs(l->row.outputs, is_wanted, &wanted))
			goto allowed;
	}
	rain_error_set(err, "no order between us names this blob");
	return false;
allowed:
	leave->size_max = wanted.size;
	return true;
}

/* A loan may have waited for its inputs, or a relay for the outputs. */
static void blob_came(struct rain_gateway *gateway, const struct rain_peer *peer, const char *sha256)
{
	const struct rain_mind *mind = rain_mind_of(gateway);
	struct wanted wanted = { .sha256 = sha256 };

	for (struct rain_live_loan *l = mind->loans; l; l = l->next)
		if (l->row.peer == peer->row && l->row.manifest && !l->row.record.staged &&
		    rain_manifest_blobs(l->row.manifest, is_wanted, &wanted))
			rain_loan_touch(gateway, l->row.id);
	for (struct rain_live_burst *b = mind->bursts; b; b = b->next)
		if (b->row.peer == peer->row && rain_outputs_blobs(b->row.outputs, is_wanted, &wanted))
			rain_waiters_wake(&b->waiters);
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

/* What is open with each peer. */
static void metrics(const struct rain_gateway *gateway, FILE *out)
{
	const struct rain_mind *mind = rain_mind_of(gateway);

	fputs("# TYPE rain_peer_open_bursts gauge\n# HELP rain_peer_open_bursts Our jobs that it has.\n", out);
	for (size_t i = 0; i < rain_peers_count(gateway->peers); i++) {
		const struct rain_peer *peer = rain_peers_at(gateway->peers, i);
		size_t open = 0;

		for (const struct rain_live_burst *b = mind->bursts; b; b = b->next)
			open += b->row.peer == peer->row && b->row.record.state < RAIN_BURST_ENDED;
		if (!peer->removed)
			fprintf(out, "rain_peer_open_bursts{peer=\"%s\"} %zu\n", peer->name, open);
	}
	fputs("# TYPE rain_peer_open_loans gauge\n# HELP rain_peer_open_loans Its jobs that are here.\n", out);
	for (size_t i = 0; i < rain_peers_count(gateway->peers); i++) {
		const struct rain_peer *peer = rain_peers_at(gateway->peers, i);
		size_t open = 0;

		for (const struct rain_live_loan *l = mind->loans; l; l = l->next)
			open += l->row.peer == peer->row && !rain_loan_is_over(&l->row.record);
		if (!peer->removed)
			fprintf(out, "rain_peer_open_loans{peer=\"%s\"} %zu\n", peer->name, open);
	}
}

const struct rain_gateway_module rain_mind_module = {
	.name = "bursts",
	.init = init,
	.fini = fini,
	.ready = ready,
	.routes = rain_mind_routes,
	.messages = rain_mind_messages,
	.ops = rain_mind_ops,
	.card = card,
	.blob_allow = blob_allow,
	.blob_came = blob_came,
	.blob_in_use = blob_in_use,
	.metrics = metrics,
};
