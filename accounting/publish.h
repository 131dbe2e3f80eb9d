/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_PUBLISH_H
#define RAIN_ACCOUNTING_PUBLISH_H

#include <stddef.h>
#include <stdint.h>

#include "accounting/snapshot_map.h"
#include "accounting/store.h"
#include "common/error.h"

/* Keeps the balance snapshot (snapshot_map.h) of all users of this machine up to
 * date from the ledger. */

/* How often; readers take a snapshot for stale after RAIN_SNAPSHOT_STALE_MS. */
#define RAIN_PUBLISH_MS 2000

struct rain_publish_user {
	char *name;
	int64_t asked_ms; /* when the system was asked */
	uint32_t uid;
	bool exists;
};

/* All zero is a good beginning. */
struct rain_publish {
	struct rain_snapshot_writer writer;
	struct rain_publish_user *users; /* by name: asking the system may be slow */
	size_t user_count;
};

/* Asks the ledger and writes the snapshot below `directory`. -1 with err when
 * either fails; the snapshot then grows stale by itself. */
int rain_publish_run(struct rain_publish *publish, struct rain_ledger *store,
		     const char *directory, int64_t now_ms, struct rain_error *err);

void rain_publish_release(struct rain_publish *publish);

#endif
