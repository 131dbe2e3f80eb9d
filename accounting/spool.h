/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_SPOOL_H
#define RAIN_ACCOUNTING_SPOOL_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/*
 * The directory between slurmctld and rain-ledgerd.  jobcomp_rain writes a
 * record under a name that begins with '.', syncs it and renames it to
 * NAME.json; from then on the file is a fact that waits to be booked.  What
 * can't be booked goes to SPOOL/rejected with NAME.json.reason beside it.
 */
#define RAIN_SPOOL_NAME_MAX 255

/*
 * One walk through the waiting files.  A walk goes on where it was: starting
 * over after each batch would pass all that is gone, again and again, and take
 * the square of a backlog's time.
 */
struct rain_spool_walk;

/* NULL with err when the directory can't be read. */
struct rain_spool_walk *rain_spool_walk_create(const char *spool, struct rain_error *err);

/* The next up to `max` waiting files (names, in no order) in a new array of new
 * strings (rain_spool_free). Returns how many, 0 at the end, or -1 with err. */
int rain_spool_walk_next(struct rain_spool_walk *walk, size_t max, char ***names,
			 struct rain_error *err);

/* NULL is fine. */
void rain_spool_walk_destroy(struct rain_spool_walk *walk);

void rain_spool_free(char **names, size_t count);

/* How many files wait, and since when (epoch ms of the oldest; 0: none waits).
 * Of more than RAIN_SPOOL_LOOK_MAX files only so many are asked for their age.
 * -1 with err. */
#define RAIN_SPOOL_LOOK_MAX 10000
int rain_spool_depth(const char *spool, int64_t *count, int64_t *oldest_ms,
		     struct rain_error *err);

/* Reads one file of at most `max` bytes; the caller frees the text. NULL with
 * err.  *broken tells that this file will never be readable (it is no regular
 * file, too large, or not ours to read), so that it can be rejected. */
char *rain_spool_read(const char *spool, const char *name, size_t max, size_t *size, int *broken,
		      struct rain_error *err);

/* Deletes a file that is booked. Gone already is fine. */
int rain_spool_remove(const char *spool, const char *name, struct rain_error *err);

/* Puts a file aside, with the reason. */
int rain_spool_reject(const char *spool, const char *name, const char *reason,
		      struct rain_error *err);

/* How many are put aside; 0 when there is no such directory. */
int rain_spool_rejected(const char *spool, struct rain_error *err);

/* Those put aside: an array of {"file", "reason", "since" (epoch s)} of at most
 * `max`, in a new reference. NULL with err. */
json_t *rain_spool_rejected_list(const char *spool, size_t max, struct rain_error *err);

/* Puts one file back, or all when `name` is NULL, after its cause may have gone.
 * Returns how many, or -1 with err. */
int rain_spool_readmit(const char *spool, const char *name, struct rain_error *err);

#endif
