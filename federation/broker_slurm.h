/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_BROKER_SLURM_H
#define RAIN_FEDERATION_BROKER_SLURM_H

#include <jansson.h>
#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>

#include "common/config.h"
#include "common/error.h"
#include "federation/broker_check.h"
#include "federation/broker_home.h"

/*
 * The broker's hand on Slurm.  Runs in the worker process only: libslurm may
 * wait for long and ends its process on some errors.
 */
struct rain_broker_slurm {
	const struct rain_config *config;
	job_info_msg_t *jobs; /* what the last load brought; see rain_broker_slurm_jobs */
	uint32_t controllers; /* slurmctld and its backups; 0: not known yet */
};

void rain_broker_slurm_init(struct rain_broker_slurm *slurm, const struct rain_config *config);
void rain_broker_slurm_release(struct rain_broker_slurm *slurm);

/* Does one checked request. Returns its result (a new reference), or NULL with
 * err. */
json_t *rain_broker_slurm_do(struct rain_broker_slurm *slurm,
			     const struct rain_broker_request *request, struct rain_error *err);

/* --- Shared by the parts of the hand. --- */

/* Every job that slurmctld knows, borrowed until the next load. Costs next to
 * nothing when no job has changed since. NULL with err. */
const job_info_msg_t *rain_broker_slurm_jobs(struct rain_broker_slurm *slurm,
					     struct rain_error *err);

/* The same, whatever is known: when and where a waiting job is planned to start changes
 * without a sign. */
const job_info_msg_t *rain_broker_slurm_jobs_anew(struct rain_broker_slurm *slurm,
						  struct rain_error *err);

/* One job as it is now. Returns 1 and *job, which lives until *msg is freed by
 * slurm_free_job_info_msg(); 0 when Slurm does not know it (*msg is NULL); -1
 * with err. */
int rain_broker_slurm_job(uint32_t job_id, job_info_msg_t **msg, slurm_job_info_t **job,
			  struct rain_error *err);

/* Says what failed and why, from Slurm's errno. Returns -1. */
int rain_broker_slurm_error(struct rain_error *err, const char *what, int code);

/* "PENDING", "RUNNING", … without the flags. */
const char *rain_broker_job_state(const slurm_job_info_t *job);
/* "Resources", "JobHeldUser", … as squeue says it. */
const char *rain_broker_job_reason(const slurm_job_info_t *job);
bool rain_broker_job_has_ended(const slurm_job_info_t *job);

/* True when the job was submitted by the broker for a guest; *loan (may be
 * NULL) is borrowed from the job. */
bool rain_broker_job_is_guest(const struct rain_config *config, const slurm_job_info_t *job,
			      const char **loan);

/* Takes jobs now, or will when what it has is done. */
bool rain_broker_node_is_up(const node_info_t *node);
/* `index`: of the node in Slurm's table of nodes. */
bool rain_broker_partition_has(const partition_info_t *partition, int32_t index);
bool rain_broker_partitions_overlap(const partition_info_t *a, const partition_info_t *b);

/* Nodes that guests hold or are about to. */
uint32_t rain_broker_guest_nodes(const struct rain_config *config, const job_info_msg_t *jobs);

/* Exit code and signal of an ended job: {"exit_code":3,"exit_signal":0}, both
 * null before its end. 0 or -1 (no memory). */
int rain_broker_job_exit(const slurm_job_info_t *job, json_t *object);

/* A JSON string whatever the bytes are: what is no UTF-8 becomes '?', and
 * RAIN_BROKER_TEXT_MAX bytes are enough. NULL is "". */
#define RAIN_BROKER_TEXT_MAX 8192
json_t *rain_broker_text(const char *text);

typedef json_t *(*rain_broker_slurm_op)(struct rain_broker_slurm *slurm,
					const struct rain_broker_request *request,
					struct rain_error *err);

json_t *rain_broker_queue(struct rain_broker_slurm *slurm,
			  const struct rain_broker_request *request, struct rain_error *err);
json_t *rain_broker_capacity(struct rain_broker_slurm *slurm,
			     const struct rain_broker_request *request, struct rain_error *err);
json_t *rain_broker_split(struct rain_broker_slurm *slurm,
			  const struct rain_broker_request *request, struct rain_error *err);
json_t *rain_broker_load(struct rain_broker_slurm *slurm,
			 const struct rain_broker_request *request, struct rain_error *err);
json_t *rain_broker_bind(struct rain_broker_slurm *slurm,
			 const struct rain_broker_request *request, struct rain_error *err);
json_t *rain_broker_unbind(struct rain_broker_slurm *slurm,
			   const struct rain_broker_request *request, struct rain_error *err);
json_t *rain_broker_clock(struct rain_broker_slurm *slurm,
			  const struct rain_broker_request *request, struct rain_error *err);
json_t *rain_broker_end(struct rain_broker_slurm *slurm,
			const struct rain_broker_request *request, struct rain_error *err);
json_t *rain_broker_annotate(struct rain_broker_slurm *slurm,
			     const struct rain_broker_request *request, struct rain_error *err);
json_t *rain_broker_guest_submit(struct rain_broker_slurm *slurm,
				 const struct rain_broker_request *request,
				 struct rain_error *err);
json_t *rain_broker_guest_find(struct rain_broker_slurm *slurm,
			       const struct rain_broker_request *request, struct rain_error *err);
json_t *rain_broker_guest_release(struct rain_broker_slurm *slurm,
				  const struct rain_broker_request *request,
				  struct rain_error *err);
json_t *rain_broker_guest_cancel(struct rain_broker_slurm *slurm,
				 const struct rain_broker_request *request,
				 struct rain_error *err);
json_t *rain_broker_guest_query(struct rain_broker_slurm *slurm,
				const struct rain_broker_request *request,
				struct rain_error *err);

#endif
