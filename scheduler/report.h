/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_SCHEDULER_REPORT_H
#define RAIN_SCHEDULER_REPORT_H

#include <stdio.h>

#include <jansson.h>

#include "common/error.h"
#include "common/table.h"
#include "scheduler/metrics.h"

/* The results of one policy of `rain simulate`. */
struct rain_result {
	const char *policy;
	struct rain_sim *sim;	 /* has run */
	struct rain_fates fates;
	const struct rain_fates *alone; /* the same jobs, everybody for themselves; or NULL */
	double seconds;		 /* that the simulation took */
};

/* Adds the rows of a result: the federation's, then (with at most sites_max of
 * them) each site's. -1 with err. */
int rain_report_rows(struct rain_table *table, const struct rain_result *result, size_t sites_max,
		     struct rain_error *err);

/* The headers of these rows. */
extern const char *const rain_report_headers[];

/* The same, with more detail: classes of width and length, work, messages. A new
 * reference, NULL with err. */
json_t *rain_report_json(const struct rain_result *result, size_t sites_max,
			 struct rain_error *err);

/* Where and when each job ran, one line of CSV each, in the order of submission. Seconds
 * are those of the workloads; START is when its own program began. Errors of writing
 * show in ferror(out). */
int rain_report_jobs(FILE *out, const struct rain_result *results, size_t count,
		     struct rain_error *err);

#endif
