/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scheduler/easy.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void rain_easy_init(struct rain_easy *easy, int32_t procs)
{
	*easy = (struct rain_easy){.procs = procs, .free = procs};
}

void rain_easy_release(struct rain_easy *easy)
{
	free(easy->queue);
	free(easy->running);
	*easy = (struct rain_easy){0};
}

/* Room for one more element. */
static int grow(void **array, size_t used, size_t *size, size_t element)
{
	size_t larger = *size ? *size * 2 : 8;
	void *moved;

	if (used < *size)
		return 0;
	moved = reallocarray(*array, larger, element);
	if (!moved)
		return -1;
	*array = moved;
	*size = larger;
	return 0;
}

static bool before(const struct rain_waiting *a, const struct rain_waiting *b)
{
	return a->key != b->key ? a->key < b->key : a->seq < b->seq;
}

static bool has_turn_before(const struct rain_waiting *a, const struct rain_waiting *b)
{
	return a->turn != b->turn ? a->turn < b->turn : a->seq < b->seq;
}

/* The first position whose job doesn't come before `waiting`. */
static size_t place(const struct rain_easy *easy, const struct rain_waiting *waiting)
{
	size_t low = 0, high = easy->waiting;

	if (high > 0 && before(&easy->queue[high - 1], waiting))
		return high;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (before(&easy->queue[middle], waiting))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Something has changed that may let any waiting job start. */
static void look_at_all(struct rain_easy *easy)
{
	easy->reserved = false;
	easy->scan = 0;
	easy->scan_end = easy->waiting;
}

static void find_head(struct rain_easy *easy)
{
	size_t head = 0;

	for (size_t i = 1; i < easy->waiting; i++)
		if (has_turn_before(&easy->queue[i], &easy->queue[head]))
			head = i;
	easy->head = head;
}

int rain_easy_add(struct rain_easy *easy, const struct rain_waiting *waiting)
{
	size_t at = place(easy, waiting);

	assert(waiting->procs > 0 && waiting->procs <= easy->procs && waiting->plan > 0);
	if (grow((void **)&easy->queue, easy->waiting, &easy->queue_size, sizeof *easy->queue) < 0)
		return -1;
	memmove(easy->queue + at + 1, easy->queue + at,
		(easy->waiting - at) * sizeof *easy->queue);
	easy->queue[at] = *waiting;
	easy->waiting++;
	if (easy->waiting == 1 ||
	    has_turn_before(waiting, &easy->queue[easy->head + (at <= easy->head)])) {
		easy->head = at;
		look_at_all(easy);
		return 0;
	}
	if (at <= easy->head)
		easy->head++;
	if (easy->scan >= easy->scan_end) { /* all others have been looked at */
		easy->scan = at;
		easy->scan_end = at + 1;
		return 0;
	}
	if (at < easy->scan_end)
		easy->scan_end++;
	else
		easy->scan_end = at + 1;
	if (at < easy->scan)
		easy->scan = at;
	return 0;
}

static void drop(struct rain_easy *easy, size_t at)
{
	bool was_head = at == easy->head;

	easy->waiting--;
	memmove(easy->queue + at, easy->queue + at + 1,
		(easy->waiting - at) * sizeof *easy->queue);
	if (was_head) {
		find_head(easy);
		look_at_all(easy);
		return;
	}
	if (at < easy->head)
		easy->head--;
	if (at < easy->scan)
		easy->scan--;
	if (at < easy->scan_end)
		easy->scan_end--;
}

bool rain_easy_remove(struct rain_easy *easy, const struct rain_waiting *waiting)
{
	size_t at = place(easy, waiting);

	if (at >= easy->waiting || easy->queue[at].seq != waiting->seq)
		return false;
	drop(easy, at);
	return true;
}

static void insert_running(struct rain_easy *easy, const struct rain_running *running)
{
	size_t at = easy->active;

	while (at > 0 && easy->running[at - 1].end > running->end)
		at--;
	memmove(easy->running + at + 1, easy->running + at,
		(easy->active - at) * sizeof *easy->running);
	easy->running[at] = *running;
	easy->active++;
}

/* What should have ended and has not gets a new planned end: as long again as
 * it has run so far, at most its bound. */
static void correct(struct rain_easy *easy, int64_t now)
{
	while (easy->active > 0 && easy->running[0].end <= now) {
		struct rain_running late = easy->running[0];
		int64_t more = now - late.start;

		easy->active--;
		memmove(easy->running, easy->running + 1, easy->active * sizeof *easy->running);
		late.end = now + (more < 60 ? 60 : more);
		if (late.end > late.bound)
			late.end = late.bound;
		if (late.end <= now)
			late.end = now + 1;
		insert_running(easy, &late);
		look_at_all(easy);
	}
}

static void reserve(struct rain_easy *easy, int64_t now)
{
	int32_t needed = easy->queue[easy->head].procs, available = easy->free;
	size_t i;

	easy->shadow = now;
	for (i = 0; i < easy->active && available < needed; i++) {
		available += easy->running[i].procs;
		easy->shadow = easy->running[i].end;
	}
	/* What ends at that very moment is free as well. */
	for (; i < easy->active && easy->running[i].end == easy->shadow; i++)
		available += easy->running[i].procs;
	easy->extra = available - needed;
	easy->reserved = true;
}

bool rain_easy_take(struct rain_easy *easy, int64_t now, struct rain_waiting *taken)
{
	correct(easy, now);
	if (easy->scan >= easy->scan_end)
		return false;
	if (!easy->reserved) {
		if (easy->queue[easy->head].procs <= easy->free) {
			*taken = easy->queue[easy->head];
			drop(easy, easy->head);
			return true;
		}
		reserve(easy, now);
	}
	for (size_t i = easy->scan; i < easy->scan_end && easy->free > 0; i++) {
		const struct rain_waiting *w = &easy->queue[i];

		if (w->procs > easy->free || i == easy->head)
			continue;
		if (w->procs > easy->extra && now + w->plan > easy->shadow)
			continue;
		*taken = *w;
		easy->scan = i;
		/* drop moves scan when it lies behind; here it stays on the next. */
		drop(easy, i);
		return true;
	}
	easy->scan = easy->scan_end = easy->waiting;
	return false;
}

bool rain_easy_fits(struct rain_easy *easy, int64_t now, int32_t procs, int32_t plan)
{
	if (procs > easy->free)
		return false;
	if (easy->waiting == 0)
		return true;
	if (!easy->reserved)
		reserve(easy, now);
	return procs <= easy->extra || now + plan <= easy->shadow;
}

int rain_easy_start(struct rain_easy *easy, int64_t now, uint32_t job, int32_t procs,
		    int32_t plan, int32_t limit)
{
	struct rain_running running = {
		.end = now + plan, .bound = now + (limit > plan ? limit : plan), .start = now,
		.procs = procs, .job = job,
	};

	assert(procs <= easy->free);
	if (grow((void **)&easy->running, easy->active, &easy->running_size,
		 sizeof *easy->running) < 0)
		return -1;
	insert_running(easy, &running);
	easy->free -= procs;
	if (easy->reserved && running.end > easy->shadow)
		easy->extra -= procs;
	return 0;
}

bool rain_easy_finish(struct rain_easy *easy, uint32_t job)
{
	size_t at = 0;

	while (at < easy->active && easy->running[at].job != job)
		at++;
	if (at == easy->active)
		return false;
	easy->free += easy->running[at].procs;
	easy->active--;
	memmove(easy->running + at, easy->running + at + 1,
		(easy->active - at) * sizeof *easy->running);
	look_at_all(easy);
	return true;
}

int64_t rain_easy_reservation(struct rain_easy *easy, int64_t now)
{
	if (easy->waiting == 0)
		return now;
	if (!easy->reserved)
		reserve(easy, now);
	return easy->shadow;
}

const struct rain_waiting *rain_easy_head(const struct rain_easy *easy)
{
	return easy->waiting ? &easy->queue[easy->head] : NULL;
}

static int copy(struct rain_easy *to, const struct rain_easy *from)
{
	*to = *from;
	to->queue_size = from->waiting;
	to->running_size = from->active;
	to->queue = calloc(from->waiting + 1, sizeof *to->queue);
	to->running = calloc(from->active + 1, sizeof *to->running);
	if (!to->queue || !to->running) {
		rain_easy_release(to);
		return -1;
	}
	if (from->waiting)
		memcpy(to->queue, from->queue, from->waiting * sizeof *to->queue);
	if (from->active)
		memcpy(to->running, from->running, from->active * sizeof *to->running);
	look_at_all(to);
	return 0;
}

/* Ends what ends by plan at the next such moment, which becomes `now`. */
static int64_t go_on(struct rain_easy *planned)
{
	int64_t now = planned->running[0].end;
	size_t ended = 0;

	while (ended < planned->active && planned->running[ended].end <= now)
		planned->free += planned->running[ended++].procs;
	planned->active -= ended;
	memmove(planned->running, planned->running + ended,
		planned->active * sizeof *planned->running);
	look_at_all(planned);
	return now;
}

int rain_easy_forecast(const struct rain_easy *easy, int64_t now, uint64_t steps,
		       int64_t starts[], uint32_t nth[], int64_t *reached)
{
	struct rain_easy planned;
	struct rain_waiting next;
	uint32_t started = 0;
	uint64_t looked = 0;

	if (copy(&planned, easy) < 0)
		return -1;
	for (size_t i = 0; i < planned.waiting; i++) {
		planned.queue[i].job = (uint32_t)i; /* the place in the original queue */
		starts[i] = RAIN_EASY_LATER;
		if (nth)
			nth[i] = 0;
	}
	for (;;) {
		looked += planned.waiting;
		while (rain_easy_take(&planned, now, &next)) {
			starts[next.job] = now;
			if (nth)
				nth[next.job] = started;
			started++;
			if (rain_easy_start(&planned, now, next.job, next.procs, next.plan, next.plan) < 0) {
				rain_easy_release(&planned);
				return -1;
			}
		}
		if (planned.waiting == 0 || (steps && looked >= steps))
			break;
		now = go_on(&planned);
	}
	if (reached)
		*reached = now;
	rain_easy_release(&planned);
	return 0;
}
