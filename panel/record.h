/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_RECORD_H
#define RAIN_PANEL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "panel/heat.h"

/*
 * What a node keeps of its heat, clock and throttling: a file of fixed places,
 * so that it never grows beyond 900 KB, needs no memory and no order of time,
 * and survives whatever happens between two writes.
 *
 *   0      RAIN_RECORD_MAGIC
 *   4096   RAIN_RECORD_EVENTS places of 64 bytes: event n is in place n mod that
 *   20480  RAIN_RECORD_HOURS places of 96 bytes: hour h is in place h mod that
 *
 * A place holds a struct rain_heat_event or rain_heat_sum as this machine has
 * it, and behind it a sum that tells a half-written place from a whole one: such
 * a place counts as empty.  A place of another hour is one of a year ago, so a
 * clock that is wrong for a while (boards have none of their own at boot) spoils
 * nothing but the hours that it claims.
 */
#define RAIN_RECORD_MAGIC "RAIN node record 1\n"
#define RAIN_RECORD_EVENTS 256
#define RAIN_RECORD_HOURS 8784 /* 366 days */
/* So much is lost when the power goes; not less, for the flash cards' sake. */
#define RAIN_RECORD_FLUSH_S 600

/* In one answer. */
#define RAIN_RECORD_ROWS_MAX 168
#define RAIN_RECORD_EVENTS_TOLD_MAX 100

struct rain_record {
	int fd; /* -1: nothing is kept but the present hour */
	bool dirty;
	int64_t flushed_s, looked_ms; /* monotonic; looked_ms 0: not yet */
	struct rain_heat_look last;   /* the last look */
	struct rain_heat_sum now;     /* the present hour */
	struct rain_heat_event event; /* the last one */
};

/* Opens DIRECTORY/NODE.record, or makes it. "" is no directory: nothing is kept.
 * -1 with err; the record can be used all the same, until the node stops. */
int rain_record_open(struct rain_record *record, const char *directory, const char *node,
		     struct rain_error *err);

/* Takes a look at the sensors; look->lasted_ms is filled in from now_ms. True when
 * an event began or ended. */
bool rain_record_look(struct rain_record *record, struct rain_heat_look *look, int64_t now_ms);

/* The answer to a question about [since_s, until_s), as one line with its newline:
 *
 *   {"ok":true,"result":{"kept":true,"temperature":"ok","millidegrees":…,
 *    "clock_khz":…,"rows":[…],"events":[…]}}
 *
 * The first ones are of the last look, as in a frame.  rows: one for each step_hours
 * hours in which the node was looked at, or with 0 one for all; events: the last ones
 * of that time, oldest first.  The caller frees it.  NULL with err when that would be
 * more than RAIN_RECORD_ROWS_MAX rows. */
char *rain_record_tell(struct rain_record *record, int64_t since_s, int64_t until_s,
		       int64_t step_hours, struct rain_error *err);

/* Writes what is not written yet, and closes it. */
void rain_record_close(struct rain_record *record);

#endif
