/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_SCHEDULER_HEAP_H
#define RAIN_SCHEDULER_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A priority queue of moments: earliest first, then the smallest `order`. */
struct rain_heap_item {
	int64_t time;
	uint64_t order;
	uint32_t what, detail;
};

struct rain_heap {
	struct rain_heap_item *items;
	size_t count, size;
};

/* -1: no memory. */
int rain_heap_push(struct rain_heap *heap, const struct rain_heap_item *item);

/* The earliest, or NULL; borrowed until the next change. */
static inline const struct rain_heap_item *rain_heap_top(const struct rain_heap *heap)
{
	return heap->count ? heap->items : NULL;
}

/* The heap must not be empty. */
struct rain_heap_item rain_heap_pop(struct rain_heap *heap);

void rain_heap_release(struct rain_heap *heap);

#endif
