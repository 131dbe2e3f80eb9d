/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "common/clock.h"
#include "federation/broker_subject.h"

/* How long unbind waits for the end of the run that it took back. */
#define ENDING_PATIENCE_MS 3000
#define ENDING_POLL_MS 50
/* Files may take that long to get to the peer: the job's own time begins there, and
 * then its end is set (clock). */
#define STAGING_MINUTES 60

/* --- bind --- */

static bool peer_is_wanted(const struct rain_burst *burst, const char *peer)
{
	for (size_t i = 0; i < burst->peer_count; i++)
		if (strcmp(burst->peers[i], peer) == 0)
			return true;
	return burst->peer_count == 0;
}

static const char *features_of(const slurm_job_info_t *job)
{
	return job->features ? job->features : "";
}

/* Refuses what can't be moved, or not be moved back. */
static int bind_check(const struct rain_broker_subject *subject, const struct rain_broker_request *request,
		      const struct rain_config *config, struct rain_error *err)
{
	const slurm_job_info_t *job = subject->job;
	unsigned id = request->job_id;

	if (!rain_broker_job_is_pending(job))
		return rain_error_set(err, "job %u is not pending: it is %s", id,
				      rain_broker_job_state(job));
	if (job->job_state & JOB_COMPLETING)
		return rain_error_set(err, "job %u is not pending: its former run is still ending",
				      id);
	if (rain_broker_job_is_whole_array(job))
		return rain_error_set(err, "job %u is an array of several tasks: they go one by one", id);
	if (job->het_job_id)
		return rain_error_set(err, "job %u is part of a heterogeneous job", id);
	if (!peer_is_wanted(&subject->burst, request->feature))
		return rain_error_set(err, "the user of job %u doesn't allow the peer %s", id,
				      request->feature);
	if (rain_broker_job_is_in(job, config->gateway.overflow_partition) || rain_broker_job_is_in(job, config->lend.partition))
		return rain_error_set(err, "job %u is in the partition %s already, without a home", id,
				      job->partition);
	if (job->priority == 0 && subject->burst.mode != RAIN_BURST_ONLY)
		return rain_error_set(err, "job %u is held", id);
	if (!job->partition || !rain_broker_partition_is_valid(job->partition) ||
	    !rain_broker_features_is_valid(features_of(job)))
		return rain_error_set(err,
				      "the partition or the constraint of job %u can't be kept: too long or with unusual characters",
				      id);
	return 0;
}

static json_t *bind_json(const struct rain_broker_subject *subject, const struct rain_broker_home *home)
{
	return json_pack("{s:I, s:I, s:s, s:s, s:b}", "job_id", (json_int_t)subject->job->job_id,
			 "submit_time", (json_int_t)subject->job->submit_time, "partition",
			 home->partition, "features", home->features, "held", home->held);
}

/* An update may fail halfway (an unknown feature, with the partition changed
 * already): then the job goes back to where it was. */
static void bind_undo(const struct rain_broker_subject *subject, const struct rain_broker_home *home)
{
	job_desc_msg_t desc;

	slurm_init_job_desc_msg(&desc);
	desc.job_id = subject->job->job_id;
	desc.partition = (char *)home->partition;
	desc.features = (char *)home->features;
	if (home->minutes)
		desc.time_limit = home->minutes;
	desc.admin_comment = subject->job->admin_comment;
	if (home->held) {
		desc.priority = 0;
		desc.alloc_sid = ALLOC_SID_USER_HOLD;
	}
	rain_broker_job_update(&desc);
}

static json_t *bind_now(const struct rain_broker_subject *subject, const struct rain_broker_request *request,
			const struct rain_config *config, struct rain_error *err)
{
	struct rain_broker_home home = {.held = subject->job->priority == 0};
	job_desc_msg_t desc;
	char *comment;
	int code;

	strcpy(home.partition, subject->job->partition);
	strcpy(home.features, features_of(subject->job));
	if (subject->job->time_limit != INFINITE && subject->job->time_limit != NO_VAL)
		home.minutes = subject->job->time_limit;
	comment = rain_broker_home_write(subject->job->admin_comment, &home, err);
	if (!comment)
		return NULL;
	slurm_init_job_desc_msg(&desc);
	desc.job_id = request->job_id;
	desc.partition = config->gateway.overflow_partition;
	if (home.minutes)
		desc.time_limit = home.minutes + STAGING_MINUTES;
	desc.features = (char *)request->feature;
	desc.admin_comment = comment;
	if (home.held)
		desc.priority = INFINITE; /* releases */
	code = rain_broker_job_update(&desc);
	free(comment);
	if (code == 0)
		return bind_json(subject, &home);
	if (rain_broker_was_too_late(code)) {
		rain_error_set(err, "job %u is not pending: it has started meanwhile",
			       request->job_id);
		return NULL;
	}
	bind_undo(subject, &home);
	rain_broker_slurm_error(err, "can't move the job to the overflow partition", code);
	rain_error_prefix(err, "job %u", request->job_id);
	return NULL;
}

json_t *rain_broker_bind(struct rain_broker_slurm *slurm,
			 const struct rain_broker_request *request, struct rain_error *err)
{
	const char *overflow = slurm->config->gateway.overflow_partition;
	struct rain_broker_subject subject;
	json_t *result = NULL;

	if (rain_broker_subject_load(request, true, &subject, err) < 0)
		return NULL;
	/* The same call again, after its answer was lost. */
	if (subject.has_home && rain_broker_job_is_in(subject.job, overflow) &&
	    !rain_broker_job_has_ended(subject.job) &&
	    strcmp(features_of(subject.job), request->feature) == 0)
		result = bind_json(&subject, &subject.home);
	else if (subject.has_home && rain_broker_job_is_in(subject.job, overflow))
		rain_error_set(err, "job %u is bound to %s already", request->job_id,
			       features_of(subject.job));
	else if (bind_check(&subject, request, slurm->config, err) == 0)
		result = bind_now(&subject, request, slurm->config, err);
	rain_broker_subject_release(&subject);
	return result;
}

/* --- unbind --- */

enum way_home {
	HOME_AGAIN, /* look again: something changed under our hands */
	HOME_ENDING, /* its run on the virtual nodes is still ending */
	HOME_DONE,
	HOME_FAILED,
};

static int home_check(const struct rain_broker_subject *subject, const struct rain_broker_request *request,
		      struct rain_error *err)
{
	const struct rain_broker_home *home = &subject->home;

	if (!request->home_given ||
	    (strcmp(home->partition, request->partition) == 0 &&
	     strcmp(home->features, request->features) == 0 && home->held == request->held))
		return 0;
	return rain_error_set(err,
			      "the home of job %u is another: partition %s, features \"%s\", %s",
			      request->job_id, home->partition, home->features,
			      home->held ? "held" : "not held");
}

static enum way_home run_take_back(const struct rain_broker_subject *subject, struct rain_error *err)
{
	unsigned id = subject->job->job_id;
	int code;

	if (slurm_requeue(subject->job->job_id, 0) == SLURM_SUCCESS)
		return HOME_AGAIN;
	code = errno;
	switch (code) {
	case ESLURM_JOB_PENDING:
	case ESLURM_TRANSITION_STATE_NO_UPDATE:
		return HOME_AGAIN;
	case ESLURM_BATCH_ONLY:
		rain_error_set(err, "job %u has started on %s and is no batch job: Slurm can't requeue it",
			       id, features_of(subject->job));
		return HOME_FAILED;
	case ESLURM_DISABLED:
		rain_error_set(err, "job %u has started on %s and may not be requeued (--no-requeue)",
			       id, features_of(subject->job));
		return HOME_FAILED;
	default:
		rain_broker_slurm_error(err, "can't requeue the job", code);
		rain_error_prefix(err, "job %u", id);
		return HOME_FAILED;
	}
}

/* While a taken-back run is ending, only the way home is set: at its very end
 * slurmctld delays the next start by minutes, so the start time comes last,
 * and the record of the home stays until then to tell that it is due. */
static enum way_home pending_send(const struct rain_broker_subject *subject, bool last_step,
				  struct rain_error *err)
{
	const struct rain_broker_home *home = &subject->home;
	const slurm_job_info_t *job = subject->job;
	bool is_home = rain_broker_job_is_in(job, home->partition);
	job_desc_msg_t desc;
	char *comment = NULL;
	int code;

	slurm_init_job_desc_msg(&desc);
	desc.job_id = job->job_id;
	if (!is_home) {
		desc.partition = (char *)home->partition;
		desc.features = (char *)home->features;
		if (home->minutes)
			desc.time_limit = home->minutes;
		if (home->held) {
			desc.priority = 0;
			desc.alloc_sid = ALLOC_SID_USER_HOLD;
		}
	}
	if (last_step) {
		comment = rain_broker_home_write(job->admin_comment, NULL, err);
		if (!comment)
			return HOME_FAILED;
		desc.admin_comment = comment;
		/* A job that never ran keeps the begin time that its user gave. */
		if (job->restart_cnt > 0)
			desc.begin_time = time(NULL);
	}
	code = rain_broker_job_update(&desc);
	free(comment);
	if (code == 0)
		return last_step ? HOME_DONE : HOME_AGAIN;
	if (rain_broker_was_too_late(code))
		return HOME_AGAIN;
	rain_broker_slurm_error(err, "can't put the job back into its partition", code);
	rain_error_prefix(err, "job %u", job->job_id);
	return HOME_FAILED;
}

/* It has started at home before its record was gone. */
static enum way_home record_remove(const struct rain_broker_subject *subject, struct rain_error *err)
{
	char *comment = rain_broker_home_write(subject->job->admin_comment, NULL, err);
	job_desc_msg_t desc;
	int code;

	if (!comment)
		return HOME_FAILED;
	slurm_init_job_desc_msg(&desc);
	desc.job_id = subject->job->job_id;
	desc.admin_comment = comment;
	code = rain_broker_job_update(&desc);
	free(comment);
	if (code == 0 || rain_broker_was_too_late(code))
		return HOME_DONE;
	rain_broker_slurm_error(err, "can't write the comment of the job", code);
	return HOME_FAILED;
}

/* A controller that is killed may forget that the run was taken back, but not its end by
 * the signal that came of it. On the way home nothing else ends a job so. */
static bool requeue_was_forgotten(const slurm_job_info_t *job)
{
	return (job->job_state & JOB_STATE_BASE) == JOB_FAILED && WIFSIGNALED((int)job->exit_code) &&
	       WTERMSIG((int)job->exit_code) == SIGTERM;
}

/* One step on the way home, decided by what the job is now, so that it can be
 * taken up again after any break. */
static enum way_home step_home(const struct rain_broker_subject *subject,
			       const struct rain_broker_request *request,
			       const struct rain_config *config, struct rain_error *err)
{
	const slurm_job_info_t *job = subject->job;
	bool is_home = !rain_broker_job_is_in(job, config->gateway.overflow_partition);

	if (!subject->has_home) {
		if (is_home)
			return HOME_DONE;
		rain_error_set(err, "job %u is in the partition %s without a record of its home",
			       request->job_id, job->partition);
		return HOME_FAILED;
	}
	if (home_check(subject, request, err) < 0)
		return HOME_FAILED;
	if (rain_broker_job_has_ended(job)) {
		if (!is_home && requeue_was_forgotten(job) && run_take_back(subject, err) == HOME_AGAIN)
			return HOME_AGAIN;
		rain_error_set(err, "job %u has ended: %s", request->job_id,
			       rain_broker_job_state(job));
		return HOME_FAILED;
	}
	if (!rain_broker_job_is_pending(job))
		return is_home ? record_remove(subject, err) : run_take_back(subject, err);
	if (!(job->job_state & JOB_COMPLETING))
		return pending_send(subject, true, err);
	return is_home ? HOME_ENDING : pending_send(subject, false, err);
}

static json_t *unbind_json(const struct rain_broker_subject *subject)
{
	return json_pack("{s:I, s:I, s:I, s:s, s:s}", "job_id",
			 (json_int_t)subject->job->job_id, "submit_time",
			 (json_int_t)subject->job->submit_time, "restart",
			 (json_int_t)subject->job->restart_cnt, "partition",
			 subject->job->partition ? subject->job->partition : "", "state",
			 rain_broker_job_state(subject->job));
}

json_t *rain_broker_unbind(struct rain_broker_slurm *slurm,
			   const struct rain_broker_request *request, struct rain_error *err)
{
	const struct timespec poll_time = {.tv_nsec = ENDING_POLL_MS * 1000000L};
	int64_t until = rain_clock_monotonic_ms() + ENDING_PATIENCE_MS;
	enum way_home way = HOME_AGAIN;
	struct rain_broker_subject subject;
	json_t *result = NULL;

	while (way != HOME_DONE && way != HOME_FAILED) {
		if (rain_clock_monotonic_ms() > until) {
			rain_error_set(err,
				       "job %u is back in its partition, but its run is still ending: ask again",
				       request->job_id);
			return NULL;
		}
		/* slurmctld tells nobody when a run has ended. */
		if (way == HOME_ENDING)
			nanosleep(&poll_time, NULL);
		if (rain_broker_subject_load(request, false, &subject, err) < 0)
			return NULL;
		way = step_home(&subject, request, slurm->config, err);
		rain_broker_subject_release(&subject);
	}
	if (way == HOME_FAILED || rain_broker_subject_load(request, false, &subject, err) < 0)
		return NULL;
	result = unbind_json(&subject);
	rain_broker_subject_release(&subject);
	return result;
}

/* --- annotate --- */

json_t *rain_broker_annotate(struct rain_broker_slurm *slurm,
			     const struct rain_broker_request *request, struct rain_error *err)
{
	struct rain_broker_subject subject;
	job_desc_msg_t desc;
	char *comment;
	int code = 0;

	(void)slurm;
	if (rain_broker_subject_load(request, false, &subject, err) < 0)
		return NULL;
	comment = rain_burst_tag_write(subject.job->admin_comment, &subject.burst, request->text,
				       err);
	if (comment && strcmp(comment, subject.job->admin_comment) != 0) {
		slurm_init_job_desc_msg(&desc);
		desc.job_id = request->job_id;
		desc.admin_comment = comment;
		code = rain_broker_job_update(&desc);
	}
	rain_broker_subject_release(&subject);
	if (!comment)
		return NULL;
	free(comment);
	if (code == 0)
		return json_null();
	if (rain_broker_was_too_late(code))
		rain_error_set(err, "job %u has ended: Slurm changes no comment then",
			       request->job_id);
	else {
		rain_broker_slurm_error(err, "can't write the comment of the job", code);
		rain_error_prefix(err, "job %u", request->job_id);
	}
	return NULL;
}
