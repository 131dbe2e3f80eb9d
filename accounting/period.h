/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_PERIOD_H
#define RAIN_ACCOUNTING_PERIOD_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/* Times that people type, in the time zone of the environment (TZ).  Pure but
 * for that: "now" comes in. */

/* Reads "now", "today", "yesterday", "month" (its first day), "N days" before
 * now as "-Nd" (also h and w), "YYYY-MM-DD", "YYYY-MM-DD HH:MM[:SS]" (or with a
 * T), the latter in a zone of its own when that follows ("Z", "+0100").  A time that the
 * clocks leave out when they are put forward is refused, but a day that begins later than
 * at midnight begins.  *when gets epoch seconds. -1 with err that lists the forms. */
int rain_period_parse(const char *text, int64_t now, int64_t *when, struct rain_error *err);

#define RAIN_PERIOD_TEXT_SIZE 64
/* Writes "2024-03-01 08:00:00 CET" and returns it. */
const char *rain_period_format(int64_t when, char text[static RAIN_PERIOD_TEXT_SIZE]);

#endif
