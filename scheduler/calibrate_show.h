/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_SCHEDULER_CALIBRATE_SHOW_H
#define RAIN_SCHEDULER_CALIBRATE_SHOW_H

#include <jansson.h>
#include <stdio.h>

#include "common/config.h"
#include "scheduler/calibrate.h"
#include "scheduler/hpl.h"

/* What rain-calibrate found, as JSON, which is also what is stored, and for people. */

/* Nodes of the same hardware. */
struct rain_calibrate_type {
	char *nodes;	    /* host list */
	size_t first, count; /* surveys[first] stands for them */
	bool has_hpl;
	struct rain_hpl_result hpl; /* of `measured` nodes together */
	char *measured;
	size_t measured_count;
	char why_not[512]; /* without a result */
};

struct rain_calibration {
	struct rain_survey *surveys;
	size_t survey_count;
	struct rain_calibrate_type *types;
	size_t type_count;
	const char *program; /* of HPL */
};

/* HPL's speed of one core; 0: not measured. */
int64_t rain_calibrate_core_mflops(const struct rain_calibration *calibration,
				   const struct rain_calibrate_type *type);

/* date: "2026-11-21T12:00:00Z". */
json_t *rain_calibrate_encode(const struct rain_calibration *calibration, const char *date);

/* Prints what rain_calibrate_encode made. `config` (may be NULL) is compared. */
void rain_calibrate_print(const json_t *object, const struct rain_config *config);

#endif
