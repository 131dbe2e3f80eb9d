/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_SCHEDULER_PREDICT_H
#define RAIN_SCHEDULER_PREDICT_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/*
 * How long a job will run, from what its user ran before.  Pure.
 *
 * The history keeps the last RAIN_PREDICT_DEPTH jobs of each user.  Those like
 * the new one (same name, same processors, similar limit) count; with too few
 * of them the likeness is loosened step by step, down to the limit alone.  A
 * prediction orders and plans; it never ends a job.
 */
#define RAIN_PREDICT_DEPTH 32

/* A hash of the name of a job, without its digits: run-17 is like run-18. Never 0,
 * and never negative as a signed number; 0 for NULL. */
uint64_t rain_predict_name(const char *name);

struct rain_predict_shape {
	uint64_t name;	/* a hash of job name and script; 0: not known */
	int32_t procs;
	int32_t limit;	/* seconds that the user asked for, > 0 */
};

enum rain_predict_basis {
	RAIN_PREDICT_LIMIT, /* no history */
	RAIN_PREDICT_USER,  /* the user's last jobs, whatever they were */
	RAIN_PREDICT_SHAPE, /* jobs of the same shape */
	RAIN_PREDICT_NAME,  /* jobs of the same name and shape */
};

struct rain_prediction {
	int32_t expected; /* seconds; 1..limit */
	/* The 50 % and 90 % quantiles; median <= high <= limit.  expected, which goes by the
	 * last two, may lie above high. */
	int32_t median, high;
	uint32_t samples;     /* how many jobs it rests on */
	enum rain_predict_basis basis;
	uint32_t confidence; /* percent: how often a job like that ran within `high` */
};

struct rain_predict;

struct rain_predict *rain_predict_create(void);
void rain_predict_destroy(struct rain_predict *predict);

/* A job has ended after `run` seconds. -1: no memory. */
int rain_predict_learn(struct rain_predict *predict, uint64_t user,
		       const struct rain_predict_shape *shape, int32_t run,
		       struct rain_error *err);

void rain_predict_job(const struct rain_predict *predict, uint64_t user,
		      const struct rain_predict_shape *shape, struct rain_prediction *prediction);

#endif
