/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_SCHEDULER_ELIGIBLE_H
#define RAIN_SCHEDULER_ELIGIBLE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Whether a job of Slurm's queue can go to a peer at all, whatever the policy.
 * Pure.  The sentence is for the user and ends up in Slurm's job record.
 */
#define RAIN_ELIGIBLE_SENTENCE 400

struct rain_eligible_job {
	const char *state;  /* Slurm's: "PENDING", … */
	const char *reason; /* Slurm's: "Resources", "Priority", … */
	int64_t eligible_s; /* for how long it could have started; < 0: not yet */
	bool only;	    /* --burst=only */
	bool held;	    /* priority 0 */
	bool het;	    /* part of a heterogeneous job */
	bool gres;	    /* asks for GRES, licenses or a reservation */
	bool constrained;   /* --constraint, --nodelist: names of home's own */
	bool no_limit;	    /* has no time limit, so no price ceiling */
};

enum rain_eligibility {
	RAIN_ELIGIBLE_IGNORE, /* not waiting, or not for us: nothing to say */
	RAIN_ELIGIBLE_HOME,   /* waits at home, for the reason in the sentence */
	RAIN_ELIGIBLE_ASK,    /* it may go */
};

enum rain_eligibility rain_eligible(const struct rain_eligible_job *job,
				    char sentence[static RAIN_ELIGIBLE_SENTENCE]);

#endif
