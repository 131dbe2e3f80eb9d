/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_SCHEDULER_CLUSTER_SPEC_H
#define RAIN_SCHEDULER_CLUSTER_SPEC_H

#include <stddef.h>

#include "common/error.h"
#include "scheduler/sim.h"
#include "scheduler/trace.h"
#include "scheduler/workload.h"

/*
 * The clusters of `rain simulate`, as its arguments name them:
 *
 *   TRACE[:PROCS][,KEY=VALUE]…    a workload in the Standard Workload Format
 *   gen:PROCS[,KEY=VALUE]…	   a generated one
 *
 * doc/rain-simulate.1 lists the keys.
 */
struct rain_cluster {
	struct rain_site_spec site;
	const struct rain_trace *trace; /* shared by clusters of the same file; or NULL */
	struct rain_workload *workload; /* or NULL */
	size_t at;			/* next job of the trace */
	int64_t round, repeat;		/* how often the trace is replayed */
	int64_t period;			/* seconds from one replay to the next */
	int64_t until;			/* seconds; 0: no bound */
};

struct rain_clusters {
	struct rain_cluster *clusters;
	size_t count, size;
	struct {
		char *path;
		struct rain_trace *trace;
	} *traces;
	size_t trace_count;
};

/* What all clusters share. */
struct rain_cluster_defaults {
	double days; /* 0: all */
	uint64_t seed;
};

/* Adds the cluster(s) of one argument. -1 with err. */
int rain_clusters_add(struct rain_clusters *clusters, const char *argument,
		      const struct rain_cluster_defaults *defaults, struct rain_error *err);

/* All workloads from their beginnings; then specs[i].source is ready. Returns a
 * new array of count specs (the caller frees it), NULL when out of memory. */
struct rain_site_spec *rain_clusters_specs(struct rain_clusters *clusters);

void rain_clusters_release(struct rain_clusters *clusters);

#endif
