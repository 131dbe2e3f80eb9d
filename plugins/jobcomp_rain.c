// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * jobcomp/rain: hands each ended run of a job to the ledger's spool.  Called
 * under slurmctld's job lock, so that it only copies; the writer's thread does
 * the rest.
 */
#include "plugins/compat/jobcomp.h"

#include <sys/wait.h>

#include "plugins/jobcomp_writer.h"

RAIN_PLUGIN("RAIN job completion plugin", "jobcomp/rain")

#define DEFAULT_LOCATION RAIN_SPOOLDIR "/jobcomp"

extern int init(void) RAIN_EXPORT;

static struct rain_jobcomp_writer *writer;

static void writer_log(bool is_error, const char *sentence)
{
	if (is_error)
		error("jobcomp/rain: %s", sentence);
	else
		info("jobcomp/rain: %s", sentence);
}

int init(void)
{
	return SLURM_SUCCESS;
}

RAIN_PLUGIN_FINI
{
	rain_jobcomp_writer_destroy(writer);
	writer = NULL;
	RAIN_PLUGIN_FINI_RETURN;
}

/* An error is logged and never returned: slurmctld would end on it. */
int rain_jobcomp_location(const char *directory)
{
	struct rain_error err;

	if (!directory || directory[0] != '/') {
		info("jobcomp/rain: JobCompLoc names no directory, using %s", DEFAULT_LOCATION);
		directory = DEFAULT_LOCATION;
	}
	if (!writer) {
		writer = rain_jobcomp_writer_create(directory, writer_log, &err);
		if (!writer)
			error("jobcomp/rain: %s; no job will be recorded", err.text);
	} else if (rain_jobcomp_writer_move(writer, directory, &err)) {
		error("jobcomp/rain: %s; records go where they went before", err.text);
	}
	return SLURM_SUCCESS;
}

static void exit_read(uint32_t status, struct rain_jobcomp_run *run)
{
	if (status == NO_VAL)
		return;
	if (WIFSIGNALED((int)status))
		run->exit_signal = WTERMSIG((int)status);
	else if (WIFEXITED((int)status))
		run->exit_code = WEXITSTATUS((int)status);
}

int rain_jobcomp_ended(const job_record_t *job)
{
	struct rain_jobcomp_run run = {
		.job_id = job->job_id,
		.array_job_id = job->array_job_id,
		.array_task_id = job->array_task_id == NO_VAL ? -1 : (int64_t)job->array_task_id,
		.het_job_id = job->het_job_id,
		.restart = job->restart_cnt,
		.uid = job->user_id,
		.gid = job->group_id,
		.start = job->start_time,
		.end = job->end_time,
		.suspended = job->tot_sus_time,
		.cluster = slurm_conf.cluster_name,
		.account = job->account,
		.partition = job->partition,
		.qos = job->qos_ptr ? job->qos_ptr->name : NULL,
		.name = job->name,
		.nodes = job->nodes,
		.node_count = job->total_nodes,
		.cpus = job->total_cpus,
		.tres = job->tres_fmt_alloc_str,
		/* a run that ends in the queue again has no state of its own */
		.state = IS_JOB_PENDING(job) ? "REQUEUED"
					     : job_state_string(job->job_state & JOB_STATE_BASE),
		.admin_comment = job->admin_comment,
	};

	/* A job that changes its size goes on: it is recorded at its end.  One
	 * that never started has no run, and may even come back: slurmctld does
	 * not save at once that a pending job was cancelled, and after a crash
	 * such a job runs under the same identity. */
	if (!writer || IS_JOB_RESIZING(job) || !job->nodes || !job->nodes[0])
		return SLURM_SUCCESS;
	exit_read(job->exit_code, &run);
	if (job->details) {
		run.submit = job->details->submit_time;
		run.eligible = job->details->begin_time;
	}
	return rain_jobcomp_writer_add(writer, &run) ? SLURM_ERROR : SLURM_SUCCESS;
}
