/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_RECORD_H
#define RAIN_ACCOUNTING_RECORD_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "accounting/segment.h"
#include "common/error.h"

/*
 * The record of one ended job run, as jobcomp_rain writes it to the spool: one
 * JSON object (accounting/segment.h tells how they lie there).  Pure.
 *
 *   {"v":1, "cluster", "job_id", "array_job_id", "array_task_id", "het_job_id",
 *    "restart", "uid", "user", "group", "account", "partition", "qos", "name",
 *    "state", "exit_code", "exit_signal", "submit", "eligible", "start", "end",
 *    "suspended", "nodes", "node_count", "cpus", "tres", "admin_comment"}
 *
 * Times are seconds since the epoch, "suspended" (optional) seconds of the run;
 * start 0, or no nodes: it never ran.
 */
#define RAIN_RECORD_VERSION 1
#define RAIN_RECORD_SIZE_MAX RAIN_SEGMENT_RECORD_MAX
/* slurmctld accepts no longer name of a job, account, partition or QOS. */
#define RAIN_RECORD_TEXT_MAX 1024
#define RAIN_RECORD_NODES_MAX 16384

struct rain_record {
	json_t *json; /* owns the strings below */
	const char *cluster, *user, *account, *partition, *qos, *name, *state, *nodes;
	const char *tres; /* "cpu=16,mem=64000M"; "" when it isn't known */
	int64_t job_id, submit, restart; /* with the cluster: which run it is */
	int64_t array_job_id, array_task_id, het_job_id; /* -1: none */
	int64_t exit_code, exit_signal;
	int64_t start, end; /* both the end's time when it never ran */
	int64_t node_count, cpus;
	int64_t run_ms;	 /* that it ran: suspended time is free */
	int64_t core_ms; /* cpus x time that they ran, likewise */
};

/* Where a run took place, which tells who pays. */
enum rain_record_place {
	RAIN_PLACE_HOME,     /* own user, own nodes: the home rate */
	RAIN_PLACE_OVERFLOW, /* own user, a peer's nodes: the burst's hold pays */
	RAIN_PLACE_GUEST,    /* a peer's job: the peer's hold pays */
};

/* Reads a record of `size` bytes. -1 with err when it is no JSON, a field is
 * missing or out of bounds, or it ended before it started. After success the
 * caller releases it. */
int rain_record_parse(struct rain_record *record, const char *text, size_t size,
		      struct rain_error *err);

/* An all-zero record is fine. */
void rain_record_release(struct rain_record *record);

enum rain_record_place rain_record_place(const struct rain_record *record,
					 const char *overflow_partition,
					 const char *guest_partition);

/* What ledger.job_runs_record takes for this run (a new reference; NULL: no
 * memory).  `price` in micro-tokens. */
json_t *rain_record_to_run(const struct rain_record *record, enum rain_record_place place,
			   int64_t price);

#endif
