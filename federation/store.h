/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_STORE_H
#define RAIN_FEDERATION_STORE_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/*
 * The gateway's one connection to PostgreSQL: synchronous, on the local Unix
 * socket, with statement and lock time-outs, opened again when it is lost (at
 * most once per RAIN_LIMIT_STORE_RETRY_MS; in between every call fails at
 * once).  A dead database fails the call and nothing else.
 */
struct rain_store;

/* Does not connect yet. NULL: out of memory. */
struct rain_store *rain_store_create(const char *conninfo);
void rain_store_destroy(struct rain_store *store);

/* The work of one transaction. Returns 0 to commit, -1 with err to roll back.
 * It may be called again (with the same arg) when PostgreSQL asks for a retry,
 * so it changes nothing outside `tx` that a second run wouldn't set again. */
typedef int (*rain_store_work)(PGconn *tx, void *arg, struct rain_error *err);

/* Runs work in one transaction (READ COMMITTED) and commits it.  Runs it
 * again after a serialization failure or a deadlock, at most
 * RAIN_LIMIT_STORE_TRIES times.  0 when committed (after-commit hooks have
 * then been called, in order), else -1 with err and nothing is changed.  Not to
 * be nested (asserted). A commit whose answer got lost counts as failed though
 * it may have happened: callers repeat their work idempotently. */
int rain_store_transaction(struct rain_store *store, rain_store_work work, void *arg,
			   struct rain_error *err);

/* True when the last failure came from PostgreSQL being away, restarting,
 * full, or timing out: the same call may succeed later.  False when the data
 * or the work itself was at fault.  HTTP handlers answer 503 when true. */
bool rain_store_is_transient(const struct rain_store *store);

/* To be called within the work: `hook` runs once, after the commit; never
 * when the transaction fails. */
typedef void (*rain_store_hook)(void *arg);
void rain_store_after_commit(PGconn *tx, rain_store_hook hook, void *arg);

/* Runs one statement with `count` text parameters (const char *, NULL for
 * SQL NULL; $1::bigint and so on give them types).  Returns the result, which
 * the caller clears with PQclear(), or NULL with err.  All statements within
 * a transaction go through here, so that the store knows what went wrong. */
PGresult *rain_store_query(PGconn *tx, struct rain_error *err, const char *sql, int count, ...);

/* The same where no rows are wanted: 0 or -1. */
int rain_store_execute(PGconn *tx, struct rain_error *err, const char *sql, int count, ...);

/* SQLSTATE of the last failed statement ("23505", "LG001"), "" when it
 * didn't come from the server. Borrowed. */
const char *rain_store_sqlstate(PGconn *tx);

/* Sub-transactions: 0 or -1. `name` is a plain identifier. */
int rain_store_savepoint(PGconn *tx, const char *name, struct rain_error *err);
int rain_store_rollback_to(PGconn *tx, const char *name, struct rain_error *err);

/* Fields of a result; NULL reads as 0, "" or false. */
int64_t rain_store_int64(const PGresult *result, int row, int column);
const char *rain_store_text(const PGresult *result, int row, int column);
bool rain_store_bool(const PGresult *result, int row, int column);
bool rain_store_is_null(const PGresult *result, int row, int column);

/* "-9223372036854775808" and its NUL. */
#define RAIN_STORE_INT64_SIZE 24
/* Writes value for use as a parameter; returns text. */
const char *rain_store_format_int64(int64_t value, char text[static RAIN_STORE_INT64_SIZE]);

/* bytea: "\x…" of size bytes into a new string (free()), and back; the
 * latter returns -1 when the field isn't exactly `size` bytes. */
char *rain_store_format_bytes(const void *data, size_t size);
int rain_store_bytes(const PGresult *result, int row, int column, void *data, size_t size);

#endif
