// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/test/model_play.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The one value, or the SQLSTATE. */
static void ask(PGconn *client, const char *sql, char *answer, size_t size)
{
	PGresult *result = PQexec(client, sql);
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1)
		snprintf(answer, size, "%s", PQgetvalue(result, 0, 0));
	else if (PQresultStatus(result) == PGRES_TUPLES_OK)
		snprintf(answer, size, "%s", "");
	else
		snprintf(answer, size, "%s", state ? state : PQerrorMessage(client));
	PQclear(result);
}

/* One call, against both. False when the answers differ. */
bool model_step(struct try *try, const struct op *op)
{
	char sql[MODEL_SQL_MAX], expected[64], found[256], ignored[256];
	PGconn *client = try->clients[op->client];

	model_sql(sql, op);
	model_apply(&try->model, op, expected);
	if (op->undone)
		ask(client, "BEGIN", ignored, sizeof(ignored));
	ask(client, sql, found, sizeof(found));
	if (op->undone)
		ask(client, "ROLLBACK", ignored, sizeof(ignored));
	if (strcmp(expected, found) == 0)
		return true;
	snprintf(try->failure, sizeof(try->failure), "%s\n  answers \"%s\", not \"%s\"", sql, found,
		 expected);
	return false;
}

bool model_same(struct try *try)
{
	static char expected[STATE_MAX];
	char names[512] = "{";
	const char *values[] = {names};

	for (int i = 0; i < ACCOUNTS; i++) {
		strcat(names, i ? "," : "");
		strcat(names, model_names[i]);
	}
	strcat(names, "}");
	for (size_t i = 0; i < MODEL_STATES; i++) {
		PGresult *result = PQexecParams(try->clients[0], model_states[i].sql, 1, NULL, values, NULL,
						NULL, 0);
		const char *found = PQntuples(result) == 1 ? PQgetvalue(result, 0, 0)
							   : PQerrorMessage(try->clients[0]);
		bool same;

		model_state(&try->model, i, expected, sizeof(expected));
		same = strcmp(found, expected) == 0;
		if (!same)
			snprintf(try->failure, sizeof(try->failure), "%s: the ledger has\n  %s\nnot\n  %s",
				 model_states[i].what, found, expected);
		PQclear(result);
		if (!same)
			return false;
	}
	return true;
}

static void must(PGconn *client, const char *sql)
{
	PGresult *result = PQexec(client, sql);

	if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK) {
		fprintf(stderr, "%s: %s", sql, PQerrorMessage(client));
		exit(99);
	}
	PQclear(result);
}

void model_prepare(PGconn *server)
{
	PGconn *base;

	must(server, "SET client_min_messages = error");
	must(server, "CREATE DATABASE model_base TEMPLATE rain");
	base = PQconnectdb("dbname=model_base user=postgres");
	must(base, model_clock_sql);
	PQfinish(base);
}

void model_begin(struct try *try, PGconn *server)
{
	char sql[256];

	must(server, "DROP DATABASE IF EXISTS model");
	must(server, "CREATE DATABASE model TEMPLATE model_base");
	for (int i = 0; i < CLIENTS; i++) {
		try->clients[i] = PQconnectdb("dbname=model user=postgres");
		must(try->clients[i], "SET client_min_messages = error;"
		     "SET search_path = ledger, pg_catalog"); /* the clock, for triggers without their own */
	}
	for (int i = USERS; i < ACCOUNTS; i++) {
		const char *kind = i < PROJECTS ? "user" : i < PEERS ? "project" : "peer";

		snprintf(sql, sizeof(sql), "SELECT ledger.account_ensure_%s('%s'%s)", kind,
			 strchr(model_names[i], ':') + 1, i < PEERS ? "" : ", 0");
		must(try->clients[0], sql);
	}
	model_init(&try->model);
	try->failure[0] = '\0';
}

void model_end(struct try *try)
{
	for (int c = 0; c < CLIENTS; c++)
		PQfinish(try->clients[c]);
}

int model_play(struct try *try, PGconn *server, const struct op *ops, int count)
{
	int i;

	model_begin(try, server);
	for (i = 0; i < count; i++)
		if (!model_step(try, &ops[i]) ||
		    (i % COMPARE_EVERY == COMPARE_EVERY - 1 && !model_same(try)))
			break;
	if (i == count && !model_same(try))
		i--;
	model_end(try);
	return i;
}
