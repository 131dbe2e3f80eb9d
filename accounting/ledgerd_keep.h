/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_LEDGERD_KEEP_H
#define RAIN_ACCOUNTING_LEDGERD_KEEP_H

#include <event2/event.h>

#include "accounting/store.h"

/* What the ledger wants done every now and then: seals history, sums up usage, takes back
 * grants that ended.  On a connection of its own; nobody waits for it.  What fails is said
 * once and tried again. */
struct rain_keep;

struct rain_keep *rain_keep_create(struct event_base *base, const char *database,
				   struct rain_error *err);

/* The database may be another one from the next task on. */
int rain_keep_reload(struct rain_keep *keep, const char *database, struct rain_error *err);

/* What is under way may be done all the same. NULL is fine. */
void rain_keep_destroy(struct rain_keep *keep);

#endif
