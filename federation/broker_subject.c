/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/broker_subject.h"

#include <errno.h>
#include <string.h>

void rain_broker_subject_release(struct rain_broker_subject *subject)
{
	if (subject->msg)
		slurm_free_job_info_msg(subject->msg);
	subject->msg = NULL;
}

/* A requeue gives a job a new submit time, but the same job it is; a job of a
 * controller that lost its state starts without restarts. */
static bool submit_time_fits(const slurm_job_info_t *job, int64_t submit_time, bool strictly)
{
	if (submit_time == 0 || submit_time == (int64_t)job->submit_time)
		return true;
	return !strictly && job->restart_cnt > 0 && (int64_t)job->submit_time > submit_time;
}

int rain_broker_subject_load(const struct rain_broker_request *request, bool strictly,
			struct rain_broker_subject *subject, struct rain_error *err)
{
	unsigned id = request->job_id;
	int found;

	memset(subject, 0, sizeof(*subject));
	found = rain_broker_slurm_job(request->job_id, &subject->msg, &subject->job, err);
	if (found < 0)
		return rain_error_prefix(err, "job %u", id);
	if (found == 0)
		return rain_error_set(err, "job %u isn't known to Slurm", id);
	if (!submit_time_fits(subject->job, request->submit_time, strictly)) {
		rain_error_set(err, "job %u isn't the one that is meant: it was submitted at %lld", id,
			       (long long)subject->job->submit_time);
		goto refuse;
	}
	found = rain_burst_tag_read(subject->job->admin_comment, &subject->burst, NULL, NULL, err);
	if (found < 0)
		goto prefix;
	if (found == 0 || subject->burst.mode == RAIN_BURST_NEVER) {
		rain_error_set(err, "job %u may not overflow: its user did not ask for it", id);
		goto refuse;
	}
	found = rain_broker_home_read(subject->job->admin_comment, &subject->home, err);
	if (found < 0)
		goto prefix;
	subject->has_home = found == 1;
	return 0;
prefix:
	rain_error_prefix(err, "job %u", id);
refuse:
	rain_broker_subject_release(subject);
	return -1;
}

bool rain_broker_job_is_in(const slurm_job_info_t *job, const char *partition)
{
	return job->partition && strcmp(job->partition, partition) == 0;
}

bool rain_broker_job_is_pending(const slurm_job_info_t *job)
{
	return (job->job_state & JOB_STATE_BASE) == JOB_PENDING;
}

int rain_broker_job_update(job_desc_msg_t *desc)
{
	job_array_resp_msg_t *answer = NULL;
	int code = 0;

	if (slurm_update_job2(desc, &answer) != SLURM_SUCCESS)
		code = errno ? errno : SLURM_ERROR;
	if (answer)
		slurm_free_job_array_resp(answer);
	return code;
}

bool rain_broker_was_too_late(int code)
{
	return code == ESLURM_JOB_NOT_PENDING || code == ESLURM_JOB_FINISHED ||
	       code == ESLURM_ALREADY_DONE;
}
