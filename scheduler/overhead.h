/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_SCHEDULER_OVERHEAD_H
#define RAIN_SCHEDULER_OVERHEAD_H

#include <stdint.h>

/*
 * How many seconds it takes to send a job: from when it is bound to a peer until its
 * program begins there, its files included.  Measured, not modelled.  Pure; all-zero
 * memories are empty ones.
 */
#define RAIN_OVERHEAD_DEPTH 15
#define RAIN_STAGING_DEPTH 64

/* Of one peer. */
struct rain_overhead {
	int32_t seconds[RAIN_OVERHEAD_DEPTH]; /* a ring */
	uint32_t count;
};

void rain_overhead_learn(struct rain_overhead *overhead, int32_t seconds);
/* The median of the last ones; `unknown` when there are none. */
int32_t rain_overhead_usual(const struct rain_overhead *overhead, int32_t unknown);

/* Jobs whose files take longer than others' on the way: how much longer, by a key of
 * user and name. */
struct rain_staging {
	struct {
		uint64_t key;
		int32_t more;
	} last[RAIN_STAGING_DEPTH]; /* a ring */
	uint32_t count;
};

void rain_staging_learn(struct rain_staging *staging, uint64_t key, int32_t more);
/* What the last of that key took more than is usual, at least 0; 0 for an unknown key. */
int32_t rain_staging_expect(const struct rain_staging *staging, uint64_t key);

#endif
