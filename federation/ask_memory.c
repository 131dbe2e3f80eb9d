/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is remembered between asks: refusals, peers without room, peers that
 * lose jobs, and what users may spend.  All of it may be forgotten. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "federation/candidates.h"

#define MONEY_FRESH_MS 1000

struct rain_room *rain_room_of(struct rain_asks *asks, int64_t peer, bool make)
{
	struct rain_room *room = asks->rooms;

	while (room && room->peer != peer)
		room = room->next;
	if (!room && make && (room = calloc(1, sizeof *room))) {
		room->peer = peer;
		room->next = asks->rooms;
		asks->rooms = room;
	}
	return room;
}

void rain_candidates_room(struct rain_gateway *gateway, const struct rain_peer *peer)
{
	struct rain_room *room = rain_room_of(rain_asks_of(gateway), peer->row, false);

	if (room)
		room->until_ms = room->delay_ms = 0;
	rain_candidates_work(gateway);
}

struct rain_refusal *rain_refusal_of(struct rain_asks *asks, int64_t job_id, int64_t peer, bool make)
{
	struct rain_refusal_of_job *r = asks->refusals;

	while (r && (r->job_id != job_id || r->refusal.peer != peer))
		r = r->next;
	if (!r && make && (r = calloc(1, sizeof *r))) {
		r->job_id = job_id;
		r->refusal.peer = peer;
		r->next = asks->refusals;
		asks->refusals = r;
	}
	return r ? &r->refusal : NULL;
}

void rain_refusal_note(struct rain_asks *asks, const struct rain_ask *ask, const struct rain_peer *peer,
			 const char *reason, bool capacity)
{
	int64_t now = rain_clock_monotonic_ms();
	struct rain_refusal *refusal;
	struct rain_room *room;

	if (capacity && (room = rain_room_of(asks, peer->row, true))) {
		/* Jobs that are refused together count as one try. */
		if (room->until_ms <= now) {
			room->delay_ms = room->delay_ms ? room->delay_ms * 2 : RAIN_ROOM_MIN_MS;
			if (room->delay_ms > RAIN_ROOM_MAX_MS)
				room->delay_ms = RAIN_ROOM_MAX_MS;
			room->until_ms = now + room->delay_ms;
			room->nodes = ask->job.shape.nodes;
		} else if (ask->job.shape.nodes < room->nodes) {
			room->nodes = ask->job.shape.nodes;
		}
		snprintf(room->reason, sizeof room->reason, "%s", reason);
	} else if (!capacity && (refusal = rain_refusal_of(asks, ask->job.job_id, peer->row, true))) {
		refusal->until_ms = now + RAIN_REFUSAL_MS;
		snprintf(refusal->reason, sizeof refusal->reason, "%s", reason);
	}
}

/* --- money --- */

static int money_work(PGconn *tx, void *arg, struct rain_error *err)
{
	struct rain_money *money = arg;
	PGresult *rows;

	/* Two statements: what the first makes, the same one couldn't see. */
	if (rain_store_execute(tx, err, "SELECT ledger.account_ensure_user($1)", 1, money->user))
		return -1;
	rows = rain_store_query(tx, err, "SELECT ledger.account_available(ledger.account_id('user:' || $1))", 1,
				money->user);
	if (!rows)
		return -1;
	money->available_utok = rain_store_int64(rows, 0, 0);
	PQclear(rows);
	return 0;
}

/* What the user may spend; NULL when the database is away. */
const struct rain_money *rain_money_of(struct rain_gateway *gateway, const char *user)
{
	struct rain_asks *asks = rain_asks_of(gateway);
	struct rain_money *money = asks->money;
	int64_t now = rain_clock_monotonic_ms();
	struct rain_error err;

	while (money && strcmp(money->user, user) != 0)
		money = money->next;
	if (!money && (money = calloc(1, sizeof *money))) {
		snprintf(money->user, sizeof money->user, "%s", user);
		money->next = asks->money;
		asks->money = money;
	}
	if (!money || (money->read_ms && now - money->read_ms < MONEY_FRESH_MS))
		return money;
	if (rain_store_transaction(gateway->store, money_work, money, &err)) {
		rain_log_debug("the tokens of user=%s aren't known: %s", user, err.text);
		return NULL;
	}
	money->read_ms = now;
	return money;
}

void rain_money_forget(struct rain_asks *asks, const char *user)
{
	for (struct rain_money *money = asks->money; money; money = money->next)
		if (!strcmp(money->user, user))
			money->read_ms = 0;
}

/* --- peers that lose jobs --- */

void rain_candidates_lost(struct rain_gateway *gateway, int64_t job_id, const struct rain_peer *peer,
			  const char *reason)
{
	struct rain_asks *asks = rain_asks_of(gateway);
	struct rain_room *room = rain_room_of(asks, peer->row, true);
	struct rain_refusal *refusal = rain_refusal_of(asks, job_id, peer->row, true);
	int64_t now = rain_clock_monotonic_ms();

	if (refusal) {
		refusal->until_ms = now + RAIN_LOST_MS;
		snprintf(refusal->reason, sizeof refusal->reason, "it did not finish this job (%.200s)",
			 reason[0] ? reason : "it does not say why");
	}
	if (room && ++room->lost >= RAIN_LOST_IN_A_ROW) {
		room->nodes = 1;
		room->until_ms = now + RAIN_LOST_MS * room->lost;
		snprintf(room->reason, sizeof room->reason, "it has lost %d jobs in a row", room->lost);
		rain_log_warning("peer=%s has lost %d jobs in a row; none goes there for a while", peer->name, room->lost);
	}
}

void rain_candidates_kept(struct rain_gateway *gateway, const struct rain_peer *peer)
{
	struct rain_room *room = rain_room_of(rain_asks_of(gateway), peer->row, false);

	if (room)
		room->lost = 0;
}

void rain_refusals_forget(struct rain_asks *asks, int64_t now)
{
	struct rain_refusal_of_job **at = &asks->refusals, *r;

	while ((r = *at)) {
		if (r->refusal.until_ms > now) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		free(r);
	}
}

void rain_asks_release(struct rain_asks *asks)
{
	struct rain_refusal_of_job *refusal;
	struct rain_money *money;
	struct rain_room *room;

	while (asks->list)
		rain_ask_drop(asks, asks->list);
	while ((refusal = asks->refusals)) {
		asks->refusals = refusal->next;
		free(refusal);
	}
	while ((room = asks->rooms)) {
		asks->rooms = room->next;
		free(room);
	}
	while ((money = asks->money)) {
		asks->money = money->next;
		free(money);
	}
}
