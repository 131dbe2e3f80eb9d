/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_BROKER_SUBJECT_H
#define RAIN_FEDERATION_BROKER_SUBJECT_H

#include "federation/broker_slurm.h"

/* A job of ours as it is now, with what its comment says. */
struct rain_broker_subject {
	job_info_msg_t *msg;
	slurm_job_info_t *job;
	struct rain_burst burst;
	struct rain_broker_home home;
	bool has_home;
};

/* Reads the job and checks that it is a job that RAIN may touch, and the one
 * that is meant; `strictly`: not even a later run of it. 0, or -1 with err. */
int rain_broker_subject_load(const struct rain_broker_request *request, bool strictly,
			     struct rain_broker_subject *subject, struct rain_error *err);
void rain_broker_subject_release(struct rain_broker_subject *subject);

bool rain_broker_job_is_in(const slurm_job_info_t *job, const char *partition);
bool rain_broker_job_is_pending(const slurm_job_info_t *job);
/* A pending array is one record: the whole of its tasks that haven't begun.  True
 * while those are several; the last one is a job like any other. */
bool rain_broker_job_is_whole_array(const slurm_job_info_t *job);

/* Returns 0, or Slurm's error code. */
int rain_broker_job_update(job_desc_msg_t *desc);
/* … which says that the job has started or ended meanwhile. */
bool rain_broker_was_too_late(int code);

#endif
