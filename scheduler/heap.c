/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scheduler/heap.h"

#include <stdlib.h>

static bool before(const struct rain_heap_item *a, const struct rain_heap_item *b)
{
	return a->time != b->time ? a->time < b->time : a->order < b->order;
}

int rain_heap_push(struct rain_heap *heap, const struct rain_heap_item *item)
{
	size_t at = heap->count;

	if (heap->count == heap->size) {
		size_t size = heap->size ? heap->size * 2 : 64;
		struct rain_heap_item *items = reallocarray(heap->items, size, sizeof *items);

		if (!items)
			return -1;
		heap->items = items;
		heap->size = size;
	}
	heap->count++;
	while (at > 0 && before(item, &heap->items[(at - 1) / 2])) {
		heap->items[at] = heap->items[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	heap->items[at] = *item;
	return 0;
}

struct rain_heap_item rain_heap_pop(struct rain_heap *heap)
{
	struct rain_heap_item top = heap->items[0], last = heap->items[--heap->count];
	size_t at = 0, child;

	while ((child = 2 * at + 1) < heap->count) {
		if (child + 1 < heap->count && before(&heap->items[child + 1], &heap->items[child]))
			child++;
		if (!before(&heap->items[child], &last))
			break;
		heap->items[at] = heap->items[child];
		at = child;
	}
	if (heap->count > 0)
		heap->items[at] = last;
	return top;
}

void rain_heap_release(struct rain_heap *heap)
{
	free(heap->items);
	*heap = (struct rain_heap){0};
}
