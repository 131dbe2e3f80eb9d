// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/store.h"

#include <errno.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

#define HUNG_MS 1000

struct rain_ledger {
	char *conninfo;
	int64_t hung_until_ms; /* nobody there to connect to: what comes right after isn't tried */
	PGconn *connection; /* NULL or good, as far as we know */
	bool sent;	    /* it works at runs that nobody has asked for yet */
	PGresult *received; /* of a statement that isn't at its end yet */
};

struct rain_ledger *rain_ledger_create(const char *conninfo)
{
	struct rain_ledger *store = calloc(1, sizeof(*store));

	if (store)
		store->conninfo = strdup(conninfo);
	if (!store || !store->conninfo) {
		rain_ledger_destroy(store);
		return NULL;
	}
	return store;
}

void rain_ledger_destroy(struct rain_ledger *store)
{
	if (!store)
		return;
	PQclear(store->received);
	PQfinish(store->connection);
	free(store->conninfo);
	free(store);
}

/* libpq's messages end in a newline and may have several lines. */
static void set_first_line(struct rain_error *err, const char *prefix, const char *message)
{
	rain_error_set(err, "%s%.*s", prefix, (int)strcspn(message, "\n"), message);
}

/* Waits until the socket is ready. -1 when the time is over. */
static int wait_for(const struct rain_ledger *store, short events, int64_t deadline)
{
	for (;;) {
		struct pollfd fd = {.fd = PQsocket(store->connection), .events = events};
		int64_t left = deadline - rain_clock_monotonic_ms();
		int n = left > 0 ? poll(&fd, 1, (int)left) : 0;

		if (n > 0)
			return 0;
		if (n < 0 && errno == EINTR)
			continue;
		return -1;
	}
}

static void disconnect(struct rain_ledger *store)
{
	PQfinish(store->connection);
	store->connection = NULL;
}

static int connect_until(struct rain_ledger *store, int64_t deadline, struct rain_error *err)
{
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;

	if (rain_clock_monotonic_ms() < store->hung_until_ms)
		return rain_error_set(err, RAIN_LEDGER_SUBJECT " does not answer");
	store->connection = PQconnectStart(store->conninfo);
	if (!store->connection)
		return rain_error_set(err, RAIN_LEDGER_SUBJECT " can't be reached: no memory");
	while (PQstatus(store->connection) != CONNECTION_BAD &&
	       (status == PGRES_POLLING_READING || status == PGRES_POLLING_WRITING)) {
		short events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT;

		if (wait_for(store, events, deadline) < 0) {
			rain_error_set(err, RAIN_LEDGER_SUBJECT " does not answer");
			disconnect(store);
			store->hung_until_ms = rain_clock_monotonic_ms() + HUNG_MS;
			return -1;
		}
		status = PQconnectPoll(store->connection);
	}
	if (PQstatus(store->connection) == CONNECTION_OK)
		return 0;
	set_first_line(err, RAIN_LEDGER_SUBJECT " can't be reached: ",
		       PQerrorMessage(store->connection));
	disconnect(store);
	return -1;
}

/* Collects the (one) result of what was sent, or NULL when the connection broke or
 * the time is over. */
static PGresult *collect(struct rain_ledger *store, int64_t deadline)
{
	PGresult *result = NULL, *next;

	for (;;) {
		while (PQisBusy(store->connection)) {
			if (wait_for(store, POLLIN, deadline) < 0 ||
			    !PQconsumeInput(store->connection))
				goto broken;
		}
		next = PQgetResult(store->connection);
		if (!next)
			break;
		PQclear(result);
		result = next;
	}
	if (PQstatus(store->connection) == CONNECTION_OK)
		return result;
broken:
	PQclear(result);
	return NULL;
}

static PGresult *execute(struct rain_ledger *store, const char *sql, int count,
			 const char *const *params, int64_t deadline)
{
	if (!PQsendQueryParams(store->connection, sql, count, NULL, params, NULL, NULL, 0))
		return NULL;
	return collect(store, deadline);
}

/* Classes of SQLSTATE that blame the data: wrong values, constraints, what the
 * functions raise, and the ledger's own. All else may pass. */
static enum rain_ledger_result blame(const PGresult *result, struct rain_error *err)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	set_first_line(err, "", message ? message : "the database failed without saying why");
	if (state && (strncmp(state, "RN", 2) == 0 || strncmp(state, "22", 2) == 0 ||
		      strncmp(state, "23", 2) == 0 || strncmp(state, "P0", 2) == 0))
		return RAIN_LEDGER_REFUSED;
	rain_error_prefix(err, RAIN_LEDGER_SUBJECT " says");
	return RAIN_LEDGER_UNAVAILABLE;
}

/* The one value that a statement answers: JSON, which *value gets. Clears the result. */
static enum rain_ledger_result read_value(PGresult *result, json_t **value, struct rain_error *err)
{
	enum rain_ledger_result outcome = RAIN_LEDGER_OK;

	if (PQresultStatus(result) != PGRES_TUPLES_OK) {
		outcome = blame(result, err);
	} else if (PQntuples(result) != 1 || PQnfields(result) != 1 || PQgetisnull(result, 0, 0)) {
		rain_error_set(err, RAIN_LEDGER_SUBJECT " gave an unexpected answer: does its "
			       "schema fit this version? (rain-migrate)");
		outcome = RAIN_LEDGER_UNAVAILABLE;
	} else {
		json_error_t why;

		*value = json_loads(PQgetvalue(result, 0, 0), JSON_DECODE_ANY, &why);
		if (!*value) {
			rain_error_set(err, RAIN_LEDGER_SUBJECT " gave an answer that can't be read: %s",
				       why.text);
			outcome = RAIN_LEDGER_UNAVAILABLE;
		}
	}
	PQclear(result);
	return outcome;
}

/* Runs a statement that answers one value: JSON, which *value gets. */
static enum rain_ledger_result query(struct rain_ledger *store, const char *sql, int count,
				    const char *const *params, json_t **value,
				    struct rain_error *err)
{
	int64_t deadline = rain_clock_monotonic_ms() + RAIN_LEDGER_TIMEOUT_MS;
	PGresult *result = NULL;

	/* A connection that has idled may be dead without our knowing: then the
	 * statement is sent once more, which its idempotence allows. */
	for (int fresh = 0; !result && !fresh;) {
		fresh = store->connection == NULL;
		if (fresh && connect_until(store, deadline, err) < 0)
			return RAIN_LEDGER_UNAVAILABLE;
		result = execute(store, sql, count, params, deadline);
		if (!result) {
			const char *why = PQerrorMessage(store->connection);

			set_first_line(err, RAIN_LEDGER_SUBJECT " did not answer: ",
				       why[0] ? why : "it took too long");
			disconnect(store);
		}
	}
	if (!result)
		return RAIN_LEDGER_UNAVAILABLE;
	return read_value(result, value, err);
}

/* How many it answers, not what: nobody asks for that. */
#define RECORD "SELECT jsonb_array_length(ledger.job_runs_record($1::jsonb))"

enum rain_ledger_result rain_ledger_runs_record(struct rain_ledger *store, const char *runs,
					      struct rain_error *err)
{
	const char *params[] = {runs};
	json_t *answers = NULL;
	enum rain_ledger_result outcome = query(store, RECORD, 1, params, &answers, err);

	json_decref(answers);
	return outcome;
}

void rain_ledger_runs_send(struct rain_ledger *store, const char *runs)
{
	const char *params[] = {runs};

	store->sent = store->connection &&
		      PQsendQueryParams(store->connection, RECORD, 1, NULL, params, NULL, NULL, 0);
}

enum rain_ledger_result rain_ledger_runs_finish(struct rain_ledger *store, const char *runs,
						struct rain_error *err)
{
	json_t *answers = NULL;
	enum rain_ledger_result outcome;
	PGresult *result;

	if (!store->sent)
		return rain_ledger_runs_record(store, runs, err);
	store->sent = false;
	result = collect(store, rain_clock_monotonic_ms() + RAIN_LEDGER_TIMEOUT_MS);
	if (!result) {
		disconnect(store);
		return rain_ledger_runs_record(store, runs, err);
	}
	outcome = read_value(result, &answers, err);
	json_decref(answers);
	return outcome;
}

void rain_ledger_runs_abandon(struct rain_ledger *store)
{
	if (store->sent)
		disconnect(store);
	store->sent = false;
}

/* Amounts carry their unit in their name from here on. */
#define BALANCES \
	"SELECT coalesce(jsonb_agg(jsonb_build_object('account', name, 'kind', kind," \
	" 'balance_utok', balance, 'held_utok', held, 'available_utok', available," \
	" 'credit_limit_utok', credit_limit)), '[]') FROM "
#define ROWS_OF(alias) \
	"SELECT coalesce(jsonb_agg(to_jsonb(" alias ") - 'charged' - 'unpaid'" \
	" || jsonb_build_object('charged_utok', charged, 'unpaid_utok', unpaid)), '[]')"

enum rain_ledger_result rain_ledger_balances(struct rain_ledger *store, const char *name,
					   json_t **rows, struct rain_error *err)
{
	const char *params[] = {name};

	return query(store,
		     name ? BALANCES "ledger.balance($1)" : BALANCES "ledger.balances()",
		     name ? 1 : 0, params, rows, err);
}

struct number {
	char text[24];
};

static const char *number(struct number *number, int64_t value)
{
	snprintf(number->text, sizeof(number->text), "%" PRId64, value);
	return number->text;
}

enum rain_ledger_result rain_ledger_usage(struct rain_ledger *store, int64_t since, int64_t until,
					const char *by, const char *user, json_t **rows,
					struct rain_error *err)
{
	struct number a, b;
	const char *params[] = {number(&a, since), number(&b, until), by, user};

	return query(store,
		     ROWS_OF("u")
		     " FROM ledger.usage_report($1::bigint, $2::bigint, $3, $4) u",
		     4, params, rows, err);
}

enum rain_ledger_result rain_ledger_jobs(struct rain_ledger *store, int64_t since, int64_t until,
				       int64_t until_run, int64_t limit, const char *user,
				       json_t **rows, struct rain_error *err)
{
	struct number a, b, c, d;
	const char *params[] = {number(&a, since), number(&b, until), user, number(&c, limit),
				number(&d, until_run)};

	return query(store,
		     ROWS_OF("j")
		     " FROM ledger.usage_jobs($1::bigint, $2::bigint, $3, $4::integer, $5::bigint) j",
		     5, params, rows, err);
}

enum rain_ledger_result rain_ledger_rows(struct rain_ledger *store, const char *sql,
					 const char *const params[], size_t count, json_t **rows,
					 struct rain_error *err)
{
	char statement[1500];
	int n = snprintf(statement, sizeof(statement),
			 "SELECT coalesce(jsonb_agg(to_jsonb(r)), '[]') FROM (%s) r", sql);

	if (n >= (int)sizeof(statement)) {
		rain_error_set(err, "a statement of rain-ledgerd is too long");
		return RAIN_LEDGER_REFUSED;
	}
	return query(store, statement, (int)count, params, rows, err);
}

int rain_ledger_send(struct rain_ledger *store, const char *sql, const char *const params[],
		     size_t count, struct rain_error *err)
{
	int64_t deadline = rain_clock_monotonic_ms() + RAIN_LEDGER_TIMEOUT_MS;

	/* A connection that has idled may be dead without our knowing. */
	for (int fresh = 0; !fresh;) {
		fresh = store->connection == NULL;
		if (fresh && connect_until(store, deadline, err) < 0)
			return -1;
		if (PQsendQueryParams(store->connection, sql, (int)count, NULL, params, NULL, NULL, 0))
			return 0;
		set_first_line(err, RAIN_LEDGER_SUBJECT " can't be asked: ",
			       PQerrorMessage(store->connection));
		disconnect(store);
	}
	return -1;
}

int rain_ledger_fd(const struct rain_ledger *store)
{
	return PQsocket(store->connection);
}

void rain_ledger_give_up(struct rain_ledger *store)
{
	PQclear(store->received);
	store->received = NULL;
	disconnect(store);
}

void rain_ledger_close(struct rain_ledger *store)
{
	rain_ledger_give_up(store);
	store->hung_until_ms = INT64_MAX;
}

/* The last result counts: an answer may come before its COMMIT has failed. */
enum rain_ledger_result rain_ledger_receive(struct rain_ledger *store, json_t **value,
					    struct rain_error *err)
{
	bool alive = PQconsumeInput(store->connection), ended = false;
	PGresult *result;

	while (alive && !ended && !PQisBusy(store->connection)) {
		result = PQgetResult(store->connection);
		ended = result == NULL;
		if (!ended) {
			PQclear(store->received);
			store->received = result;
		}
	}
	if (alive && !ended)
		return RAIN_LEDGER_BUSY;
	if (!alive || !store->received || PQstatus(store->connection) != CONNECTION_OK) {
		const char *why = PQerrorMessage(store->connection);

		set_first_line(err, RAIN_LEDGER_SUBJECT " did not answer: ",
			       why[0] ? why : "the connection broke");
		rain_ledger_give_up(store);
		return RAIN_LEDGER_UNAVAILABLE;
	}
	result = store->received;
	store->received = NULL;
	return read_value(result, value, err);
}

enum rain_ledger_result rain_ledger_await(struct rain_ledger *store, int64_t deadline_ms,
					  json_t **value, struct rain_error *err)
{
	enum rain_ledger_result outcome;

	while ((outcome = rain_ledger_receive(store, value, err)) == RAIN_LEDGER_BUSY)
		if (wait_for(store, POLLIN, deadline_ms) < 0)
			break;
	return outcome;
}
