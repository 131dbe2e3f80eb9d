/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_SPOOL_WRITER_H
#define RAIN_ACCOUNTING_SPOOL_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/*
 * Appends records to the spool, a group of them with one fdatasync (accounting/segment.h
 * describes the files).  A segment is ended when it is large or old, when its directory is
 * another, and by any failure: so what was once written in one is never overwritten, and a
 * reader may follow it closely.  For one thread; never waits for anybody but the disk.
 */
struct rain_spool_writer;

/* A segment gets no further group when it has this size, or this age. */
#define RAIN_SPOOL_SEGMENT_MAX (4 * 1024 * 1024)
#define RAIN_SPOOL_SEGMENT_MS (5 * 60 * 1000)
/* A group is full with so much. */
#define RAIN_SPOOL_GROUP_MAX (1024 * 1024)

/* NULL: no memory. */
struct rain_spool_writer *rain_spool_writer_create(void);

/* Ends the segment. NULL is fine. */
void rain_spool_writer_destroy(struct rain_spool_writer *writer);

/* Begins a group in the directory. `now_ms` is of the system's clock, which may step. */
int rain_spool_writer_begin(struct rain_spool_writer *writer, const char *directory, int64_t now_ms,
			    struct rain_error *err);

/* Adds a record to the group; newlines in it become spaces. 1: now the group is full. -1 with
 * err: no memory. */
int rain_spool_writer_add(struct rain_spool_writer *writer, const char *record, size_t size, int64_t now_ms,
			  struct rain_error *err);

/* Writes the group and waits until it is on the disk. -1 with err when that failed for some
 * of it. *durable: how many records, from the first on, are on the disk; of the others it is
 * not known, so they are to be added to another group. */
int rain_spool_writer_sync(struct rain_spool_writer *writer, size_t *durable, struct rain_error *err);

/* Ends the segment if it is old, so that its reader can delete it. */
void rain_spool_writer_rest(struct rain_spool_writer *writer, int64_t now_ms);

#endif
