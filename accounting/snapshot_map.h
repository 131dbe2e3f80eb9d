/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_SNAPSHOT_MAP_H
#define RAIN_ACCOUNTING_SNAPSHOT_MAP_H

#include "accounting/snapshot.h"
#include "common/error.h"

/* The block of snapshot.h as a file that processes of one host map. */

/* Their names, in the directory that jobcomp_rain and rain-ledgerd share: nobody
 * else gets into it, and balances are nobody else's business. */
#define RAIN_SNAPSHOT_BALANCES "balances.map"
#define RAIN_SNAPSHOT_PREDICTIONS "predictions.map"

/* ---- the writer's side */

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

/* ---- the reader's side: for slurmctld */

struct rain_snapshot_reader {
	struct rain_snapshot snapshot; /* block NULL: not open */
	int64_t next_open_ms;	       /* not before */
};

/* Looks a key up in the file `name` below `directory`: maps it first when it isn't,
 * which is tried at most once in RAIN_SNAPSHOT_REOPEN_MS; after that it does
 * no I/O and takes no lock.  Survives a file that is cut short under it.  True
 * when *entry is written. */
#define RAIN_SNAPSHOT_REOPEN_MS 5000
bool rain_snapshot_look_up(struct rain_snapshot_reader *reader, const char *directory,
			   const char *name, uint64_t key, int64_t now_ms, struct rain_snapshot_entry *entry);

/* Unmaps. An all-zero reader is fine. */
void rain_snapshot_reader_release(struct rain_snapshot_reader *reader);

#endif
