/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_SCHEDULER_SURVEY_H
#define RAIN_SCHEDULER_SURVEY_H

#include <hwloc.h>
#include <jansson.h>

#include "common/error.h"
#include "scheduler/calibrate.h"

/* Measuring the node that this runs on: parts of rain-calibrate. */

/* survey.c: the whole of it, all cores under load for so many seconds. -1 with err. */
int rain_survey_run(int seconds, struct rain_survey *survey, struct rain_error *err);

/* survey_load.c: one core of the load. */
struct rain_survey_worker {
	int cpu;  /* operating system's number, to be bound to */
	int kind; /* which of the survey's */
	/* Out: */
	int64_t clock_begin_khz, clock_end_khz, mflops, cpu_ns, wall_ns;
	int done;
};

/* Runs one process for each worker, bound to its core, all of them at once: counts
 * the clock, multiplies matrices for so many seconds, counts the clock again.  -1
 * with err when one of them fails. */
int rain_survey_load(struct rain_survey_worker workers[], int count, int seconds,
		     struct rain_error *err);

/* survey_sense.c: what the kernel tells. */
void rain_survey_identify(struct rain_survey *survey);
int64_t rain_survey_stated_khz(int cpu); /* 0: says nothing */
int64_t rain_survey_temperature_mc(int64_t *limit_mc); /* both may be RAIN_SURVEY_UNKNOWN */
int64_t rain_survey_throttle_count(void);

/* survey_json.c: as one object, and back with every bound checked. */
json_t *rain_survey_encode(const struct rain_survey *survey);
int rain_survey_decode(const json_t *object, struct rain_survey *survey, struct rain_error *err);

#endif
