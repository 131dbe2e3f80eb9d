/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_SCHEDULER_ESTIMATE_H
#define RAIN_SCHEDULER_ESTIMATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/*
 * What a job would take and cost, here and elsewhere, before it is submitted.  Pure.
 * Times are seconds, amounts micro-tokens; RAIN_ESTIMATE_UNKNOWN where nobody knows.
 */
#define RAIN_ESTIMATE_UNKNOWN INT64_C(-1)
#define RAIN_ESTIMATE_TEXT 320
/* Sending a job costs about as much: so much must be won by it. */
#define RAIN_ESTIMATE_WORTH_S 60

struct rain_estimate_job {
	int64_t nodes, tasks, cpus_per_task;
	int64_t limit;		/* what it may run */
	int64_t expected, high; /* as predicted at home's speed; <= limit */
	int64_t max_utok;	/* the user's bound for peers; or unknown: none */
	int64_t balance_utok;	/* what the user can spend; may be unknown */
	int64_t input_bytes;
	int64_t array_tasks; /* each of which takes and costs as much; 1: no array */
	bool asked;	     /* --burst=auto or only is given: nobody needs to advise it */
	bool only;	     /* --burst=only */
	bool peers_unknown;  /* nobody could be asked about peers */
};

struct rain_estimate_place {
	char name[17];
	bool home;
	/* In: */
	int64_t start;	     /* from now; at a peer 0: whoever offers, offers at once */
	int64_t mflops;	     /* of a core; 0: not calibrated */
	int64_t num, den;    /* share of the calibrated price */
	int64_t lends_nodes, lends_minutes, lends_cpus_per_node; /* of peers; cpus 0: not known */
	int64_t overhead_ms; /* of sending anything; or unknown */
	int64_t bytes_per_s; /* or unknown */
	bool reachable;
	/* Out: */
	bool fits;
	char why_not[RAIN_ESTIMATE_TEXT];
	int64_t run_expected, run_high, transfer;
	int64_t ceiling, cost_expected, cost_high; /* unknown where it can't be priced */
	int64_t balance_after;			   /* after cost_expected, of each task of an array */
};

int64_t rain_estimate_cores(const struct rain_estimate_job *job);

/* How many tasks --array=TEXT asks for ("1-10:2,17%4"); 0: it can't be read, or more
 * than RAIN_ESTIMATE_ARRAY_MAX. */
#define RAIN_ESTIMATE_ARRAY_MAX 4000000
int64_t rain_estimate_array_tasks(const char *text);

/* Fills in what comes out. home_mflops: 0 where home isn't calibrated; then nothing is
 * known of how much slower or faster a peer is, and its time is that at home. */
void rain_estimate_place(const struct rain_estimate_job *job, int64_t home_mflops,
			 struct rain_estimate_place *place);

/* The best place, and why, in a sentence. places[0] is home. */
size_t rain_estimate_recommend(const struct rain_estimate_job *job,
			       const struct rain_estimate_place places[], size_t count,
			       char sentence[static RAIN_ESTIMATE_TEXT]);

/* "1:05:00", "2:03 min", "15 s", "not known". */
#define RAIN_ESTIMATE_TIME 32
const char *rain_estimate_time(int64_t seconds, char text[static RAIN_ESTIMATE_TIME]);

#endif
