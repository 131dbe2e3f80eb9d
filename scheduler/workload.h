/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_SCHEDULER_WORKLOAD_H
#define RAIN_SCHEDULER_WORKLOAD_H

#include <stdint.h>

#include "common/error.h"
#include "scheduler/sim.h"

/*
 * Made-up jobs after a published model.  Pure; seeded.
 *
 * Sizes, run times and the daily cycle: U. Lublin, D. Feitelson, "The workload on
 * parallel supercomputers: modeling the characteristics of rigid jobs", Journal
 * of Parallel and Distributed Computing 63 (2003), with the parameters given
 * there for all jobs taken together.  Submissions are a Poisson process that
 * follows the model's daily cycle, its rate set so that the offered load (work
 * per processor) is about the one asked for.  The model has
 * no limits and no users: the limits follow the observation of D. Tsafrir, Y.
 * Etsion, D. Feitelson ("Modeling user runtime estimates", JSSPP 2005) that users
 * ask for one of few round times, often far more than they need; users come in
 * sessions in which they run much the same again.
 */
struct rain_workload_spec {
	uint64_t seed;
	int32_t procs;	      /* the machine's; the largest job */
	int64_t jobs;	      /* how many; 0: until `days` */
	double days;	      /* for how long; 0: no bound */
	double load;	      /* offered: work / (procs x time), > 0 */
	uint32_t users;	      /* >= 1 */
};

struct rain_workload;

/* NULL with err. */
struct rain_workload *rain_workload_create(const struct rain_workload_spec *spec,
					   struct rain_error *err);
/* A source of simulation (struct rain_source). */
int rain_workload_next(void *workload, struct rain_arrival *arrival);
/* From the first job again. */
void rain_workload_rewind(struct rain_workload *workload);
void rain_workload_destroy(struct rain_workload *workload);

#endif
