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

	if (room) {
		room->credit_until_ms = 0;
		if (!room->tells && !rain_room_is_throttled(room))
			room->until_ms = room->delay_ms = 0;
	}
	rain_candidates_work(gateway);
}

void rain_room_told(struct rain_gateway *gateway, const struct rain_peer *peer, int64_t nodes, bool line)
{
	struct rain_room *room = rain_room_of(rain_asks_of(gateway), peer->row, true);

	if (!room)
		return;
	room->tells = true;
	room->line = line;
	if (rain_room_is_throttled(room))
		return;
	/* As if it had refused one node more, for the first time: its Slurm may need a moment. */
	room->nodes = nodes + 1;
	room->delay_ms = line ? RAIN_ROOM_LINE_MS : RAIN_ROOM_MIN_MS;
	room->until_ms = rain_clock_monotonic_ms() + room->delay_ms;
	room->window_ms = room->probe_ms = 0;
	rain_candidates_work(gateway);
}

void rain_room_take(struct rain_asks *asks, const struct rain_peer *peer, int64_t nodes)
{
	struct rain_room *room = rain_room_of(asks, peer->row, false);
	int64_t now = rain_clock_monotonic_ms();

	if (room && room->nodes > 1)
		room->nodes = room->nodes > nodes ? room->nodes - nodes : 1;
	if (room && room->delay_ms > 0 && room->until_ms <= now)
		room->probe_ms = now + RAIN_ASK_ANSWER_MS;
}

void rain_room_line(struct rain_asks *asks, const struct rain_peer *peer)
{
	struct rain_room *room = rain_room_of(asks, peer->row, true);

	if (room)
		room->tells = room->line = true;
}

bool rain_room_is_probed(struct rain_asks *asks, const struct rain_peer *peer)
{
	const struct rain_room *room = rain_room_of(asks, peer->row, false);

	return room && room->probe_ms > rain_clock_monotonic_ms();
}

void rain_room_offered(struct rain_asks *asks, const struct rain_peer *peer)
{
	struct rain_room *room = rain_room_of(asks, peer->row, false);

	if (!room)
		return;
	room->probe_ms = 0;
	if (room->until_ms <= rain_clock_monotonic_ms())
		room->delay_ms = 0;
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
		room->probe_ms = 0;
		/* Jobs that are refused together count as one try. */
		if (room->until_ms <= now) {
			room->delay_ms = room->delay_ms ? room->delay_ms * 2 : RAIN_ROOM_MIN_MS;
			if (room->delay_ms > RAIN_ROOM_MAX_MS || room->line)
				room->delay_ms = room->line ? RAIN_ROOM_LINE_MS : RAIN_ROOM_MAX_MS;
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

static int by_user(const void *a, const void *b)
{
	return strcmp(((const struct rain_money *)a)->user, ((const struct rain_money *)b)->user);
}

static struct rain_money *money_find(const struct rain_asks *asks, const char *user)
{
	struct rain_money key;

	snprintf(key.user, sizeof key.user, "%s", user);
	return asks->money_count
		       ? bsearch(&key, asks->money, asks->money_count, sizeof key, by_user) : NULL;
}

const struct rain_money *rain_money_of(const struct rain_gateway *gateway, const char *user)
{
	return money_find(rain_asks_of(gateway), user);
}

static int money_work(PGconn *tx, void *arg, struct rain_error *err)
{
	struct rain_asks *asks = arg;
	json_t *users = json_array();
	char *text;
	PGresult *rows;

	for (size_t i = 0; users && i < asks->money_count; i++)
		json_array_append_new(users, json_string(asks->money[i].user));
	text = json_dumps(users, JSON_COMPACT);
	json_decref(users);
	/* Two statements: what the first makes, the same one couldn't see. */
	rows = !text || rain_store_execute(tx, err, "SELECT ledger.account_ensure_user(u)"
						    " FROM jsonb_array_elements_text($1::jsonb) u", 1, text)
		       ? NULL
		       : rain_store_query(tx, err,
				"SELECT ledger.account_available(ledger.account_id('user:' || u))"
				" FROM jsonb_array_elements_text($1::jsonb) WITH ORDINALITY AS t (u, n) ORDER BY n",
				1, text);
	if (!text)
		rain_error_set(err, "out of memory for the users' tokens");
	free(text);
	if (!rows)
		return -1;
	for (int i = 0; i < PQntuples(rows) && (size_t)i < asks->money_count; i++)
		asks->money[i].available_utok = rain_store_int64(rows, i, 0);
	PQclear(rows);
	return 0;
}

/* Whether all of them are known and none is too old. */
static bool money_is_fresh(const struct rain_asks *asks, const struct rain_queue_job *const jobs[], size_t count,
			   int64_t now)
{
	for (size_t i = 0; i < count; i++) {
		const struct rain_money *money = money_find(asks, jobs[i]->user);

		if (!money || !money->read_ms || now - money->read_ms >= MONEY_FRESH_MS)
			return false;
	}
	return true;
}

int rain_money_read(struct rain_gateway *gateway, const struct rain_queue_job *const jobs[], size_t count,
		    struct rain_error *err)
{
	struct rain_asks *asks = rain_asks_of(gateway);
	int64_t now = rain_clock_monotonic_ms();
	struct rain_money *all;
	size_t kept = 0;

	if (money_is_fresh(asks, jobs, count, now))
		return 0;
	all = calloc(count + 1, sizeof *all);
	if (!all)
		return rain_error_set(err, "out of memory for the users' tokens");
	for (size_t i = 0; i < count; i++)
		snprintf(all[i].user, sizeof all[i].user, "%s", jobs[i]->user);
	qsort(all, count, sizeof *all, by_user);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || by_user(&all[kept - 1], &all[i]) != 0)
			all[kept++] = all[i];
	free(asks->money);
	asks->money = all;
	asks->money_count = kept;
	if (rain_store_transaction(gateway->store, money_work, asks, err)) {
		rain_log_warning("the users' tokens aren't known: %s", err->text);
		asks->money_count = 0;
		return -1;
	}
	for (size_t i = 0; i < kept; i++)
		asks->money[i].read_ms = now;
	return 0;
}

void rain_money_forget(struct rain_asks *asks, const char *user)
{
	struct rain_money *money = money_find(asks, user);

	if (money)
		money->read_ms = 0;
}

/* --- peers that lose jobs, or break them: black holes --- */

static void leave_alone(struct rain_room *room, const struct rain_peer *peer, int jobs, const char *what)
{
	room->nodes = 1;
	room->until_ms = rain_clock_monotonic_ms() + RAIN_LOST_MS * jobs;
	snprintf(room->reason, sizeof room->reason, "%d jobs in a row %s", jobs, what);
	rain_log_warning("peer=%s: %s; none goes there for a while", peer->name, room->reason);
}

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
	if (room && ++room->lost >= RAIN_LOST_IN_A_ROW)
		leave_alone(room, peer, room->lost, "were lost there");
}

void rain_candidates_kept(struct rain_gateway *gateway, const struct rain_peer *peer, int64_t code)
{
	struct rain_room *room = rain_room_of(rain_asks_of(gateway), peer->row, true);

	if (!room)
		return;
	room->lost = 0;
	/* A shell's word for a program that can't be run, or isn't there. */
	room->broken = code == 126 || code == 127 ? room->broken + 1 : 0;
	if (room->broken >= RAIN_BROKEN_IN_A_ROW)
		leave_alone(room, peer, room->broken, "ended there for want of a program");
}

bool rain_room_is_throttled(const struct rain_room *room)
{
	return room->lost >= RAIN_LOST_IN_A_ROW || room->broken >= RAIN_BROKEN_IN_A_ROW;
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
	free(asks->money);
}
