/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_HISTORY_H
#define RAIN_ACCOUNTING_HISTORY_H

#include <stddef.h>
#include <stdint.h>

#include "accounting/snapshot.h"
#include "common/error.h"
#include "scheduler/predict.h"

/*
 * The last runs of each user, in memory, and what scheduler/predict.h makes of them.
 * No I/O.  Runs come in the order of their records, which is about that of their
 * ends.
 */
#define RAIN_HISTORY_DEPTH 64 /* of each user: twice what a prediction looks at */
/* Kinds of jobs for which a prediction is kept ready; with more all begin anew. */
#define RAIN_HISTORY_KINDS_MAX 65536

struct rain_history;

struct rain_history_run {
	uint32_t uid;
	uint64_t name; /* rain_predict_name() */
	int32_t procs;
	int64_t submit, end; /* epoch seconds */
	int32_t run;	     /* seconds */
};

/* NULL: no memory. */
struct rain_history *rain_history_create(void);
void rain_history_destroy(struct rain_history *history);

/* What would have been predicted of a job, knowing the runs that had ended by `asof`;
 * high is at least expected. */
void rain_history_predict(const struct rain_history *history, uint32_t uid, uint64_t name,
			  int32_t procs, int32_t limit, int64_t asof,
			  struct rain_prediction *prediction);

/* Takes a run in, and makes the predictions that it changes. -1: no memory. */
int rain_history_learn(struct rain_history *history, const struct rain_history_run *run,
		       struct rain_error *err);

/* The predictions that are kept ready, as a new array (free()): keys as of
 * scheduler/predict_key.h, for each kind of job its name and size, its size, and its
 * user. NULL: no memory. */
struct rain_snapshot_entry *rain_history_entries(const struct rain_history *history, size_t *count);

#endif
