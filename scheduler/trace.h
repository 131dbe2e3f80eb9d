/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_SCHEDULER_TRACE_H
#define RAIN_SCHEDULER_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "scheduler/sim.h"

/*
 * A workload in the Standard Workload Format (Chapin et al. 1999; the Parallel
 * Workloads Archive), plain or compressed with whatever libarchive knows.
 *
 * Used are the fields 2 submit, 4 run, 5 processors (or 8, requested), 9
 * requested time, 12 user.  A line with too few fields, with something that is
 * no number, with a negative time of submission or that is too long is an error
 * that names the line.  What the format allows but can't be replayed (no run time
 * or no processors: cancelled jobs) is left out and counted.
 */
#define RAIN_TRACE_LINE_MAX 4096
#define RAIN_TRACE_JOBS_MAX 100000000

struct rain_trace_warnings {
	int64_t unsorted; /* rows that come before their predecessor; all are sorted */
	int64_t left_out; /* no run time or no processors */
	int64_t overran;  /* ran longer than they asked for: their limit is raised */
	int64_t no_limit; /* asked for no time: the run time is taken */
};

struct rain_trace {
	struct rain_arrival *jobs; /* by time of submission */
	size_t count, size;
	int32_t procs; /* of the header's MaxProcs or MaxNodes; 0: not stated */
	struct rain_trace_warnings warnings;
};

/* NULL with err. The caller destroys it. */
struct rain_trace *rain_trace_load(const char *path, struct rain_error *err);
void rain_trace_destroy(struct rain_trace *trace);

/* Reads one line of the format into *job. 1: a job, 0: nothing to replay
 * (comment, empty, left out), -1 with err. Pure; for trace.c and its fuzzer. */
int rain_trace_line(const char *line, struct rain_arrival *job, struct rain_trace *trace,
		    struct rain_error *err);

#endif
