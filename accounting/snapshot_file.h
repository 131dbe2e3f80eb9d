/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_SNAPSHOT_FILE_H
#define RAIN_ACCOUNTING_SNAPSHOT_FILE_H

#include <limits.h>

#include "accounting/snapshot.h"
#include "common/error.h"

/* What the writer of snapshots (snapshot_map.h) and their readers (snapshot_copy.h)
 * agree on. */

/* Their names, in the directory that jobcomp_rain and rain-ledgerd share: nobody
 * else gets into it, and balances are nobody else's business. */
#define RAIN_SNAPSHOT_BALANCES "balances.map"
#define RAIN_SNAPSHOT_PREDICTIONS "predictions.map"
/* No file is larger. */
#define RAIN_SNAPSHOT_FILE_MAX \
	(RAIN_SNAPSHOT_HEADER_SIZE + RAIN_SNAPSHOT_SLOTS_MAX * sizeof(struct rain_snapshot_entry))

/* The boot id of snapshot.h. */
int rain_snapshot_boot(char boot[static RAIN_SNAPSHOT_BOOT_SIZE], struct rain_error *err);

/* The file `name` with `prefix` before its name. */
int rain_snapshot_path(char path[static PATH_MAX], const char *directory, const char *prefix,
		       const char *name, struct rain_error *err);

#endif
