/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_PATTERN_H
#define RAIN_PANEL_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The blink patterns of owners.  Like lighthouses, each has a code of one to
 * four flashes, short ('.') or long ('-'), followed by a dark pause, over and
 * over.  The eye tells them apart by counting flashes and seeing which are
 * long; a light is never read by its speed.
 *
 *   number  0 1 2  3  4  5  6   7   8   9   10  11  12  13  14   … 29
 *   code    . - .. .- -. -- ... ..- .-. .-- -.. -.- --. --- .... … ----
 *
 * A short flash lasts 120 ms, a long one 480 ms, the gap between two flashes
 * 240 ms, the pause 1200 ms.
 */
#define RAIN_PATTERN_COUNT 30
#define RAIN_PATTERN_CODE_MAX 4

/* The code as text; `pattern` is below RAIN_PATTERN_COUNT. */
const char *rain_pattern_code(unsigned int pattern);

/* Length in milliseconds of one repetition, pause included. */
int64_t rain_pattern_period_ms(unsigned int pattern);

/* Whether the light is lit `at_ms` after the pattern began (0 <= at_ms).
 * *next_ms, when not NULL, gets the time, on the same scale, at which this
 * next changes. */
bool rain_pattern_is_lit(unsigned int pattern, int64_t at_ms, int64_t *next_ms);

/*
 * Who has which pattern.  An owner gets number uid mod RAIN_PATTERN_COUNT, so
 * that it is the same on all nodes and after every restart; only where another
 * owner has that one already, the next free number.  Owners are remembered
 * after their jobs, so that they keep their pattern; when all numbers are
 * given away, the owner unseen for longest loses his.
 */
struct rain_pattern_owners {
	struct {
		bool used;
		uid_t uid;
		uint64_t seen; /* sequence number of the last request */
	} owner[RAIN_PATTERN_COUNT]; /* indexed by pattern */
	uint64_t sequence;
};

/* The pattern of `uid`, given to him now when he has none. Any
 * RAIN_PATTERN_COUNT owners in turn have different ones.  All zero is an empty
 * table. */
unsigned int rain_pattern_of_owner(struct rain_pattern_owners *owners, uid_t uid);

#endif
