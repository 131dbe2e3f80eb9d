/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scheduler/forecast.h"

#include <stdlib.h>

#include "scheduler/easy.h"

/* A job with what orders it: sorted, each goes to the end of its list. */
struct entry {
	const struct rain_forecast_job *job;
	uint32_t index;
};

static int by_end(const void *a, const void *b)
{
	const struct rain_forecast_job *x = ((const struct entry *)a)->job;
	const struct rain_forecast_job *y = ((const struct entry *)b)->job;
	int64_t end_x = x->start + x->expected, end_y = y->start + y->expected;

	return (end_x > end_y) - (end_x < end_y);
}

static int by_turn(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->job->priority != y->job->priority)
		return x->job->priority > y->job->priority ? -1 : 1;
	if (x->job->order != y->job->order)
		return x->job->order < y->job->order ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

static int32_t at_least_one(int32_t seconds)
{
	return seconds > 0 ? seconds : 1;
}

/* What runs; `known` counts those with a history. */
static int add_running(struct rain_easy *easy, const struct entry *running, size_t count,
		       int32_t *known)
{
	for (size_t i = 0; i < count; i++) {
		const struct rain_forecast_job *job = running[i].job;

		*known += job->known;
		if (rain_easy_start(easy, job->start, running[i].index, job->procs,
				    at_least_one(job->expected), at_least_one(job->limit)) < 0)
			return -1;
	}
	return 0;
}

/* What waits, sorted, and fits on the machine at all. */
static int add_waiting(struct rain_easy *easy, const struct entry *waiting, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct rain_forecast_job *job = waiting[i].job;
		struct rain_waiting w = {
			.seq = (int64_t)i, .turn = (int64_t)i, .key = (int64_t)i,
			.plan = at_least_one(job->expected), .procs = job->procs,
			.job = waiting[i].index,
		};

		if (job->procs <= easy->procs && rain_easy_add(easy, &w) < 0)
			return -1;
	}
	return 0;
}

struct outcome {
	int64_t *starts;
	uint32_t *nth;
	int32_t *known; /* of the first n that start */
	int64_t reached;
};

static void tell(const struct rain_easy *easy, const struct rain_forecast_job *jobs, int64_t now,
		 int32_t known, const struct outcome *o, struct rain_forecast_wait *waits)
{
	int32_t started = 0;

	for (size_t i = 0; i < easy->waiting; i++) {
		if (o->starts[i] == RAIN_EASY_LATER)
			continue;
		o->known[o->nth[i] + 1] = jobs[easy->queue[i].job].known;
		started++;
	}
	o->known[0] = known;
	for (int32_t i = 0; i < started; i++)
		o->known[i + 1] += o->known[i];
	for (size_t i = 0; i < easy->waiting; i++) {
		bool later = o->starts[i] == RAIN_EASY_LATER;
		int64_t wait = (later ? o->reached : o->starts[i]) - now;
		uint32_t before = later ? (uint32_t)started : o->nth[i];

		waits[easy->queue[i].job] = (struct rain_forecast_wait){
			.seconds = wait > INT32_MAX ? INT32_MAX : (int32_t)wait,
			.longer = later,
			.ahead = (int32_t)(easy->active + before), .known = o->known[before],
		};
	}
}

static int simulate(struct rain_easy *easy, const struct rain_forecast_job *jobs, int64_t now,
		    uint64_t steps, int32_t known, struct rain_forecast_wait *waits)
{
	struct outcome o = {
		.starts = calloc(easy->waiting + 1, sizeof *o.starts),
		.nth = calloc(easy->waiting + 1, sizeof *o.nth),
		.known = calloc(easy->waiting + 1, sizeof *o.known),
	};
	int result = -1;

	if (o.starts && o.nth && o.known)
		result = rain_easy_forecast(easy, now, steps, o.starts, o.nth, &o.reached);
	if (result == 0)
		tell(easy, jobs, now, known, &o, waits);
	free(o.starts);
	free(o.nth);
	free(o.known);
	return result;
}

int rain_forecast(int32_t procs, const struct rain_forecast_job *jobs, size_t count, int64_t now,
		  uint64_t steps, struct rain_forecast_wait *waits, struct rain_error *err)
{
	struct entry *entries = calloc(count + 1, sizeof *entries);
	size_t running = 0, waiting = 0;
	struct rain_easy easy;
	int64_t used = 0;
	int32_t known = 0;
	int result = -1;

	if (!entries)
		return rain_error_set(err, "no memory to forecast %zu jobs", count);
	for (size_t i = 0; i < count; i++) {
		waits[i] = (struct rain_forecast_wait){.seconds = -1};
		if (jobs[i].procs < 1)
			continue;
		if (jobs[i].start > 0) {
			entries[running++] = (struct entry){&jobs[i], (uint32_t)i};
			used += jobs[i].procs;
		} else {
			entries[count - ++waiting] = (struct entry){&jobs[i], (uint32_t)i};
		}
	}
	if (used > procs)
		procs = used > INT32_MAX ? INT32_MAX : (int32_t)used;
	qsort(entries, running, sizeof *entries, by_end);
	qsort(entries + count - waiting, waiting, sizeof *entries, by_turn);
	rain_easy_init(&easy, procs);
	if (used <= INT32_MAX && add_running(&easy, entries, running, &known) == 0 &&
	    add_waiting(&easy, entries + count - waiting, waiting) == 0)
		result = simulate(&easy, jobs, now, steps, known, waits);
	rain_easy_release(&easy);
	free(entries);
	return result < 0 ? rain_error_set(err, "no memory to forecast %zu jobs", count) : 0;
}
