/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The time limit of a job in the overflow partition, and ends that only Slurm can
 * give it. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "federation/broker_subject.h"

/* slurmctld's own word for a step that was killed for its memory (SIG_OOM). */
#define OUT_OF_MEMORY 253

/* Reads a job that runs on virtual nodes. 1, or 0 when it doesn't (any more), -1
 * with err. */
static int away_load(struct rain_broker_slurm *slurm, const struct rain_broker_request *request,
		     struct rain_broker_subject *subject, struct rain_error *err)
{
	const char *overflow = slurm->config->gateway.overflow_partition;

	if (rain_broker_subject_load(request, true, subject, err) < 0)
		return -1;
	if (subject->has_home && rain_broker_job_is_in(subject->job, overflow) &&
	    (subject->job->job_state & JOB_STATE_BASE) == JOB_RUNNING)
		return 1;
	rain_broker_subject_release(subject);
	return 0;
}

static int end_time_set(uint32_t job_id, time_t when, struct rain_error *err)
{
	job_desc_msg_t desc;
	int code;

	slurm_init_job_desc_msg(&desc);
	desc.job_id = job_id;
	desc.end_time = when;
	code = rain_broker_job_update(&desc);
	if (code == 0 || code == ESLURM_JOB_NOT_RUNNING || rain_broker_was_too_late(code))
		return 0;
	rain_broker_slurm_error(err, "can't set the end of the job", code);
	return rain_error_prefix(err, "job %u", job_id);
}

json_t *rain_broker_clock(struct rain_broker_slurm *slurm,
			  const struct rain_broker_request *request, struct rain_error *err)
{
	struct rain_broker_subject subject;
	int found = away_load(slurm, request, &subject, err);

	if (found <= 0)
		return found < 0 ? NULL : json_null();
	rain_broker_subject_release(&subject);
	found = end_time_set(request->job_id, time(NULL) + (time_t)request->seconds, err);
	return found < 0 ? NULL : json_null();
}

json_t *rain_broker_end(struct rain_broker_slurm *slurm,
			const struct rain_broker_request *request, struct rain_error *err)
{
	struct rain_broker_subject subject;
	int found = away_load(slurm, request, &subject, err);
	time_t end, now = time(NULL);

	if (found <= 0)
		return found < 0 ? NULL : json_pack("{s:b}", "ended", 1);
	/* A job that completes behind its end has timed out, to slurmctld. */
	end = request->out_of_memory ? 0 : subject.job->end_time;
	rain_broker_subject_release(&subject);
	if (end > now && end_time_set(request->job_id, now, err) < 0)
		return NULL;
	if (end >= now)
		return json_pack("{s:b}", "ended", 0); /* ask again in a second */
	if (slurm_complete_job(request->job_id, request->out_of_memory ? OUT_OF_MEMORY : 0) == SLURM_SUCCESS ||
	    errno == ESLURM_ALREADY_DONE || errno == ESLURM_INVALID_JOB_ID)
		return json_pack("{s:b}", "ended", 1);
	rain_broker_slurm_error(err, "can't end the job", errno);
	rain_error_prefix(err, "job %u", request->job_id);
	return NULL;
}
