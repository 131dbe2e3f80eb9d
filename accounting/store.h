/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_STORE_H
#define RAIN_ACCOUNTING_STORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/*
 * The ledger in PostgreSQL, as rain-ledgerd uses it: each call is one statement
 * and one transaction (accounting/sql documents the functions behind it).
 * Every call is idempotent, connects when there is no connection, tries once
 * more when it was lost, and gives up after RAIN_LEDGER_TIMEOUT_MS.  Where a new connection took
 * as long, calls within a second give up at once: a row of them doesn't take many times that.
 */
#define RAIN_LEDGER_TIMEOUT_MS 10000

/* Every sentence about a database that can't serve begins with this, so that
 * commands can tell it from a refusal. */
#define RAIN_LEDGER_SUBJECT "the ledger's database"

enum rain_ledger_result {
	RAIN_LEDGER_OK = 0,
	RAIN_LEDGER_REFUSED = -1,     /* the database says no: the same will fail again */
	RAIN_LEDGER_UNAVAILABLE = -2, /* no database, or it did not answer: try later */
	RAIN_LEDGER_BUSY = 1,	      /* of rain_ledger_receive(): it still works at it */
};

struct rain_ledger;

/* `conninfo` is libpq's connection string. Connects at the first call. NULL: no
 * memory. */
struct rain_ledger *rain_ledger_create(const char *conninfo);

void rain_ledger_destroy(struct rain_ledger *store);

/* From now on every call fails at once. */
void rain_ledger_close(struct rain_ledger *store);

/* Records ended runs (the text of an array of rain_record_to_run), all or none. */
enum rain_ledger_result rain_ledger_runs_record(struct rain_ledger *store, const char *runs,
					      struct rain_error *err);

/* The same in two steps: between them the database works and the caller may, too, but
 * makes no other call. Sending is an offer only: when it fails, finishing does it all. The
 * runs must be the same. */
void rain_ledger_runs_send(struct rain_ledger *store, const char *runs);
enum rain_ledger_result rain_ledger_runs_finish(struct rain_ledger *store, const char *runs,
						struct rain_error *err);

/* Nobody will finish what was sent; it may be recorded all the same. */
void rain_ledger_runs_abandon(struct rain_ledger *store);

/* Each writes a new reference to *rows: an array of objects. */

/* The account `name`, or all when NULL; empty when there is none.  {"account",
 * "kind", "balance_utok", "held_utok", "available_utok" (null: without end),
 * "credit_limit_utok"} */
enum rain_ledger_result rain_ledger_balances(struct rain_ledger *store, const char *name,
					   json_t **rows, struct rain_error *err);

/* Sums, as the columns of usage_report, with "charged_utok" and "unpaid_utok".
 * `user` NULL: of all users. */
enum rain_ledger_result rain_ledger_usage(struct rain_ledger *store, int64_t since, int64_t until,
					const char *by, const char *user, json_t **rows,
					struct rain_error *err);

/* Runs, newest first, at most `limit`, likewise; see usage_jobs for paging. */
enum rain_ledger_result rain_ledger_jobs(struct rain_ledger *store, int64_t since, int64_t until,
				       int64_t until_run, int64_t limit, const char *user,
				       json_t **rows, struct rain_error *err);

/* Answers the rows of `sql` (a SELECT of ours with $1 … $N; never a stranger's
 * text) as an array of objects. A NULL parameter is SQL's NULL. What it calls
 * must be idempotent: a statement may be sent twice when a connection breaks. */
enum rain_ledger_result rain_ledger_rows(struct rain_ledger *store, const char *sql,
					 const char *const params[], size_t count, json_t **rows,
					 struct rain_error *err);

/* A statement that answers one value (JSON), for who waits for other things as well:
 * rain_ledger_send() sends it, rain_ledger_fd() becomes readable, and rain_ledger_receive() is
 * asked until it isn't busy any more.  No other call in between.  Sending connects when there
 * is no connection, and that is waited for.  0 or -1 with err. */
int rain_ledger_send(struct rain_ledger *store, const char *sql, const char *const params[],
		     size_t count, struct rain_error *err);
int rain_ledger_fd(const struct rain_ledger *store);
enum rain_ledger_result rain_ledger_receive(struct rain_ledger *store, json_t **value,
					    struct rain_error *err);

/* Waits for that until `deadline_ms` (rain_clock_monotonic_ms()): then it may be busy still. */
enum rain_ledger_result rain_ledger_await(struct rain_ledger *store, int64_t deadline_ms,
					  json_t **value, struct rain_error *err);

/* Gives the statement up; it may be done all the same. */
void rain_ledger_give_up(struct rain_ledger *store);

#endif
