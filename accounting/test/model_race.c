// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * All clients at once. Which order the database made of it nobody can know beforehand;
 * so each call that commits draws a number while it holds a lock until its COMMIT is
 * seen: the numbers are the order of commits. In that order the model is asked again.
 *
 * A call that changed something must have been answered as the model answers at its
 * place. One that changed nothing (refused, rolled back, or done before) saw the ledger
 * at some moment between its beginning and its end, and must have been answered as the
 * model answers at one of these.
 *
 * What can't be put in such an order, the clock above all, waits until all are done.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accounting/test/model_play.h"

enum { ROUND_MAX = 120 };

struct call {
	const struct op *op;
	char answer[256];
	int number;	 /* its place among the commits of the round, from 1; 0: none */
	int after;	 /* it began after this many commits */
	int before;	 /* calls sent before it ended: their commits it may have seen */
	bool sent, done, failed;
};

struct race {
	struct try *try;
	struct call calls[ROUND_MAX];
	int count, sent_count;
	int sent_order[ROUND_MAX];
	int newest; /* commit that somebody was told of */
	int running[CLIENTS]; /* index of a call, or -1 */
};

static bool is_alone(const struct op *op)
{
	return op->kind == OP_TIME || op->kind == OP_SWEEP || op->kind == OP_RATE;
}

static void call_send(struct race *race, int client)
{
	char sql[MODEL_SQL_MAX], all[MODEL_SQL_MAX + 256];
	int i;

	race->running[client] = -1;
	for (i = 0; i < race->count; i++)
		if (!race->calls[i].sent && race->calls[i].op->client == client)
			break;
	if (i == race->count)
		return;
	model_sql(sql, race->calls[i].op);
	snprintf(all, sizeof(all), "BEGIN; %s; %s", sql,
		 race->calls[i].op->undone
			 ? "ROLLBACK"
			 : "SELECT pg_advisory_xact_lock(4711), nextval('model.place'); COMMIT");
	race->calls[i].sent = true;
	race->calls[i].after = race->newest;
	race->sent_order[race->sent_count++] = i;
	race->running[client] = i;
	if (!PQsendQuery(race->try->clients[client], all))
		snprintf(race->calls[i].answer, sizeof(race->calls[i].answer), "%s",
			 PQerrorMessage(race->try->clients[client]));
}

static void call_take(struct call *call, PGresult *result, int *tuples)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	if (PQresultStatus(result) == PGRES_TUPLES_OK) {
		if ((*tuples)++ == 0)
			snprintf(call->answer, sizeof(call->answer), "%s",
				 PQntuples(result) == 1 ? PQgetvalue(result, 0, 0) : "");
		else
			call->number = atoi(PQgetvalue(result, 0, 1));
	} else if (PQresultStatus(result) != PGRES_COMMAND_OK) {
		snprintf(call->answer, sizeof(call->answer), "%s",
			 state ? state : PQresultErrorMessage(result));
		call->failed = true;
	}
}

/* Reads all that the client was answered. */
static void call_end(struct race *race, int client)
{
	struct call *call = &race->calls[race->running[client]];
	PGconn *conn = race->try->clients[client];
	PGresult *result;
	int tuples = 0;

	while ((result = PQgetResult(conn))) {
		call_take(call, result, &tuples);
		PQclear(result);
	}
	if (call->failed) {
		call->number = 0;
		PQclear(PQexec(conn, "ROLLBACK"));
	}
	call->done = true;
	call->before = race->sent_count;
	if (call->number > race->newest)
		race->newest = call->number;
}

static bool calls_run(struct race *race)
{
	PQclear(PQexec(race->try->clients[0], "DROP SEQUENCE IF EXISTS model.place"));
	PQclear(PQexec(race->try->clients[0], "CREATE SEQUENCE model.place"));
	for (int c = 0; c < CLIENTS; c++)
		call_send(race, c);
	for (;;) {
		struct pollfd fds[CLIENTS];
		int busy = 0;

		for (int c = 0; c < CLIENTS; c++) {
			fds[c] = (struct pollfd){.fd = race->running[c] < 0 ? -1 : PQsocket(race->try->clients[c]),
						 .events = POLLIN};
			busy += race->running[c] >= 0;
		}
		if (busy == 0)
			return true;
		if (poll(fds, CLIENTS, 60000) <= 0) {
			snprintf(race->try->failure, sizeof(race->try->failure), "no answer within a minute");
			return false;
		}
		for (int c = 0; c < CLIENTS; c++) {
			if (!fds[c].revents || !PQconsumeInput(race->try->clients[c]) ||
			    PQisBusy(race->try->clients[c]))
				continue;
			call_end(race, c);
			call_send(race, c);
		}
	}
}

static bool answers(const struct model *at, const struct call *call, bool *changes)
{
	static struct model copy;
	char expected[64];

	copy = *at;
	model_apply(&copy, call->op, expected);
	*changes = memcmp(&copy, at, sizeof(copy)) != 0;
	return strcmp(expected, call->answer) == 0;
}

/* The last commit that a call may have seen. */
static int seen_up_to(const struct race *race, const struct call *call)
{
	int last = call->after;

	for (int i = 0; i < call->before; i++) {
		int number = race->calls[race->sent_order[i]].number;

		last = number > last ? number : last;
	}
	return call->number && call->number - 1 < last ? call->number - 1 : last;
}

/* Every call that is still open at the model's state after `place` commits. */
static void calls_settle(struct race *race, bool *right, int place)
{
	bool changes;

	for (int i = 0; i < race->count; i++) {
		const struct call *call = &race->calls[i];

		/* Its answer doesn't say whether it changed something, and one limit may be set
		 * again after another: only its place tells. It has had the account locked. */
		if (call->op->kind == OP_LIMIT && call->number)
			continue;
		if (!right[i] && place >= call->after && place <= seen_up_to(race, call) &&
		    answers(&race->try->model, call, &changes) && !changes)
			right[i] = true;
	}
}

static bool calls_check(struct race *race)
{
	bool right[ROUND_MAX] = {false}, changes;
	char sql[MODEL_SQL_MAX], expected[64];

	for (int place = 0;; place++) {
		int next = -1;

		calls_settle(race, right, place);
		for (int i = 0; i < race->count; i++)
			if (race->calls[i].number == place + 1)
				next = i;
		if (next < 0)
			break;
		if (!right[next]) {
			right[next] = answers(&race->try->model, &race->calls[next], &changes);
			model_apply(&race->try->model, race->calls[next].op, expected);
		}
	}
	for (int i = 0; i < race->count; i++) {
		const struct call *call = &race->calls[i];

		if (right[i])
			continue;
		model_sql(sql, call->op);
		snprintf(race->try->failure, sizeof(race->try->failure),
			 "%s%s\n  answers \"%s\" (commit %d, between %d and %d), which the model never does", sql,
			 call->op->undone ? " (rolled back)" : "", call->answer, call->number, call->after,
			 seen_up_to(race, call));
		return false;
	}
	return true;
}

int model_race(struct try *try, PGconn *server, const struct op *ops, int count)
{
	static struct race race;
	int i = 0, good = 0, compared = 0;

	model_begin(try, server);
	while (i < count) {
		memset(&race, 0, sizeof(race));
		race.try = try;
		for (; i < count && race.count < ROUND_MAX && !is_alone(&ops[i]); i++)
			race.calls[race.count++].op = &ops[i];
		if (race.count > 0 && (!calls_run(&race) || !calls_check(&race)))
			break;
		if (i - compared >= COMPARE_EVERY && !model_same(try))
			break;
		compared = i - compared >= COMPARE_EVERY ? i : compared;
		if (i < count && race.count < ROUND_MAX && !model_step(try, &ops[i++]))
			break;
		good = i;
	}
	if (good == count && !model_same(try))
		good--;
	else if (good < count)
		good = i - 1; /* the round up to here has the call that failed */
	model_end(try);
	return good;
}
