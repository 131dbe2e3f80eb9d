/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_LEDGERD_ASK_H
#define RAIN_ACCOUNTING_LEDGERD_ASK_H

#include <event2/event.h>
#include <stdbool.h>

#include "accounting/store.h"

/*
 * A connection to the ledger of somebody who asks one thing at a time and doesn't wait: the
 * loop tells the answer.  Nothing is asked twice: a statement whose answer was lost may be
 * done all the same, and whether to ask again is for the asker to say.
 */
struct rain_ask;

/*
 * Told once of each statement that was sent, in the loop or by rain_ask_end(); may send the
 * next.  `value` is borrowed, and NULL unless the outcome is RAIN_LEDGER_OK.
 *   RAIN_LEDGER_BUSY  given up: no answer within the limit, or what rain_ask_end() waits
 */
typedef void rain_ask_told(void *arg, enum rain_ledger_result outcome, json_t *value,
			   const struct rain_error *err);

/* `database` is libpq's connection string, copied; `limit_ms` of each statement.  NULL: no
 * memory. */
struct rain_ask *rain_ask_create(struct event_base *base, const char *database, int64_t limit_ms,
				 rain_ask_told *told, void *arg);

/* Tells nobody of what is under way. NULL is fine. */
void rain_ask_destroy(struct rain_ask *ask);

/* As rain_ledger_send(), when nothing is under way.  -1 with err: nobody will be told. */
int rain_ask_send(struct rain_ask *ask, const char *sql, const char *const params[], size_t count,
		  struct rain_error *err);

bool rain_ask_under_way(const struct rain_ask *ask);

/* What is sent from now on goes to this database. -1 with err: no memory, all as before. */
int rain_ask_reload(struct rain_ask *ask, const char *database, struct rain_error *err);

/* Waits for what is under way, at most RAIN_ASK_END_MS, and tells it; nothing can be sent
 * after that. */
#define RAIN_ASK_END_MS 3000
void rain_ask_end(struct rain_ask *ask);

#endif
