/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_PREDICTIONS_H
#define RAIN_ACCOUNTING_PREDICTIONS_H

#include "accounting/history.h"
#include "accounting/snapshot_map.h"
#include "accounting/store.h"

/* Keeps the history of run times, and the snapshot of predictions that site_factor
 * reads, up to date from the ledger; notes how good each prediction was. */

/* Records at the start; older runs are forgotten. */
#define RAIN_PREDICTIONS_LOAD 100000

/* All zero is a good beginning. */
struct rain_predictions {
	struct rain_history *history;
	struct rain_snapshot_writer writer;
	bool begun;
	int64_t learned, judged; /* record_seq */
	struct rain_user_number *numbers; /* of users: asking the system may be slow */
};

/* Learns what is new, a bite at a time, and publishes below `directory`. *more: there
 * is more to learn at once. -1 with err when the ledger or the file fail. */
int rain_predictions_run(struct rain_predictions *predictions, struct rain_ledger *store,
			 const char *directory, int64_t now_ms, bool *more, struct rain_error *err);

void rain_predictions_release(struct rain_predictions *predictions);

/* "limit", "user", "shape" or "name". */
const char *rain_predictions_basis(enum rain_predict_basis basis);

#endif
