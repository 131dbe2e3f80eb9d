/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_LEDGERD_CHECKS_H
#define RAIN_ACCOUNTING_LEDGERD_CHECKS_H

#include <event2/event.h>
#include <jansson.h>

#include "common/error.h"
#include "common/rpc_server.h"

/*
 * Checks of the ledger: questions that may take minutes, made one after the other on a
 * connection of their own, so that nobody else waits for them.
 */
struct rain_checks;

struct rain_checks *rain_checks_create(struct event_base *base, const char *database,
				       struct rain_error *err);

/* The database may be another one from the next check on. */
int rain_checks_reload(struct rain_checks *checks, const char *database, struct rain_error *err);

/* Who waits still is told to ask again. NULL is fine. */
void rain_checks_destroy(struct rain_checks *checks);

/* Puts the caller's answer off until `sql` (a constant that answers one JSON value, for the
 * block numbers $1 and $2; 0: NULL) has been answered.  Returns what the handler returns.
 * `checks` is NULL when rain-ledgerd stops. */
json_t *rain_checks_ask(struct rain_checks *checks, const struct rain_rpc_caller *caller,
			const char *sql, int64_t from, int64_t to, struct rain_error *err);

#endif
