/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/broker_slurm.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>

/* Slurm's numbers are stable within an ABI; where a later version adds some,
 * they are shown by number. */
static const char *const state_names[] = {
	[JOB_PENDING] = "PENDING",	   [JOB_RUNNING] = "RUNNING",
	[JOB_SUSPENDED] = "SUSPENDED",	   [JOB_COMPLETE] = "COMPLETED",
	[JOB_CANCELLED] = "CANCELLED",	   [JOB_FAILED] = "FAILED",
	[JOB_TIMEOUT] = "TIMEOUT",	   [JOB_NODE_FAIL] = "NODE_FAIL",
	[JOB_PREEMPTED] = "PREEMPTED",	   [JOB_BOOT_FAIL] = "BOOT_FAIL",
	[JOB_DEADLINE] = "DEADLINE",	   [JOB_OOM] = "OUT_OF_MEMORY",
};

static const struct {
	uint16_t reason;
	const char *name;
} reason_names[] = {
	{WAIT_NO_REASON, "None"},
	{WAIT_PRIORITY, "Priority"},
	{WAIT_DEPENDENCY, "Dependency"},
	{WAIT_RESOURCES, "Resources"},
	{WAIT_PART_NODE_LIMIT, "PartitionNodeLimit"},
	{WAIT_PART_TIME_LIMIT, "PartitionTimeLimit"},
	{WAIT_PART_DOWN, "PartitionDown"},
	{WAIT_PART_INACTIVE, "PartitionInactive"},
	{WAIT_HELD, "JobHeldAdmin"},
	{WAIT_HELD_USER, "JobHeldUser"},
	{WAIT_TIME, "BeginTime"},
	{WAIT_LICENSES, "Licenses"},
	{WAIT_ASSOC_JOB_LIMIT, "AssociationJobLimit"},
	{WAIT_ASSOC_RESOURCE_LIMIT, "AssociationResourceLimit"},
	{WAIT_ASSOC_TIME_LIMIT, "AssociationTimeLimit"},
	{WAIT_RESERVATION, "Reservation"},
	{WAIT_NODE_NOT_AVAIL, "ReqNodeNotAvail"},
	{FAIL_DOWN_PARTITION, "PartitionDown"},
	{FAIL_DOWN_NODE, "NodeDown"},
	{FAIL_BAD_CONSTRAINTS, "BadConstraints"},
	{FAIL_SYSTEM, "SystemFailure"},
	{FAIL_LAUNCH, "JobLaunchFailure"},
	{FAIL_EXIT_CODE, "NonZeroExitCode"},
	{FAIL_TIMEOUT, "TimeLimit"},
	{FAIL_ACCOUNT, "InvalidAccount"},
	{FAIL_QOS, "InvalidQOS"},
	{WAIT_CLEANING, "Cleaning"},
	{WAIT_PROLOG, "Prolog"},
	{WAIT_QOS, "QOSNotAllowed"},
	{WAIT_ACCOUNT, "AccountNotAllowed"},
	{WAIT_DEP_INVALID, "DependencyNeverSatisfied"},
	{WAIT_MAX_REQUEUE, "MaxRequeue"},
	{WAIT_ARRAY_TASK_LIMIT, "JobArrayTaskLimit"},
	{FAIL_DEADLINE, "DeadLine"},
	{FAIL_OOM, "OutOfMemory"},
};

const char *rain_broker_job_state(const slurm_job_info_t *job)
{
	uint32_t state = job->job_state & JOB_STATE_BASE;

	if (state < sizeof(state_names) / sizeof(state_names[0]) && state_names[state])
		return state_names[state];
	return "UNKNOWN";
}

const char *rain_broker_job_reason(const slurm_job_info_t *job)
{
	for (size_t i = 0; i < sizeof(reason_names) / sizeof(reason_names[0]); i++)
		if (reason_names[i].reason == job->state_reason)
			return reason_names[i].name;
	return "Other";
}

bool rain_broker_job_has_ended(const slurm_job_info_t *job)
{
	return (job->job_state & JOB_STATE_BASE) > JOB_SUSPENDED;
}

void rain_broker_slurm_init(struct rain_broker_slurm *slurm, const struct rain_config *config)
{
	memset(slurm, 0, sizeof(*slurm));
	slurm->config = config;
	slurm_init(NULL);
}

void rain_broker_slurm_release(struct rain_broker_slurm *slurm)
{
	if (slurm->jobs)
		slurm_free_job_info_msg(slurm->jobs);
	slurm->jobs = NULL;
	slurm_fini();
}

int rain_broker_slurm_error(struct rain_error *err, const char *what, int code)
{
	switch (code) {
	case SLURM_COMMUNICATIONS_CONNECTION_ERROR:
	case SLURM_COMMUNICATIONS_SEND_ERROR:
	case SLURM_COMMUNICATIONS_RECEIVE_ERROR:
	case SLURM_COMMUNICATIONS_SHUTDOWN_ERROR:
	case SLURMCTLD_COMMUNICATIONS_CONNECTION_ERROR:
	case SLURMCTLD_COMMUNICATIONS_SEND_ERROR:
	case SLURMCTLD_COMMUNICATIONS_RECEIVE_ERROR:
	case SLURMCTLD_COMMUNICATIONS_SHUTDOWN_ERROR:
	case SLURM_PROTOCOL_SOCKET_IMPL_TIMEOUT:
	case ESLURM_IN_STANDBY_MODE:
	case ETIMEDOUT:
	case ECONNREFUSED:
		return rain_error_set(err, "slurmctld does not answer: %s (%s)",
				      slurm_strerror(code), what);
	default:
		return rain_error_set(err, "%s: %s", what, slurm_strerror(code));
	}
}

const job_info_msg_t *rain_broker_slurm_jobs(struct rain_broker_slurm *slurm,
					     struct rain_error *err)
{
	job_info_msg_t *fresh = NULL;
	time_t known = slurm->jobs ? slurm->jobs->last_update : 0;

	if (slurm_load_jobs(known, &fresh, SHOW_ALL | SHOW_LOCAL) == SLURM_SUCCESS) {
		if (slurm->jobs)
			slurm_free_job_info_msg(slurm->jobs);
		slurm->jobs = fresh;
	} else if (errno != SLURM_NO_CHANGE_IN_DATA || !slurm->jobs) {
		rain_broker_slurm_error(err, "can't read the jobs", errno);
		return NULL;
	}
	return slurm->jobs;
}

const job_info_msg_t *rain_broker_slurm_jobs_anew(struct rain_broker_slurm *slurm,
						  struct rain_error *err)
{
	if (slurm->jobs)
		slurm_free_job_info_msg(slurm->jobs);
	slurm->jobs = NULL;
	return rain_broker_slurm_jobs(slurm, err);
}

int rain_broker_slurm_job(uint32_t job_id, job_info_msg_t **msg, slurm_job_info_t **job,
			  struct rain_error *err)
{
	*msg = NULL;
	if (slurm_load_job(msg, job_id, SHOW_ALL | SHOW_LOCAL) != SLURM_SUCCESS) {
		*msg = NULL;
		if (errno == ESLURM_INVALID_JOB_ID)
			return 0;
		return rain_broker_slurm_error(err, "can't read the job", errno);
	}
	/* The id of an array or of a heterogeneous job brings several records. */
	for (uint32_t i = 0; i < (*msg)->record_count; i++)
		if ((*msg)->job_array[i].job_id == job_id) {
			*job = &(*msg)->job_array[i];
			return 1;
		}
	slurm_free_job_info_msg(*msg);
	*msg = NULL;
	return 0;
}

bool rain_broker_job_is_guest(const struct rain_config *config, const slurm_job_info_t *job,
			      const char **loan)
{
	if (config->lend.guest_uid_min == 0 || job->user_id < config->lend.guest_uid_min ||
	    job->user_id > config->lend.guest_uid_max || !job->partition || !job->name ||
	    strcmp(job->partition, config->lend.partition) != 0 ||
	    strncmp(job->name, "rain-", 5) != 0 || !rain_broker_loan_is_valid(job->name + 5))
		return false;
	if (loan)
		*loan = job->name + 5;
	return true;
}

uint32_t rain_broker_guest_nodes(const struct rain_config *config, const job_info_msg_t *jobs)
{
	uint64_t nodes = 0;

	for (uint32_t i = 0; i < jobs->record_count; i++) {
		const slurm_job_info_t *job = &jobs->job_array[i];

		if (!rain_broker_job_has_ended(job) &&
		    rain_broker_job_is_guest(config, job, NULL))
			nodes += job->num_nodes;
	}
	return nodes > UINT32_MAX ? UINT32_MAX : (uint32_t)nodes;
}

int rain_broker_job_exit(const slurm_job_info_t *job, json_t *object)
{
	int code = (int)(job->exit_code >> 8) & 0xff;
	int signal_number = (int)job->exit_code & 0x7f;
	bool ended = rain_broker_job_has_ended(job);

	/* slurmctld keeps a wait status, which has a code or a signal; both are
	 * there when it kept its own error number, of a failed launch. */
	if (code != 0 && signal_number != 0) {
		code = 1;
		signal_number = 0;
	}
	return json_object_set_new(object, "exit_code", ended ? json_integer(code) : json_null()) |
	       json_object_set_new(object, "exit_signal",
				   ended ? json_integer(signal_number) : json_null());
}

json_t *rain_broker_text(const char *text)
{
	size_t size = text ? strnlen(text, RAIN_BROKER_TEXT_MAX) : 0;
	char safe[RAIN_BROKER_TEXT_MAX];
	json_t *value;

	/* Not inside a character. */
	if (size == RAIN_BROKER_TEXT_MAX)
		while (size > 0 && ((unsigned char)text[size] & 0xc0) == 0x80)
			size--;
	value = json_stringn(text ? text : "", size);
	if (value)
		return value;
	for (size_t i = 0; i < size; i++)
		safe[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
	return json_stringn(safe, size);
}

static json_t *map_user(struct rain_broker_slurm *slurm,
			const struct rain_broker_request *request, struct rain_error *err)
{
	struct passwd entry, *found = NULL;
	char buffer[16384];

	(void)slurm;
	if (getpwuid_r(request->uid, &entry, buffer, sizeof(buffer), &found) != 0 || !found) {
		rain_error_set(err, "there is no user with uid %u", request->uid);
		return NULL;
	}
	return json_pack("{s:o, s:o}", "user", rain_broker_text(entry.pw_name), "home",
			 rain_broker_text(entry.pw_dir));
}

static void controllers_count(struct rain_broker_slurm *slurm)
{
	slurm_conf_t *conf = NULL;

	if (slurm_load_ctl_conf(0, &conf) != SLURM_SUCCESS)
		return;
	slurm->controllers = conf->control_cnt;
	slurm_free_ctl_conf(conf);
}

/* libslurm's calls repeat a refused connection for MessageTimeout seconds; a
 * ping fails at once.  A backup that does not exist can be pinged, but libslurm
 * complains about it in the log. */
static int controller_ping(struct rain_broker_slurm *slurm, struct rain_error *err)
{
	uint32_t count = slurm->controllers ? slurm->controllers : 2;
	int code = 0;

	for (uint32_t i = 0; i < count; i++) {
		if (slurm_ping((int)i) == SLURM_SUCCESS) {
			if (!slurm->controllers)
				controllers_count(slurm);
			return 0;
		}
		if (i == 0)
			code = errno;
	}
	return rain_error_set(err, "slurmctld does not answer: %s", slurm_strerror(code));
}

json_t *rain_broker_slurm_do(struct rain_broker_slurm *slurm,
			     const struct rain_broker_request *request, struct rain_error *err)
{
	static const rain_broker_slurm_op ops[RAIN_BROKER_OP_COUNT] = {
		[RAIN_BROKER_QUEUE] = rain_broker_queue,
		[RAIN_BROKER_CAPACITY] = rain_broker_capacity,
		[RAIN_BROKER_SPLIT] = rain_broker_split,
		[RAIN_BROKER_LOAD] = rain_broker_load,
		[RAIN_BROKER_BIND] = rain_broker_bind,
		[RAIN_BROKER_UNBIND] = rain_broker_unbind,
		[RAIN_BROKER_CLOCK] = rain_broker_clock,
		[RAIN_BROKER_END] = rain_broker_end,
		[RAIN_BROKER_ANNOTATE] = rain_broker_annotate,
		[RAIN_BROKER_GUEST_SUBMIT] = rain_broker_guest_submit,
		[RAIN_BROKER_GUEST_FIND] = rain_broker_guest_find,
		[RAIN_BROKER_GUEST_RELEASE] = rain_broker_guest_release,
		[RAIN_BROKER_GUEST_CANCEL] = rain_broker_guest_cancel,
		[RAIN_BROKER_GUEST_QUERY] = rain_broker_guest_query,
		[RAIN_BROKER_MAP] = map_user,
	};
	json_t *result;

	if (request->op != RAIN_BROKER_MAP && controller_ping(slurm, err) < 0)
		return NULL;
	err->text[0] = '\0';
	result = ops[request->op](slurm, request, err);
	if (!result && err->text[0] == '\0')
		rain_error_set(err, "out of memory for the answer");
	return result;
}
