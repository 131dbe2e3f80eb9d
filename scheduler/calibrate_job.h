/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_SCHEDULER_CALIBRATE_JOB_H
#define RAIN_SCHEDULER_CALIBRATE_JOB_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "scheduler/calibrate.h"
#include "scheduler/hpl.h"

/* Measuring by jobs of Slurm: parts of rain-calibrate. */

struct rain_calibrate_jobs {
	const char *partition; /* NULL: Slurm's default */
	int seconds;	       /* of each measurement */
	int wait_seconds;      /* for the nodes to be free */
	bool local;	       /* no Slurm: this machine only */
};

/* Surveys the nodes, all of them at once or in turns. *surveys (free()) has *count of
 * them; nodes that gave no answer are missing. -1 with err when there is none. */
int rain_calibrate_survey(const struct rain_calibrate_jobs *jobs, char *const nodes[],
			  size_t node_count, struct rain_survey **surveys, size_t *count,
			  struct rain_error *err);

/* Where HPL is: xhpl or hpcc. NULL: nowhere. */
const char *rain_calibrate_program(void);

/* Runs HPL on the nodes (a host list), so many processes on each. */
int rain_calibrate_hpl(const struct rain_calibrate_jobs *jobs, const char *program,
		       const char *nodes, size_t node_count,
		       const struct rain_hpl_problem *problem, struct rain_hpl_result *result,
		       struct rain_error *err);

/* What a task of these jobs does, on its node: `rain-calibrate task …`. Returns the
 * program's exit code. */
int rain_calibrate_task(int argc, char *argv[]);

#endif
