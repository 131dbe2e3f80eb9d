/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_SPOOL_READER_H
#define RAIN_ACCOUNTING_SPOOL_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"

/*
 * Reads the spool's segments (accounting/segment.h) in their order, line by line, also the
 * one that is being written.  What was handed out is settled later, line by line in the same
 * order; a segment whose lines are all settled, and that nobody writes any more, is deleted.
 * What was settled is known in memory only: another reader begins each segment anew.
 */
struct rain_spool_reader;

/* Where a line lies. */
struct rain_spool_place {
	uint64_t segment;
	off_t start, end;
};

/* Looks at nothing yet. NULL: no memory. */
struct rain_spool_reader *rain_spool_reader_create(const char *spool);

/* NULL is fine. */
void rain_spool_reader_destroy(struct rain_spool_reader *reader);

struct rain_spool_line {
	struct rain_spool_place place;
	const char *broken; /* why it isn't a record; NULL: it is one */
	const char *text;   /* the record, or all of what is broken; until the next call */
	size_t size;
};

/* Begins a pass over what isn't handed out yet. `now_ms` is of a clock that never steps. -1
 * with err when the spool can't be read. */
int rain_spool_reader_begin(struct rain_spool_reader *reader, int64_t now_ms, struct rain_error *err);

/* The next line; false: there is none now. A segment that can't be read is told to the log,
 * once, and left alone for RAIN_SPOOL_STUCK_MS. */
bool rain_spool_reader_next(struct rain_spool_reader *reader, struct rain_spool_line *line);

/* Reads the record of a line that was handed out once more, into a new string. NULL with err. */
char *rain_spool_reader_again(const struct rain_spool_reader *reader, const struct rain_spool_place *place,
			      size_t *size, struct rain_error *err);

/* The line is dealt with. `stuck`: it isn't; its segment stays, and is read anew after
 * RAIN_SPOOL_STUCK_MS. */
#define RAIN_SPOOL_STUCK_MS 30000
void rain_spool_reader_settle(struct rain_spool_reader *reader, const struct rain_spool_place *place, bool stuck);

/* Deletes the segments that are done with; one that can't be is told and tried again likewise. */
void rain_spool_reader_sweep(struct rain_spool_reader *reader);

/* What was handed out and isn't settled is handed out again. */
void rain_spool_reader_rewind(struct rain_spool_reader *reader);

/* How many lines aren't settled (a segment that can't be read counts as one), and since when
 * the oldest waits (epoch ms; 0: none does). -1 with err. */
int rain_spool_reader_depth(struct rain_spool_reader *reader, int64_t *count, int64_t *oldest_ms,
			    struct rain_error *err);

#endif
