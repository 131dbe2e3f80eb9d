/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_REJECTED_H
#define RAIN_ACCOUNTING_REJECTED_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/*
 * SPOOL/rejected: what came through the spool and can't be booked, a file each, with
 * NAME.reason beside it.  A record is NAME.json and can be put back when the cause is gone;
 * lines that are no records (NAME.line) and files that are no segments, under their own
 * names or ones like them where these are taken, lie there until somebody has looked at them.
 */
#define RAIN_REJECTED_NAME_MAX 255

/* Puts a record aside, durably, under `name` with ".json". NULL: under a name that its bytes make.
 * The same once more changes nothing. */
int rain_rejected_add(const char *spool, const char *name, const char *record, size_t size, const char *reason,
		      struct rain_error *err);

/* The same for what is no record. */
int rain_rejected_add_line(const char *spool, const char *bytes, size_t size, const char *reason,
			   struct rain_error *err);

/* Puts the files in the spool aside that aren't RAIN's and that nobody has touched for a minute
 * (`now_ms` of the system's clock), and logs each. How many, or -1 with err. */
int rain_rejected_add_foreign(const char *spool, int64_t now_ms, struct rain_error *err);

/* How many are put aside; 0 when there is no such directory. -1 with err. */
int rain_rejected_count(const char *spool, struct rain_error *err);

/* Those put aside: an array of {"file", "reason", "since" (epoch s)} of at most
 * `max`, in a new reference. NULL with err. */
json_t *rain_rejected_list(const char *spool, size_t max, struct rain_error *err);

/* Puts one record back, as a segment, or all when `name` is NULL, after its cause may have gone.
 * Returns how many, or -1 with err. */
int rain_rejected_readmit(const char *spool, const char *name, int64_t now_ms, struct rain_error *err);

#endif
