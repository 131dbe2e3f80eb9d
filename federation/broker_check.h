/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_BROKER_CHECK_H
#define RAIN_FEDERATION_BROKER_CHECK_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "federation/options.h"

/*
 * What rain-brokerd can be asked for.  The gateway faces the Internet, so
 * nothing that it says is trusted: every field is bounded here, before any
 * code that can touch Slurm sees it, and all that remains possible is in
 * struct rain_broker_request.  Pure: no I/O, no Slurm.
 *
 *   queue          {after?, limit?}
 *   capacity       {}
 *   split          {job_id, submit_time, tasks}
 *   load           {after?, ended_after?}
 *   bind           {job_id, submit_time, feature}
 *   unbind         {job_id, submit_time, partition?, features?, held?}
 *   clock          {job_id, submit_time, seconds}
 *   end            {job_id, submit_time, as: "timeout" or "out_of_memory"}
 *   annotate       {job_id, submit_time?, text}
 *   guest_submit   {loan, uid, nodes, tasks, cpus_per_task?, ntasks_per_node?,
 *                   minutes, agent_url?, peer?, owner?}
 *   guest_find     {loan}
 *   guest_release  {job_id, loan?}
 *   guest_cancel   {job_id, loan?}
 *   guest_query    {job_id, loan?}
 *   map            {uid}
 *
 * submit_time and loan tell whether a job id still means the same job.
 */
enum rain_broker_op {
	RAIN_BROKER_QUEUE,
	RAIN_BROKER_CAPACITY,
	RAIN_BROKER_SPLIT,
	RAIN_BROKER_LOAD,
	RAIN_BROKER_BIND,
	RAIN_BROKER_UNBIND,
	RAIN_BROKER_CLOCK,
	RAIN_BROKER_END,
	RAIN_BROKER_ANNOTATE,
	RAIN_BROKER_GUEST_SUBMIT,
	RAIN_BROKER_GUEST_FIND,
	RAIN_BROKER_GUEST_RELEASE,
	RAIN_BROKER_GUEST_CANCEL,
	RAIN_BROKER_GUEST_QUERY,
	RAIN_BROKER_MAP,
	RAIN_BROKER_OP_COUNT
};

/* "queue", "bind", … */
const char *rain_broker_op_name(enum rain_broker_op op);

#define RAIN_BROKER_PARTITION_MAX 256
#define RAIN_BROKER_FEATURES_MAX 512
#define RAIN_BROKER_AGENT_MAX 255
#define RAIN_BROKER_LOAN_LENGTH 36 /* a UUID in small letters */
#define RAIN_BROKER_OWNER_LENGTH 64 /* hexadecimal, small letters */
#define RAIN_BROKER_QUEUE_LIMIT 1000
#define RAIN_BROKER_SPLIT_MAX 64
/* Slurm's own bound of job ids within a federation's bits. */
#define RAIN_BROKER_JOB_ID_MAX INT64_C(0xfffffff0)

/* One checked request; plain data, so that it can be handed to the process
 * that talks to Slurm as it is.  Fields that the operation has not are zero. */
struct rain_broker_request {
	enum rain_broker_op op;
	uint32_t job_id;
	int64_t submit_time; /* seconds since the epoch; 0: not given */
	uint32_t after;	     /* queue, load: only jobs with a larger id */
	int64_t ended_after; /* load: of ended jobs those that ended then or later */
	uint32_t limit;	     /* queue: at most so many */
	char feature[RAIN_BURST_PEER_SIZE];
	bool home_given; /* unbind: the caller told where home is */
	char partition[RAIN_BROKER_PARTITION_MAX + 1];
	char features[RAIN_BROKER_FEATURES_MAX + 1];
	bool held;
	uint32_t seconds;   /* clock: that the job may still run */
	bool out_of_memory; /* end: not for the time limit */
	char text[RAIN_BURST_SENTENCE_MAX + 1];
	char loan[RAIN_BROKER_LOAN_LENGTH + 1]; /* "": not given */
	uint32_t uid;
	uint32_t nodes, tasks, cpus_per_task, minutes; /* split: tasks of the array */
	uint32_t ntasks_per_node; /* 0: any */
	char agent[RAIN_BROKER_AGENT_MAX + 1]; /* HOST:PORT */
	char peer[RAIN_BURST_PEER_SIZE]; /* whose guest it is; "": not given */
	char owner[RAIN_BROKER_OWNER_LENGTH + 1]; /* peer and user as one word; "": not given */
};

/* What the owner allows; borrowed from the configuration. */
struct rain_broker_limits {
	const char *overflow_partition;
	const char *guest_partition;
	bool lend; /* guests are welcome */
	int64_t max_nodes, max_minutes;
	uint32_t guest_uid_min, guest_uid_max;
	const char *agent; /* HOST:PORT for guest_submit without agent_url */
};

/* Checks a request of the given operation. Returns 0 and fills *checked, or -1
 * with err naming the field, what was found and what is allowed. */
int rain_broker_check(enum rain_broker_op op, const json_t *request,
		      const struct rain_broker_limits *limits,
		      struct rain_broker_request *checked, struct rain_error *err);

/* True for "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", hexadecimal, small letters. */
bool rain_broker_loan_is_valid(const char *text);

/* True for a partition or a comma-separated list of them, as Slurm names them. */
bool rain_broker_partition_is_valid(const char *text);

/* True for a constraint ("", "gpu&fast", "[rack1|rack2]*2") that can be kept in
 * the job's record of its home. */
bool rain_broker_features_is_valid(const char *text);

#endif
