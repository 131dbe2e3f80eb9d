/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_SCHEDULER_PLOT_H
#define RAIN_SCHEDULER_PLOT_H

#include <stdio.h>

#include "scheduler/report.h"

/* Draws the results as one SVG image: the mean wait of the jobs submitted on each
 * day, a line per policy; and below, for each policy that lets jobs overflow, who
 * gave and who got. Writes to `out`; errors of writing show in ferror(out). */
int rain_plot(FILE *out, const struct rain_result *results, size_t count,
	      struct rain_error *err);

#endif
