/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_METRICS_H
#define RAIN_ACCOUNTING_METRICS_H

#include <jansson.h>
#include <stdint.h>

#include "accounting/intake.h"

/* Figures of rain-ledgerd for monitoring, as OpenMetrics text. Labels are
 * accounts; there is never one per job. */

#define RAIN_METRICS_BUCKETS 10
extern const int64_t rain_metrics_bucket_us[RAIN_METRICS_BUCKETS]; /* upper bounds */

/* Counted since the start of the daemon. */
struct rain_metrics {
	uint64_t recorded, rejected, failures; /* failures: of the database or the spool */
	uint64_t commits[RAIN_METRICS_BUCKETS + 1]; /* by how long they took; the last: longer */
	int64_t commit_us;			    /* all together */
	uint64_t calls, groups; /* of callers of the socket that move tokens, and of their transactions */
};

/* Adds what one batch did. */
void rain_metrics_batch(struct rain_metrics *metrics, const struct rain_intake_result *result);

/* What is known only by looking, at the moment of the text. */
struct rain_metrics_look {
	const json_t *balances; /* rows of rain_ledger_balances, or NULL: no database */
	int64_t spool_count, spool_oldest_ms; /* count -1: the spool can't be read */
	int64_t rejected;		      /* put aside */
	int64_t now_ms;			      /* of the system's clock */
};

/* The text, in a new string. NULL: no memory. */
char *rain_metrics_text(const struct rain_metrics *metrics, const struct rain_metrics_look *look);

#endif
