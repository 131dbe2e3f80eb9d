/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_SNAPSHOT_COPY_H
#define RAIN_ACCOUNTING_SNAPSHOT_COPY_H

#include "accounting/snapshot.h"
#include "common/error.h"

/*
 * A snapshot's file in memory of our own.  One thread keeps it fresh, another one
 * looks keys up, and neither ever waits for the other.  (A mapping of the file would
 * need no copy, but end slurmctld with SIGBUS when somebody cuts the file short.)
 */
struct rain_snapshot_copy;

/* Of the file `name` below `directory`, which may be missing, now or later. Empty
 * until it is refreshed. */
struct rain_snapshot_copy *rain_snapshot_copy_create(const char *directory, const char *name,
						     struct rain_error *err);

/* Reads the file if it was written since, and changes nothing when it is missing,
 * foreign or in the middle of being written: what isn't renewed becomes stale. */
void rain_snapshot_copy_refresh(struct rain_snapshot_copy *copy);

/* Looks a key up: memory only, no lock, no waiting. now_ms: monotonic. True when
 * *entry is written. */
bool rain_snapshot_copy_find(struct rain_snapshot_copy *copy, uint64_t key, int64_t now_ms,
			     struct rain_snapshot_entry *entry);

/* NULL is fine. */
void rain_snapshot_copy_destroy(struct rain_snapshot_copy *copy);

#endif
