/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_SCHEDULER_TURN_H
#define RAIN_SCHEDULER_TURN_H

#include <stdint.h>

/*
 * Whose turn it is in the home queue.  Pure.
 *
 * Each job has a deadline: the moment by which it should have started.  Whoever's
 * is the earliest comes first, as in scheduler/easy.h.
 *
 *   shortest      submission + patience x expected run time, at most max_wait
 *   contribution  submission + max_wait, less for users with tokens: half of it
 *                 with as many as `reference`, nearly none with many more
 *
 * A deadline never moves because time goes by, so nothing has to be computed again
 * while a job waits; ageing comes from the others being submitted later.
 *
 * The bound: a deadline lies at most max_wait after the submission.  So no job that
 * is submitted more than max_wait after this one ever comes before it, whatever is
 * predicted and whoever pays: from then on those ahead of it are a finite number n that
 * only falls.  Whoever is first starts, by the reservation that backfilling gives to it,
 * at the latest when all that runs has reached its time limit, of which the longest be
 * L.  So a job starts at the latest max_wait + (n + 1) L after its submission.
 */
enum rain_turn_order { RAIN_TURN_OFF, RAIN_TURN_SHORTEST, RAIN_TURN_CONTRIBUTION };

struct rain_turn_policy {
	enum rain_turn_order order;
	int32_t patience;	/* >= 0 */
	int32_t max_wait;	/* seconds, >= 1 */
	int64_t reference_utok; /* >= 1 */
};

struct rain_turn_job {
	int64_t submit;	   /* epoch seconds */
	int64_t expected;  /* seconds; <= 0: not known, which counts as long */
	int64_t balance_utok; /* not known: 0 */
};

int64_t rain_turn_deadline(const struct rain_turn_policy *policy, const struct rain_turn_job *job);

/* The deadline as points of Slurm's priority, of which the most win: one for each
 * second.  1 .. RAIN_TURN_POINTS_MAX, enough for deadlines up to the year 2093.  0 when
 * the order is off. */
#define RAIN_TURN_POINTS_MAX INT64_C(0x7fffffff)
int64_t rain_turn_points(const struct rain_turn_policy *policy, const struct rain_turn_job *job);

#endif
