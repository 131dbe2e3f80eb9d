/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "federation/broker_slurm.h"

/* rain-guest-guard makes the directory before the job and removes it, with the
 * agent's log in it, after. */
#define GUEST_LOG RAIN_SPOOLDIR "/guest/%j/agent.log"

static slurm_job_info_t *loan_find(struct rain_broker_slurm *slurm, const job_info_msg_t *jobs,
				   const char *loan)
{
	slurm_job_info_t *found = NULL;
	const char *name;

	for (uint32_t i = 0; i < jobs->record_count; i++) {
		slurm_job_info_t *job = &jobs->job_array[i];

		/* The newest, should there ever be two. */
		if (rain_broker_job_is_guest(slurm->config, job, &name) &&
		    strcmp(name, loan) == 0 && (!found || job->job_id > found->job_id))
			found = job;
	}
	return found;
}

static json_t *submitted_json(uint32_t job_id)
{
	return json_pack("{s:I}", "job_id", (json_int_t)job_id);
}

static void shape_fill(const struct rain_broker_request *request, job_desc_msg_t *desc)
{
	desc->min_nodes = request->nodes;
	desc->max_nodes = request->nodes;
	desc->num_tasks = request->tasks;
	desc->cpus_per_task = (uint16_t)request->cpus_per_task;
	desc->min_cpus = request->tasks * request->cpus_per_task;
	desc->bitflags |= JOB_NTASKS_SET | JOB_CPUS_SET;
	if (request->ntasks_per_node)
		desc->ntasks_per_node = (uint16_t)request->ntasks_per_node;
	desc->time_limit = request->minutes;
}

/* What sbatch would have put there, for the programs of the job; slurmd adds
 * the rest. */
struct environment {
	char text[4][64];
	char *items[9];
	uint32_t count;
};

static void environment_fill(struct environment *env, const struct rain_broker_request *request,
			     const struct passwd *guest)
{
	static char *const fixed[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8",
				      "HOME=/tmp", "SHELL=/bin/sh"};
	const int size = sizeof(env->text[0]);

	memset(env, 0, sizeof(*env));
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		env->items[env->count++] = fixed[i];
	snprintf(env->text[0], size, "USER=%s", guest->pw_name);
	env->items[env->count++] = env->text[0];
	snprintf(env->text[1], size, "LOGNAME=%s", guest->pw_name);
	env->items[env->count++] = env->text[1];
	snprintf(env->text[2], size, "SLURM_CPUS_PER_TASK=%u", request->cpus_per_task);
	if (request->cpus_per_task > 1)
		env->items[env->count++] = env->text[2];
	snprintf(env->text[3], size, "SLURM_NTASKS_PER_NODE=%u", request->ntasks_per_node);
	if (request->ntasks_per_node)
		env->items[env->count++] = env->text[3];
}

/* Everything that isn't a number comes from here or was checked to be a plain
 * word (federation/broker_check.h). */
static json_t *submit_now(struct rain_broker_slurm *slurm,
			  const struct rain_broker_request *request,
			  const struct passwd *guest, struct rain_error *err)
{
	char name[8 + RAIN_BROKER_LOAN_LENGTH];
	char script[256 + sizeof(RAIN_LIBEXECDIR) + RAIN_BROKER_AGENT_MAX];
	char comment[RAIN_BURST_PEER_SIZE + sizeof("guest of ")];
	char whose[RAIN_BURST_PEER_SIZE + sizeof("RAIN_PEER=")];
	char owner[RAIN_BROKER_OWNER_LENGTH + sizeof("RAIN_OWNER=")], *prolog[2];
	struct environment env;
	submit_response_msg_t *answer = NULL;
	job_desc_msg_t desc;
	json_t *result = NULL;

	snprintf(name, sizeof(name), "rain-%s", request->loan);
	snprintf(script, sizeof(script),
		 "#!/bin/sh\nexec " RAIN_LIBEXECDIR "/rain-agent --loan %s --gateway '%s'\n",
		 request->loan, request->agent);
	environment_fill(&env, request, guest);
	slurm_init_job_desc_msg(&desc);
	shape_fill(request, &desc);
	desc.name = name;
	desc.script = script;
	desc.partition = slurm->config->lend.partition;
	desc.user_id = guest->pw_uid;
	desc.group_id = guest->pw_gid;
	desc.priority = 0; /* held until the gateway has noted its number */
	desc.requeue = 0;  /* home owns retries */
	desc.work_dir = "/tmp";
	desc.std_in = "/dev/null";
	desc.std_out = GUEST_LOG;
	desc.std_err = GUEST_LOG;
	desc.environment = env.items;
	desc.env_size = env.count;
	if (request->peer[0]) {
		/* For people and rain-panel-jobs; and for the prolog's SPANK plugin. */
		snprintf(comment, sizeof(comment), "guest of %s", request->peer);
		snprintf(whose, sizeof(whose), "RAIN_PEER=%s", request->peer);
		desc.admin_comment = comment;
		prolog[desc.spank_job_env_size++] = whose;
	}
	if (request->owner[0]) {
		/* For rain-guest-guard, which keeps inputs by it. */
		snprintf(owner, sizeof(owner), "RAIN_OWNER=%s", request->owner);
		prolog[desc.spank_job_env_size++] = owner;
	}
	if (desc.spank_job_env_size > 0)
		desc.spank_job_env = prolog;
	if (slurm_submit_batch_job(&desc, &answer) != SLURM_SUCCESS || !answer) {
		rain_broker_slurm_error(err, "Slurm refuses the guest job", errno);
		rain_error_prefix(err, "loan %s", request->loan);
	} else {
		result = submitted_json(answer->job_id);
	}
	if (answer)
		slurm_free_submit_response_response_msg(answer);
	return result;
}

json_t *rain_broker_guest_submit(struct rain_broker_slurm *slurm,
				 const struct rain_broker_request *request,
				 struct rain_error *err)
{
	const job_info_msg_t *jobs = rain_broker_slurm_jobs(slurm, err);
	slurm_job_info_t *job;
	struct passwd *guest;
	uint32_t held;

	if (!jobs)
		return NULL;
	/* The same call again, after its answer was lost. */
	job = loan_find(slurm, jobs, request->loan);
	if (job)
		return submitted_json(job->job_id);
	held = rain_broker_guest_nodes(slurm->config, jobs);
	if ((int64_t)held + request->nodes > slurm->config->lend.bounds.max_nodes) {
		rain_error_set(err,
			       "guests may have %lld nodes and have %u: no room for %u more (lend.max-nodes in rain.conf)",
			       (long long)slurm->config->lend.bounds.max_nodes, held, request->nodes);
		return NULL;
	}
	guest = getpwuid(request->uid);
	if (!guest || guest->pw_gid == 0) {
		rain_error_set(err, "uid %u of the guest pool has no user (lend.guest-uid-min/max in rain.conf)",
			       request->uid);
		return NULL;
	}
	return submit_now(slurm, request, guest, err);
}

json_t *rain_broker_guest_find(struct rain_broker_slurm *slurm,
			       const struct rain_broker_request *request, struct rain_error *err)
{
	const job_info_msg_t *jobs = rain_broker_slurm_jobs(slurm, err);
	slurm_job_info_t *job = jobs ? loan_find(slurm, jobs, request->loan) : NULL;

	if (!jobs)
		return NULL;
	return json_pack("{s:o}", "job_id", job ? json_integer(job->job_id) : json_null());
}

/* Returns 1 with the guest's job, 0 when Slurm does not know it, -1 with err
 * when it is no guest's, or another guest's. */
static int guest_load(struct rain_broker_slurm *slurm, const struct rain_broker_request *request,
		      job_info_msg_t **msg, slurm_job_info_t **job, struct rain_error *err)
{
	int found = rain_broker_slurm_job(request->job_id, msg, job, err);
	const char *loan;

	if (found <= 0)
		return found;
	if (!rain_broker_job_is_guest(slurm->config, *job, &loan))
		rain_error_set(err, "job %u is no guest's", request->job_id);
	else if (request->loan[0] && strcmp(loan, request->loan) != 0)
		rain_error_set(err, "job %u belongs to the loan %s", request->job_id, loan);
	else
		return 1;
	slurm_free_job_info_msg(*msg);
	*msg = NULL;
	return -1;
}

json_t *rain_broker_guest_release(struct rain_broker_slurm *slurm,
				  const struct rain_broker_request *request,
				  struct rain_error *err)
{
	job_array_resp_msg_t *answer = NULL;
	job_info_msg_t *msg;
	slurm_job_info_t *job;
	job_desc_msg_t desc;
	bool held;

	switch (guest_load(slurm, request, &msg, &job, err)) {
	case 0:
		rain_error_set(err, "job %u isn't known to Slurm", request->job_id);
		return NULL;
	case -1:
		return NULL;
	}
	held = job->priority == 0 && (job->job_state & JOB_STATE_BASE) == JOB_PENDING;
	slurm_free_job_info_msg(msg);
	if (!held)
		return json_null();
	slurm_init_job_desc_msg(&desc);
	desc.job_id = request->job_id;
	desc.priority = INFINITE;
	if (slurm_update_job2(&desc, &answer) != SLURM_SUCCESS) {
		rain_broker_slurm_error(err, "can't release the guest job", errno);
		rain_error_prefix(err, "job %u", request->job_id);
		return NULL;
	}
	if (answer)
		slurm_free_job_array_resp(answer);
	return json_null();
}

json_t *rain_broker_guest_cancel(struct rain_broker_slurm *slurm,
				 const struct rain_broker_request *request,
				 struct rain_error *err)
{
	job_info_msg_t *msg;
	slurm_job_info_t *job;
	bool ended;

	switch (guest_load(slurm, request, &msg, &job, err)) {
	case 0:
		return json_null();
	case -1:
		return NULL;
	}
	ended = rain_broker_job_has_ended(job);
	slurm_free_job_info_msg(msg);
	/* As scancel does it: slurmctld sends SIGTERM first and SIGKILL after
	 * KillWait. */
	if (!ended && slurm_kill_job(request->job_id, SIGKILL, 0) != SLURM_SUCCESS &&
	    errno != ESLURM_ALREADY_DONE && errno != ESLURM_INVALID_JOB_ID) {
		rain_broker_slurm_error(err, "can't cancel the guest job", errno);
		rain_error_prefix(err, "job %u", request->job_id);
		return NULL;
	}
	return json_null();
}

json_t *rain_broker_guest_query(struct rain_broker_slurm *slurm,
				const struct rain_broker_request *request,
				struct rain_error *err)
{
	job_info_msg_t *msg;
	slurm_job_info_t *job;
	json_t *result;

	switch (guest_load(slurm, request, &msg, &job, err)) {
	case 0:
		return json_pack("{s:b}", "known", 0);
	case -1:
		return NULL;
	}
	result = json_pack("{s:b, s:s, s:s, s:b, s:b, s:I, s:I, s:I, s:o, s:s}", "known", 1, "state",
			   rain_broker_job_state(job), "reason", rain_broker_job_reason(job), "held",
			   job->priority == 0, "completing",
			   (job->job_state & JOB_COMPLETING) != 0, "start_time",
			   (json_int_t)job->start_time, "end_time", (json_int_t)job->end_time, "uid",
			   (json_int_t)job->user_id, "nodelist", rain_broker_text(job->nodes), "loan",
			   job->name + 5);
	if (result && rain_broker_job_exit(job, result) < 0) {
		json_decref(result);
		result = NULL;
	}
	slurm_free_job_info_msg(msg);
	return result;
}
