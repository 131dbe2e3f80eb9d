/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_SNAPSHOT_MAP_H
#define RAIN_ACCOUNTING_SNAPSHOT_MAP_H

#include "accounting/snapshot.h"
#include "common/error.h"

/* The block of snapshot.h as a file, mapped by its only writer, rain-ledgerd. */

/* All zero before its first use. */
struct rain_snapshot_writer {
	void *block; /* NULL: none yet */
	size_t size;
};

/* Writes the entries into the file `name` below `directory`, which it makes, or
 * replaces when it is foreign or too small. -1 with err when that can't be. */
int rain_snapshot_publish(struct rain_snapshot_writer *writer, const char *directory,
			  const char *name, const struct rain_snapshot_entry *entries, size_t count,
			  int64_t now_ms, struct rain_error *err);

/* Unmaps; the file stays and becomes stale. An all-zero writer is fine. */
void rain_snapshot_writer_release(struct rain_snapshot_writer *writer);

#endif
