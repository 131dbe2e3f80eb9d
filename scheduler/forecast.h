/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_SCHEDULER_FORECAST_H
#define RAIN_SCHEDULER_FORECAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/*
 * How long each waiting job of a live machine will wait, by a backfill simulation
 * (easy.h) of what runs and waits there.  Pure.
 *
 * The machine is a number of processors: that a job needs whole nodes, or these
 * very nodes, isn't seen.  Slurm plans with time limits and jobs end before them,
 * so the simulation lets each job run as long as it is expected to; where nothing
 * is known of a user that is the limit, and the forecast says how many such jobs
 * it rests on.
 */
#define RAIN_FORECAST_STEPS 2000000 /* enough of a queue of 10,000, within some ms */

struct rain_forecast_job {
	int64_t start;	  /* when it started; 0: it waits */
	int64_t priority; /* the larger comes first; the same: the smaller `order` */
	int64_t order;
	int32_t procs;
	int32_t expected; /* seconds that it is expected to run in all */
	int32_t limit;	  /* seconds after which it surely ends */
	bool known;	  /* `expected` comes from its user's own history */
};

struct rain_forecast_wait {
	int32_t seconds; /* -1: not known; it has started, or the machine is too small for it */
	bool longer;	 /* it waits longer than that; how long isn't known */
	int32_t ahead;	 /* jobs that run now, or start before it */
	int32_t known;	 /* of them, known from history */
};

/* Fills waits[i] for jobs[i]. A machine that is smaller than what runs on it counts
 * as large as that. -1 with err: no memory. */
int rain_forecast(int32_t procs, const struct rain_forecast_job *jobs, size_t count, int64_t now,
		  uint64_t steps, struct rain_forecast_wait *waits, struct rain_error *err);

#endif
