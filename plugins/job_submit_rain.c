// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * job_submit/rain: turns Slurm's structures into those of submit_rules.h and
 * back.  Called under slurmctld's locks for every submission: no I/O, no
 * waiting, and no failure that isn't an answer to the user.
 */
#include "plugins/compat/controller.h"

#include <stdio.h>
#include <stdlib.h>

#include "plugins/submit_config.h"
#include "plugins/submit_rules.h"

RAIN_PLUGIN("RAIN job submit plugin", "job_submit/rain")

extern int init(void) RAIN_EXPORT;
extern int job_submit(job_desc_msg_t *desc, uint32_t submit_uid, char **err_msg) RAIN_EXPORT;
extern int job_modify(job_desc_msg_t *desc, job_record_t *job, uint32_t submit_uid) RAIN_EXPORT;

static struct rain_submit_settings settings;

int init(void)
{
	struct rain_error err;

	if (rain_submit_config_load(NULL, &settings, &err))
		error("job_submit/rain: %s; going on with partitions %s and %s, guests %u-%u",
		      err.text, settings.overflow_partition, settings.guest_partition,
		      (unsigned)settings.guest_uid_min, (unsigned)settings.guest_uid_max);
	return SLURM_SUCCESS;
}

RAIN_PLUGIN_FINI
{
	rain_submit_config_release();
	RAIN_PLUGIN_FINI_RETURN;
}

static int answer_code(enum rain_submit_answer answer)
{
	switch (answer) {
	case RAIN_SUBMIT_DENY:
		return ESLURM_ACCESS_DENIED;
	case RAIN_SUBMIT_INVALID:
	case RAIN_SUBMIT_UNSUPPORTED:
		return ESLURM_NOT_SUPPORTED;
	case RAIN_SUBMIT_ACCEPT:
		break;
	}
	return SLURM_SUCCESS;
}

/* Slurm's own formatting is slow, and there is rarely anything to append to. */
static void tell(const struct rain_submit_verdict *verdict, char **err_msg)
{
	char line[sizeof verdict->message + sizeof "rain: "];

	snprintf(line, sizeof line, "rain: %s", verdict->message);
	if (*err_msg)
		xstrfmtcat(*err_msg, "\n%s", line);
	else
		*err_msg = xstrdup(line);
}

int job_submit(job_desc_msg_t *desc, uint32_t submit_uid, char **err_msg)
{
	struct rain_submission submission = {
		.submitter = submit_uid,
		.privileged = validate_slurm_user(submit_uid),
		.partition = desc->partition,
		.name = desc->name,
		.admin_comment = desc->admin_comment,
		.has_script = desc->script != NULL,
		.nodes = desc->min_nodes,
		.tasks = desc->num_tasks,
		.cpus = desc->min_cpus,
		.spank_environment = desc->spank_job_env,
		.spank_environment_count = desc->spank_job_env_size,
		.is_het = desc->het_job_offset != NO_VAL,
		.is_recurring = desc->bitflags & CRON_JOB,
		.is_held = desc->priority == 0,
	};
	struct rain_submit_verdict verdict;

	if (submission.spank_environment_count > 0)
		rain_submit_balance_read(&submission, desc->user_id);
	rain_submit_decide(&settings, &submission, &verdict);
	if (verdict.message[0] && err_msg)
		tell(&verdict, err_msg);
	if (verdict.admin_comment) {
		xfree(desc->admin_comment);
		desc->admin_comment = xstrdup(verdict.admin_comment);
		free(verdict.admin_comment);
	}
	if (verdict.hold)
		desc->priority = 0;
	return answer_code(verdict.answer);
}

int job_modify(job_desc_msg_t *desc, job_record_t *job, uint32_t submit_uid)
{
	const struct rain_modification modification = {
		.requester = submit_uid,
		.privileged = validate_slurm_user(submit_uid),
		.partition = job->partition,
		.admin_comment = job->admin_comment,
		.is_held = job->priority == 0,
		.new_partition = desc->partition,
		.changes_admin_comment = desc->admin_comment != NULL,
		.changes_nodes = desc->features || desc->req_nodes || desc->exc_nodes,
		.releases = desc->priority != NO_VAL && desc->priority != 0,
	};
	struct rain_error err;

	if (!rain_modify_check(&settings, &modification, &err))
		return SLURM_SUCCESS;
	info("job_submit/rain: refused a change to %pJ by uid=%u: %s", job, submit_uid, err.text);
	return ESLURM_ACCESS_DENIED;
}
