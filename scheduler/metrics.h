/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_SCHEDULER_METRICS_H
#define RAIN_SCHEDULER_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scheduler/sim.h"

/*
 * What users got.  Pure.  Bounded slowdown is (end - submit) / run time at home,
 * with runs under 10 s counted as 10 s, and at least 1 (Feitelson, Rudolph 1998).
 */
struct rain_fate {
	int64_t submit;
	int32_t wait;	  /* until its program began */
	int32_t response; /* end - submit; 0: it never ended */
	int32_t run, procs;
	uint32_t home;
	uint32_t host;
};

/* All jobs of one run, by their number. */
struct rain_fates {
	struct rain_fate *fates;
	size_t count, size;
};

/* Room is made as needed. -1: no memory. */
int rain_fates_add(struct rain_fates *fates, const struct rain_outcome *outcome);
void rain_fates_release(struct rain_fates *fates);

double rain_fate_slowdown(const struct rain_fate *fate);

struct rain_summary {
	int64_t jobs;
	double slowdown, slowdown_median, slowdown_p95;
	double wait; /* seconds */
	int64_t wait_p50, wait_p95, wait_p99;
	double worse; /* share of jobs whose slowdown is larger than alone; -1: not compared */
	double away;  /* share of jobs that ran elsewhere */
};

/* Which jobs a summary is about; a negative or zero bound is none. */
struct rain_selection {
	int64_t home;		     /* site, or -1 */
	int32_t procs_min, procs_max;
	int32_t run_min, run_max;
};

/* `alone` (the same jobs run in isolation) may be NULL. -1: no memory. */
int rain_summarize(const struct rain_fates *fates, const struct rain_fates *alone,
		   const struct rain_selection *selection, struct rain_summary *summary);

#endif
