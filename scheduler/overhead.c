/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scheduler/overhead.h"

#include <stdlib.h>
#include <string.h>

/* A place in a ring for the n-th; the count stays in its range. */
static uint32_t place(uint32_t *count, uint32_t depth)
{
	uint32_t at = *count % depth;

	*count = *count + 1 >= 2 * depth ? depth + (at + 1) % depth : *count + 1;
	return at;
}

static uint32_t kept(uint32_t count, uint32_t depth)
{
	return count < depth ? count : depth;
}

void rain_overhead_learn(struct rain_overhead *overhead, int32_t seconds)
{
	overhead->seconds[place(&overhead->count, RAIN_OVERHEAD_DEPTH)] = seconds > 0 ? seconds : 0;
}

static int compare(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

	return (x > y) - (x < y);
}

int32_t rain_overhead_usual(const struct rain_overhead *overhead, int32_t unknown)
{
	uint32_t count = kept(overhead->count, RAIN_OVERHEAD_DEPTH);
	int32_t sorted[RAIN_OVERHEAD_DEPTH];

	if (count == 0)
		return unknown;
	memcpy(sorted, overhead->seconds, count * sizeof *sorted);
	qsort(sorted, count, sizeof *sorted, compare);
	return sorted[count / 2];
}

void rain_staging_learn(struct rain_staging *staging, uint64_t key, int32_t more)
{
	uint32_t at = place(&staging->count, RAIN_STAGING_DEPTH);

	staging->last[at].key = key;
	staging->last[at].more = more > 0 ? more : 0;
}

int32_t rain_staging_expect(const struct rain_staging *staging, uint64_t key)
{
	uint32_t count = kept(staging->count, RAIN_STAGING_DEPTH);

	for (uint32_t back = 1; back <= count; back++) {
		uint32_t at = (staging->count + RAIN_STAGING_DEPTH - back) % RAIN_STAGING_DEPTH;

		if (staging->last[at].key == key)
			return staging->last[at].more;
	}
	return 0;
}
