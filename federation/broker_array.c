/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tasks of pending arrays, as jobs of their own. */
#include <stdio.h>
#include <string.h>

#include "federation/array_tasks.h"
#include "federation/broker_subject.h"

bool rain_broker_job_is_whole_array(const slurm_job_info_t *job)
{
	uint32_t tasks[2];

	return job->array_job_id && job->array_task_id == NO_VAL &&
	       rain_array_tasks_first(job->array_task_str, tasks, 2) == 2;
}

/* An update that names a task makes slurmctld give it a record and an id of its
 * own, as it does itself when the task starts; this one changes nothing else. */
static int task_split(const struct rain_broker_subject *subject, uint32_t task, struct rain_error *err)
{
	char name[32];
	job_desc_msg_t desc;
	int code;

	slurm_init_job_desc_msg(&desc);
	snprintf(name, sizeof(name), "%u_%u", subject->job->array_job_id, task);
	desc.job_id_str = name;
	desc.admin_comment = subject->job->admin_comment;
	code = rain_broker_job_update(&desc);
	if (code == 0 || rain_broker_was_too_late(code))
		return 0;
	rain_broker_slurm_error(err, "can't split off the task", code);
	return rain_error_prefix(err, "job %s", name);
}

json_t *rain_broker_split(struct rain_broker_slurm *slurm,
			  const struct rain_broker_request *request, struct rain_error *err)
{
	uint32_t tasks[RAIN_BROKER_SPLIT_MAX + 1];
	struct rain_broker_subject subject;
	size_t count, done = 0;

	(void)slurm;
	if (rain_broker_subject_load(request, true, &subject, err) < 0)
		return NULL;
	if (!rain_broker_job_is_pending(subject.job) || !rain_broker_job_is_whole_array(subject.job)) {
		rain_broker_subject_release(&subject);
		return json_pack("{s:i}", "tasks", 0); /* it has started meanwhile */
	}
	count = rain_array_tasks_first(subject.job->array_task_str, tasks, request->tasks + 1);
	/* The last one keeps the array's own record. */
	if (count <= request->tasks)
		count--;
	else
		count = request->tasks;
	while (done < count && task_split(&subject, tasks[done], err) == 0)
		done++;
	rain_broker_subject_release(&subject);
	return done == count ? json_pack("{s:I}", "tasks", (json_int_t)done) : NULL;
}
