/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scheduler/metrics.h"

#include <stdlib.h>
#include <string.h>

#define SHORT_RUN 10

static int32_t seconds(int64_t value)
{
	if (value < 0)
		return 0;
	return value > INT32_MAX ? INT32_MAX : (int32_t)value;
}

int rain_fates_add(struct rain_fates *fates, const struct rain_outcome *outcome)
{
	size_t number = (size_t)outcome->number;

	if (number >= fates->size) {
		size_t size = fates->size ? fates->size : 4096;
		struct rain_fate *moved;

		while (size <= number)
			size *= 2;
		moved = reallocarray(fates->fates, size, sizeof *moved);
		if (!moved)
			return -1;
		memset(moved + fates->size, 0, (size - fates->size) * sizeof *moved);
		fates->fates = moved;
		fates->size = size;
	}
	if (number >= fates->count)
		fates->count = number + 1;
	fates->fates[number] = (struct rain_fate){
		.submit = outcome->submit,
		.wait = seconds(outcome->start - outcome->submit),
		.response = seconds(outcome->end - outcome->submit),
		.run = outcome->run, .procs = outcome->procs,
		.home = outcome->home, .host = outcome->host,
	};
	return 0;
}

void rain_fates_release(struct rain_fates *fates)
{
	free(fates->fates);
	*fates = (struct rain_fates){0};
}

double rain_fate_slowdown(const struct rain_fate *fate)
{
	double slowdown = (double)fate->response / (fate->run > SHORT_RUN ? fate->run : SHORT_RUN);

	return slowdown < 1 ? 1 : slowdown;
}

static bool is_selected(const struct rain_fate *fate, const struct rain_selection *selection)
{
	return fate->response > 0 &&
	       (selection->home < 0 || fate->home == (uint64_t)selection->home) &&
	       fate->procs >= selection->procs_min &&
	       (selection->procs_max <= 0 || fate->procs <= selection->procs_max) &&
	       fate->run >= selection->run_min &&
	       (selection->run_max <= 0 || fate->run <= selection->run_max);
}

static int by_wait(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

	return (x > y) - (x < y);
}

static int by_slowdown(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

/* The smallest value that is not below `percent` of all. */
static size_t rank(size_t count, size_t percent)
{
	size_t at = (count * percent + 99) / 100;

	return at ? at - 1 : 0;
}

static void quantiles(struct rain_summary *summary, int32_t *waits, float *slowdowns, size_t count)
{
	qsort(waits, count, sizeof *waits, by_wait);
	qsort(slowdowns, count, sizeof *slowdowns, by_slowdown);
	summary->wait_p50 = waits[rank(count, 50)];
	summary->wait_p95 = waits[rank(count, 95)];
	summary->wait_p99 = waits[rank(count, 99)];
	summary->slowdown_median = (double)slowdowns[rank(count, 50)];
	summary->slowdown_p95 = (double)slowdowns[rank(count, 95)];
}

int rain_summarize(const struct rain_fates *fates, const struct rain_fates *alone,
		   const struct rain_selection *selection, struct rain_summary *summary)
{
	int32_t *waits = calloc(fates->count + 1, sizeof *waits);
	float *slowdowns = calloc(fates->count + 1, sizeof *slowdowns);
	size_t count = 0, worse = 0, away = 0;

	*summary = (struct rain_summary){.worse = -1};
	if (!waits || !slowdowns) {
		free(waits);
		free(slowdowns);
		return -1;
	}
	for (size_t i = 0; i < fates->count; i++) {
		const struct rain_fate *fate = &fates->fates[i];
		double slowdown = rain_fate_slowdown(fate);

		if (!is_selected(fate, selection))
			continue;
		summary->slowdown += slowdown;
		summary->wait += fate->wait;
		away += fate->host != fate->home;
		if (alone && i < alone->count && slowdown > rain_fate_slowdown(&alone->fates[i]))
			worse++;
		waits[count] = fate->wait;
		slowdowns[count++] = (float)slowdown;
	}
	summary->jobs = (int64_t)count;
	if (count > 0) {
		summary->slowdown /= (double)count;
		summary->wait /= (double)count;
		summary->away = (double)away / (double)count;
		if (alone)
			summary->worse = (double)worse / (double)count;
		quantiles(summary, waits, slowdowns, count);
	}
	free(waits);
	free(slowdowns);
	return 0;
}
