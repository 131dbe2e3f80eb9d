/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PLUGINS_JOBCOMP_RECORD_H
#define RAIN_PLUGINS_JOBCOMP_RECORD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"

/*
 * One ended run of a job, on its way from slurmctld to the ledger's spool.
 * A run is known by cluster, job, submit time and restart count.
 */

/* What slurmctld knows. Strings may be NULL; times are epoch seconds, 0: not
 * known. */
struct rain_jobcomp_run {
	uint32_t job_id;
	uint32_t array_job_id;	/* 0: no array */
	int64_t array_task_id;	/* -1: no array */
	uint32_t het_job_id;	/* 0: none */
	uint32_t restart;
	uid_t uid;
	gid_t gid;
	int exit_code, exit_signal;
	int64_t submit, eligible, start, end;
	int64_t suspended; /* seconds of the run spent suspended */
	uint32_t node_count, cpus;
	const char *cluster;
	const char *account;
	const char *partition;
	const char *qos;
	const char *name;
	const char *state;
	const char *nodes; /* "node[1-4]" */
	const char *tres;
	const char *admin_comment;
};

/* A copy of a run in one piece of memory. */
struct rain_jobcomp_record {
	struct rain_jobcomp_record *next;
	size_t size; /* bytes in memory */
	struct rain_jobcomp_run run;
	char strings[];
};

/* The caller frees it with free(). NULL when out of memory. */
struct rain_jobcomp_record *rain_jobcomp_record_create(const struct rain_jobcomp_run *run);

/* The record as one line of JSON; `user` and `group` are the names of uid and
 * gid (NULL: unknown, written as the number). The caller frees it. */
char *rain_jobcomp_record_encode(const struct rain_jobcomp_run *run, const char *user,
				 const char *group, struct rain_error *err);

#endif
