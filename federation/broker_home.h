/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_BROKER_HOME_H
#define RAIN_FEDERATION_BROKER_HOME_H

#include "common/error.h"
#include "federation/broker_check.h"

/*
 * Where a job that is in the overflow partition belongs.  The record stands in
 * the job's own AdminComment, in front of the RAIN tag,
 *
 *   rain-home: partition=trainer features=fast&big hold=no minutes=10; rain: burst=auto; …
 *
 * written in the very update that moves the job: so the broker needs no memory
 * of its own, and whoever asks for the way back can't name another partition.
 * Only root can write an AdminComment.  Pure.
 */
struct rain_broker_home {
	char partition[RAIN_BROKER_PARTITION_MAX + 1];
	char features[RAIN_BROKER_FEATURES_MAX + 1];
	bool held;
	uint32_t minutes; /* its time limit; 0: not kept */
};

/* Returns 1 and fills *home, 0 when there is no record, -1 with err when it is
 * malformed. `comment` may be NULL. */
int rain_broker_home_read(const char *comment, struct rain_broker_home *home,
			  struct rain_error *err);

/* Writes the record in front of (or over the one in) `comment`; NULL for `home`
 * removes it.  All else stays.  Returns a new string that the caller frees, or
 * NULL with err. */
char *rain_broker_home_write(const char *comment, const struct rain_broker_home *home,
			     struct rain_error *err);

#endif
