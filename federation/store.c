// SPDX-License-Identifier: GPL-2.0-or-later
#include "federation/store.h"

#include <assert.h>
#include <errno.h>
#include <libpq-events.h>
#include <poll.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "federation/limits.h"

struct hook {
	rain_store_hook call;
	void *arg;
};

struct rain_store {
	char *conninfo;
	PGconn *connection; /* NULL: not connected */
	int64_t tried_ms;   /* monotonic, of the last attempt to connect */
	bool tried;
	bool in_transaction;
	bool transient;
	bool hung; /* the server didn't answer in time: only a new connection helps */
	char sqlstate[6];
	char why[256]; /* of the last failed attempt to connect */
	struct hook *hooks; /* of the transaction under way */
	size_t hook_count, hook_space;
};

struct rain_store *rain_store_create(const char *conninfo)
{
	struct rain_store *store = calloc(1, sizeof(*store));

	if (store && !(store->conninfo = strdup(conninfo))) {
		free(store);
		return NULL;
	}
	return store;
}

void rain_store_destroy(struct rain_store *store)
{
	if (!store)
		return;
	PQfinish(store->connection);
	free(store->hooks);
	free(store->conninfo);
	free(store);
}

/* Only there so that a connection can carry a pointer to its store. */
static int on_event(PGEventId id, void *info, void *arg)
{
	(void)id;
	(void)info;
	(void)arg;
	return 1;
}

static struct rain_store *store_of(PGconn *tx)
{
	return PQinstanceData(tx, on_event);
}

static void disconnect(struct rain_store *store)
{
	PQfinish(store->connection);
	store->connection = NULL;
	store->hung = false;
}

/* The server's first line, without its "ERROR:  " and line break. */
static void plain(const char *message, char *text, size_t size)
{
	static const char *const prefixes[] = {"ERROR:  ", "FATAL:  ", "error: "};
	size_t length;

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
		if (strncmp(message, prefixes[i], strlen(prefixes[i])) == 0)
			message += strlen(prefixes[i]);
	length = strcspn(message, "\n");
	snprintf(text, size, "%.*s", (int)length, message);
}

static int set_up(struct rain_store *store)
{
	char sql[256];
	PGresult *result;
	int ok;

	snprintf(sql, sizeof(sql),
		 "SET statement_timeout = %d; SET lock_timeout = %d; "
		 "SET idle_in_transaction_session_timeout = '60s'; SET search_path = pg_catalog; "
		 "SET client_min_messages = warning",
		 RAIN_LIMIT_STORE_STATEMENT_MS, RAIN_LIMIT_STORE_LOCK_MS);
	result = PQexec(store->connection, sql);
	ok = PQresultStatus(result) == PGRES_COMMAND_OK;
	PQclear(result);
	return ok && PQregisterEventProc(store->connection, on_event, "rain", NULL) &&
			       PQsetInstanceData(store->connection, on_event, store)
		       ? 0
		       : -1;
}

static void ignore_notice(void *arg, const PGresult *result)
{
	(void)arg;
	(void)result;
}

static int try_connect(struct rain_store *store)
{
	char timeout[16];
	/* expand_dbname: the whole connection string goes in "dbname". */
	const char *keys[] = {"dbname", "connect_timeout", "fallback_application_name", NULL};
	const char *values[] = {store->conninfo, timeout, "rain-gatewayd", NULL};

	snprintf(timeout, sizeof(timeout), "%d", RAIN_LIMIT_STORE_CONNECT_S);
	store->connection = PQconnectdbParams(keys, values, 1);
	if (store->connection && PQstatus(store->connection) == CONNECTION_OK &&
	    set_up(store) == 0) {
		PQsetNoticeReceiver(store->connection, ignore_notice, NULL);
		return 0;
	}
	plain(store->connection ? PQerrorMessage(store->connection) : "out of memory", store->why,
	      sizeof(store->why));
	disconnect(store);
	return -1;
}

static int connect_if_needed(struct rain_store *store, struct rain_error *err)
{
	int64_t now = rain_clock_monotonic_ms();
	bool first = !store->why[0];

	if (store->connection && PQstatus(store->connection) == CONNECTION_OK)
		return 0;
	disconnect(store);
	if (!store->tried || now - store->tried_ms >= RAIN_LIMIT_STORE_RETRY_MS) {
		store->tried = true;
		store->tried_ms = now;
		if (try_connect(store) == 0) {
			if (!first)
				rain_log_info("the database is back");
			store->why[0] = '\0';
			return 0;
		}
		if (first)
			rain_log_warning("the database can't be reached: %s", store->why);
	}
	store->transient = true;
	return rain_error_set(err, "the gateway's database can't be reached just now: %s",
			      store->why);
}

/* Classes of SQLSTATE after which the same work may succeed later. */
static bool is_transient(const char *sqlstate)
{
	static const char *const classes[] = {"08", "40", "53", "55", "57", "58"};

	for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++)
		if (strncmp(sqlstate, classes[i], 2) == 0)
			return true;
	return strcmp(sqlstate, "25P03") == 0;
}

static void note_failure(PGconn *tx, const PGresult *result, struct rain_error *err)
{
	struct rain_store *store = store_of(tx);
	const char *sqlstate = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
	const char *message = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
	char text[256];

	if (store->hung)
		snprintf(text, sizeof(text), "it doesn't answer");
	else
		plain(message ? message : PQerrorMessage(tx), text, sizeof(text));
	snprintf(store->sqlstate, sizeof(store->sqlstate), "%s", sqlstate ? sqlstate : "");
	/* 25P02 only says that an earlier statement failed: that one counts. */
	if (!sqlstate || strcmp(sqlstate, "25P02") != 0)
		store->transient = !sqlstate || is_transient(sqlstate);
	rain_error_set(err, "%s%s", store->transient ? "the gateway's database failed: " : "", text);
}

/* Waits until the server has answered; -1 when it hangs: statement_timeout is
 * its own, and a stopped process doesn't keep it. */
static int wait_for_answer(PGconn *tx)
{
	int64_t deadline = rain_clock_monotonic_ms() + RAIN_LIMIT_STORE_STATEMENT_MS +
			   RAIN_LIMIT_STORE_GRACE_MS;
	int unsent;

	while ((unsent = PQflush(tx)) == 1 || PQisBusy(tx)) {
		struct pollfd fd = {PQsocket(tx), unsent ? POLLIN | POLLOUT : POLLIN, 0};
		int64_t left = deadline - rain_clock_monotonic_ms();

		if (unsent < 0 || left <= 0)
			return -1;
		if (poll(&fd, 1, (int)left) < 0 && errno != EINTR)
			return -1;
		if ((fd.revents & (POLLIN | POLLERR | POLLHUP)) && !PQconsumeInput(tx))
			return -1;
	}
	return unsent < 0 ? -1 : 0;
}

/* The last result of one statement, or NULL with err and the failure noted. */
static PGresult *run(PGconn *tx, struct rain_error *err, const char *sql, int count, va_list args)
{
	const char *values[RAIN_LIMIT_STORE_PARAMS];
	PGresult *result = NULL, *next;

	assert(count <= RAIN_LIMIT_STORE_PARAMS);
	for (int i = 0; i < count; i++)
		values[i] = va_arg(args, const char *);
	if (!PQsendQueryParams(tx, sql, count, NULL, values, NULL, NULL, 0)) {
		note_failure(tx, NULL, err);
		return NULL;
	}
	for (;;) {
		if (wait_for_answer(tx) < 0) {
			store_of(tx)->hung = PQstatus(tx) == CONNECTION_OK;
			note_failure(tx, NULL, err);
			PQclear(result);
			return NULL;
		}
		next = PQgetResult(tx);
		if (!next)
			break;
		PQclear(result);
		result = next;
	}
	if (PQresultStatus(result) == PGRES_TUPLES_OK || PQresultStatus(result) == PGRES_COMMAND_OK)
		return result;
	note_failure(tx, result, err);
	PQclear(result);
	return NULL;
}

PGresult *rain_store_query(PGconn *tx, struct rain_error *err, const char *sql, int count, ...)
{
	PGresult *result;
	va_list args;

	va_start(args, count);
	result = run(tx, err, sql, count, args);
	va_end(args);
	return result;
}

int rain_store_execute(PGconn *tx, struct rain_error *err, const char *sql, int count, ...)
{
	PGresult *result;
	va_list args;

	va_start(args, count);
	result = run(tx, err, sql, count, args);
	va_end(args);
	PQclear(result);
	return result ? 0 : -1;
}

const char *rain_store_sqlstate(PGconn *tx)
{
	return store_of(tx)->sqlstate;
}

static int named(PGconn *tx, const char *verb, const char *name, struct rain_error *err)
{
	char sql[128];

	assert(!name[strspn(name, "abcdefghijklmnopqrstuvwxyz_")]);
	snprintf(sql, sizeof(sql), "%s %s", verb, name);
	return rain_store_execute(tx, err, sql, 0);
}

int rain_store_savepoint(PGconn *tx, const char *name, struct rain_error *err)
{
	return named(tx, "SAVEPOINT", name, err);
}

int rain_store_rollback_to(PGconn *tx, const char *name, struct rain_error *err)
{
	return named(tx, "ROLLBACK TO SAVEPOINT", name, err);
}

void rain_store_after_commit(PGconn *tx, rain_store_hook hook, void *arg)
{
	struct rain_store *store = store_of(tx);

	assert(store->in_transaction);
	for (size_t i = 0; i < store->hook_count; i++) /* twice the same is once */
		if (store->hooks[i].call == hook && store->hooks[i].arg == arg)
			return;
	if (store->hook_count == store->hook_space) {
		size_t space = store->hook_space ? 2 * store->hook_space : 16;
		struct hook *hooks = realloc(store->hooks, space * sizeof(*hooks));

		if (!hooks)
			abort(); /* what a hook does can't be left out */
		store->hooks = hooks;
		store->hook_space = space;
	}
	store->hooks[store->hook_count++] = (struct hook){hook, arg};
}

static void run_hooks(struct rain_store *store)
{
	struct hook *hooks = store->hooks;
	size_t count = store->hook_count;

	/* A hook may start a transaction with hooks of its own. */
	store->hooks = NULL;
	store->hook_count = store->hook_space = 0;
	for (size_t i = 0; i < count; i++)
		hooks[i].call(hooks[i].arg);
	free(hooks);
}

/* 0 committed, 1 try again, -1 failed. */
static int attempt(struct rain_store *store, rain_store_work work, void *arg,
		   struct rain_error *err)
{
	PGconn *tx = store->connection;
	bool conflict;
	int result;

	store->hook_count = 0;
	store->transient = false;
	store->sqlstate[0] = '\0';
	result = rain_store_execute(tx, err, "BEGIN", 0);
	if (result == 0)
		result = work(tx, arg, err);
	if (result == 0)
		result = rain_store_execute(tx, err, "COMMIT", 0);
	if (result == 0)
		return 0;
	store->hook_count = 0;
	conflict = store->transient && strncmp(store->sqlstate, "40", 2) == 0;
	if (store->hung || PQstatus(tx) != CONNECTION_OK ||
	    rain_store_execute(tx, NULL, "ROLLBACK", 0) < 0) {
		store->transient = true;
		disconnect(store);
		return -1;
	}
	return conflict ? 1 : -1;
}

int rain_store_transaction(struct rain_store *store, rain_store_work work, void *arg,
			   struct rain_error *err)
{
	int result = -1;

	assert(!store->in_transaction);
	if (connect_if_needed(store, err) < 0)
		return -1;
	store->in_transaction = true;
	for (int i = 0; i < RAIN_LIMIT_STORE_TRIES; i++) {
		result = attempt(store, work, arg, err);
		if (result != 1)
			break;
	}
	store->in_transaction = false;
	if (result != 0)
		return -1;
	run_hooks(store);
	return 0;
}

bool rain_store_is_transient(const struct rain_store *store)
{
	return store->transient;
}

int64_t rain_store_int64(const PGresult *result, int row, int column)
{
	return strtoll(PQgetvalue(result, row, column), NULL, 10);
}

const char *rain_store_text(const PGresult *result, int row, int column)
{
	return PQgetvalue(result, row, column);
}

bool rain_store_bool(const PGresult *result, int row, int column)
{
	return PQgetvalue(result, row, column)[0] == 't';
}

bool rain_store_is_null(const PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column);
}

const char *rain_store_format_int64(int64_t value, char text[static RAIN_STORE_INT64_SIZE])
{
	snprintf(text, RAIN_STORE_INT64_SIZE, "%lld", (long long)value);
	return text;
}

char *rain_store_format_bytes(const void *data, size_t size)
{
	char *text = malloc(2 * size + 3);

	if (!text)
		return NULL;
	strcpy(text, "\\x");
	sodium_bin2hex(text + 2, 2 * size + 1, data, size);
	return text;
}

int rain_store_bytes(const PGresult *result, int row, int column, void *data, size_t size)
{
	const char *text = PQgetvalue(result, row, column);
	size_t found = 0;

	if (strncmp(text, "\\x", 2) != 0 ||
	    sodium_hex2bin(data, size, text + 2, strlen(text + 2), NULL, &found, NULL) != 0)
		return -1;
	return found == size ? 0 : -1;
}
