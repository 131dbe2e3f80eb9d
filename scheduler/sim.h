/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_SCHEDULER_SIM_H
#define RAIN_SCHEDULER_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "scheduler/easy.h"
#include "scheduler/overflow.h"
#include "scheduler/predict.h"

/*
 * An event-driven simulation of many clusters that overflow into each other.
 * Pure: workloads come in through sources, results go out through a callback.
 * Time is in seconds since each workload's own start.  The same configuration
 * and seed give the same result, whatever the order of the sites (they are
 * sorted by name).
 */

/* One job as a workload has it. */
struct rain_arrival {
	int64_t submit;
	int32_t run;   /* seconds on its home's processors */
	int32_t limit; /* what its user asked for; >= run */
	int32_t procs;
	uint32_t user;
	uint32_t id;   /* of the workload's; orders what was submitted in the same second */
};

/* Where a site's jobs come from, in the order of submission. Returns 1 with
 * *arrival filled, 0 at the end. */
struct rain_source {
	int (*next)(void *state, struct rain_arrival *arrival);
	void *state;
};

/* One job's fate. */
struct rain_outcome {
	int64_t submit;
	int64_t number; /* the place in the order of arrival, the same under every policy */
	int64_t start;	/* when its own program began */
	int64_t end;
	int32_t run, procs;
	uint32_t user;
	uint32_t home, host; /* indexes of sites */
	uint32_t evictions;
};

/* How a site is and behaves. Zero means the ordinary. */
struct rain_site_spec {
	char name[64];
	int32_t procs;
	int32_t speed_permille; /* of the site's processors against the trace's; 0: 1000 */
	bool rides_free;	/* borrows and never lends */
	int32_t pad_percent;	/* its users' limits times this; 0: 100 */
	int32_t overclaim_percent; /* of what it bills; 0: 100 */
	int32_t evicts_percent; /* of the guests are dropped half-way */
	int32_t renames_days;	/* comes under a new name every so many days */
	int32_t leaves_day;	/* leaves the federation on that day; 0: never */
	int32_t ring;		/* sites of the same ring vouch for each other; 0: none */
	struct rain_source source;
};

enum rain_sim_kind {
	RAIN_SIM_ISOLATED,  /* everybody for themselves */
	RAIN_SIM_DUPLICATE, /* a copy in every queue, the first that starts wins */
	RAIN_SIM_MERGED,    /* one machine of all processors */
	RAIN_SIM_LATE,	    /* home first, then whoever can start it now */
};

enum rain_sim_order {
	RAIN_SIM_FCFS,	   /* head and backfilling: first come, first served */
	RAIN_SIM_SHORTEST, /* head: the oldest; backfilling: the shortest first */
	RAIN_SIM_AGEING,   /* head: rain_easy_deadline; backfilling: the shortest first */
};

enum rain_sim_plan {
	RAIN_SIM_PLAN_LIMIT,   /* plan with what users ask for */
	RAIN_SIM_PLAN_PREDICT, /* order by the expectation from their history, reserve by its 90 % quantile */
	RAIN_SIM_PLAN_PERFECT, /* with the truth, as a bound */
};

struct rain_sim_config {
	enum rain_sim_kind kind;
	enum rain_sim_order order;
	int32_t patience; /* RAIN_SIM_AGEING */
	enum rain_sim_plan plan;
	struct rain_overflow_policy policy;
	int32_t overhead;    /* seconds that a remote job costs on top */
	int32_t flock_delay; /* seconds a job waits at home before it may go */
	bool owners_evict;   /* a home job takes its processors back from guests */
	uint32_t peers_max;  /* peers per site where all with all would be too many */
	int64_t cut_every, cut_for; /* mean seconds between and of link cuts; 0: none */
	int32_t stale_percent;	    /* of the offers no longer hold when the order comes */
	uint64_t seed;
	void (*done)(void *arg, const struct rain_outcome *outcome);
	void *arg;
	bool (*progress)(void *arg, int64_t jobs, int64_t now); /* false: stop; may be NULL */
	void *progress_arg;
};

/* What became of a site. Work is in processor-seconds as billed. */
struct rain_site_totals {
	int64_t jobs, sent, hosted, evicted;
	int64_t work;	       /* processor-seconds used on its machine */
	int64_t given, received; /* for and from others, settled */
	int64_t denied;	       /* asks that were refused for want of credit */
};

struct rain_sim_totals {
	int64_t jobs, events, messages, dropped;
	int64_t first, last; /* seconds: first submission, last end */
	struct rain_site_totals *sites; /* borrowed, in the order of the sites */
};

struct rain_sim;

/* Takes the specs (copied; sources are borrowed) and sorts them by name, procs:
 * rain_sim_site() tells the new order. NULL with err: nothing to run, names that
 * are not unique, no memory. */
struct rain_sim *rain_sim_create(const struct rain_sim_config *config,
				 const struct rain_site_spec *sites, size_t count,
				 struct rain_error *err);
size_t rain_sim_sites(const struct rain_sim *sim);
const struct rain_site_spec *rain_sim_site(const struct rain_sim *sim, size_t index);

/* Runs to the end of all sources. -1 with err: no memory, or stopped. */
int rain_sim_run(struct rain_sim *sim, struct rain_error *err);

const struct rain_sim_totals *rain_sim_totals(const struct rain_sim *sim);

void rain_sim_destroy(struct rain_sim *sim);

#endif
