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

/* The number of a code; -1 when there is no such code. */
int rain_pattern_number(const char *code);

/* Length in milliseconds of one repetition, pause included. */
int64_t rain_pattern_period_ms(unsigned int pattern);

/* Whether the light is lit `at_ms` after the pattern began (0 <= at_ms).
 * *next_ms, when not NULL, gets the time, on the same scale, at which this
 * next changes. */
bool rain_pattern_is_lit(unsigned int pattern, int64_t at_ms, int64_t *next_ms);

/*
 * Who has which pattern, as one node knows it.  Patterns are given out by one
 * rain-paneld of the cluster (panel/codebook.h), so that no two owners have the
 * same one anywhere; a node asks it when an owner begins to play here.  Until it
 * has answered, and where it can't be reached, an owner plays number uid mod
 * RAIN_PATTERN_COUNT, which is what he is given as well unless another owner has
 * that one already; on this node then the next free number.  Owners are
 * remembered after their jobs; when all numbers are taken, the owner unseen for
 * longest loses his.
 */
struct rain_pattern_owners {
	struct {
		bool used;
		bool given; /* by the keeper, at given_ms */
		uid_t uid;
		uint64_t seen; /* sequence number of the last request */
		int64_t given_ms;
		int64_t ask_ms;	 /* when to ask the keeper (again) */
		int64_t wait_ms; /* how long the last silence was */
	} owner[RAIN_PATTERN_COUNT]; /* indexed by pattern */
	uint64_t sequence;
};

/* An answer is asked for again after so long while its owner plays, and when he
 * begins to play again after RAIN_PATTERN_TRUST_MS: meanwhile nobody else is
 * given his pattern. */
#define RAIN_PATTERN_REFRESH_MS 600000
#define RAIN_PATTERN_TRUST_MS 60000
/* Silence is met with questions that become ever rarer. */
#define RAIN_PATTERN_RETRY_MS 1000
#define RAIN_PATTERN_RETRY_MAX_MS 60000

/* The pattern of `uid`, chosen now when he has none. Any RAIN_PATTERN_COUNT
 * owners in turn have different ones.  All zero is an empty table. */
unsigned int rain_pattern_of_owner(struct rain_pattern_owners *owners, uid_t uid);

/* The keeper's word: `pattern` is that of `uid`.  Who had it here before gets
 * another one, and is asked about; not at once when the keeper had given it to him
 * as well. */
void rain_pattern_learn(struct rain_pattern_owners *owners, uid_t uid, unsigned int pattern,
			int64_t now_ms);

/* The keeper said nothing of him: asks later. */
void rain_pattern_unanswered(struct rain_pattern_owners *owners, uid_t uid, int64_t now_ms);

/* He begins to play: what was learnt of him longer ago is asked for again. */
void rain_pattern_begins(struct rain_pattern_owners *owners, uid_t uid);

/* When to ask about him; INT64_MAX when he has no pattern here. */
int64_t rain_pattern_ask_ms(const struct rain_pattern_owners *owners, uid_t uid);

#endif
