/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_SPOOL_H
#define RAIN_ACCOUNTING_SPOOL_H

#include <stddef.h>

#include "common/error.h"

/*
 * The directory between slurmctld and rain-ledgerd.  jobcomp_rain writes a
 * record under a name that begins with '.', syncs it and renames it to
 * NAME.json; from then on the file is a fact that waits to be booked.  What
 * can't be booked goes to SPOOL/rejected with NAME.json.reason beside it.
 */
#define RAIN_SPOOL_NAME_MAX 255

/* Lists up to `max` waiting files (names, in no order) in a new array of new
 * strings (rain_spool_free). Returns how many, or -1 with err. */
int rain_spool_list(const char *spool, size_t max, char ***names, struct rain_error *err);

void rain_spool_free(char **names, size_t count);

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

/* Puts back what was put aside, after its cause may have gone. Returns how
 * many, or -1 with err. */
int rain_spool_readmit(const char *spool, struct rain_error *err);

#endif
