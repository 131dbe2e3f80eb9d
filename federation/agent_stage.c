/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/process.h"
#include "federation/local_bundle.h"
#include "federation/sandbox.h"
#include "federation/slurm_command.h"

/* Between two looks at a manifest that isn't complete, should the gateway not
 * keep us waiting itself. */
#define INCOMPLETE_PAUSE_MS 100

void rain_agent_path(const struct rain_agent *agent, char path[static 256], const char *fmt, ...)
{
	int length = snprintf(path, 256, "/v1/loans/%s", agent->loan);
	va_list args;

	va_start(args, fmt);
	vsnprintf(path + length, 256 - (size_t)length, fmt, args);
	va_end(args);
}

int rain_agent_open(struct rain_agent *agent, struct rain_error *err)
{
	struct stat st;

	snprintf(agent->job_dir, sizeof(agent->job_dir), "%s/%u", RAIN_GUEST_SPOOL, agent->job);
	agent->directory = open(agent->job_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (agent->directory < 0 || fstat(agent->directory, &st) < 0)
		return rain_error_set(err,
				      "can't open %s: %s; rain-guest-guard must be Slurm's Prolog "
				      "on this node",
				      agent->job_dir, strerror(errno));
	if (st.st_uid != getuid())
		return rain_error_set(err, "%s belongs to another user", agent->job_dir);
	return rain_agent_work_open(agent, err);
}

int rain_agent_work_open(struct rain_agent *agent, struct rain_error *err)
{
	if (agent->work >= 0)
		close(agent->work);
	agent->work =
		openat(agent->directory, "work", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (agent->work < 0)
		return rain_error_set(err, "can't open %s/work: %s", agent->job_dir,
				      strerror(errno));
	return 0;
}

/* The job may have started before everything has arrived from home. */
int rain_agent_manifest_get(struct rain_agent *agent, struct rain_error *err)
{
	char path[256];
	json_t *json;
	int result;

	rain_agent_path(agent, path, "?wait=%d", RAIN_AGENT_WAIT_S);
	for (;;) {
		json = rain_local_json(agent->client, "GET", path, NULL, RAIN_AGENT_WAIT_S, NULL,
				       err);
		if (!json)
			return -1;
		if (json_is_true(json_object_get(json, "cancel"))) {
			json_decref(json);
			return rain_error_set(err, "the loan was called back before it began");
		}
		if (json_is_object(json_object_get(json, "script")))
			break;
		json_decref(json);
		rain_local_client_pause(agent->client, INCOMPLETE_PAUSE_MS);
	}
	result = rain_agent_manifest_read(json, &agent->manifest, err);
	json_decref(json);
	return result;
}

int rain_agent_blob_get(struct rain_agent *agent, const struct rain_digest *digest,
			struct rain_error *err)
{
	int fd = rain_local_temporary(agent->directory, err);
	char path[256];

	if (fd < 0)
		return -1;
	rain_agent_path(agent, path, "/blobs/%s?wait=%d", digest->sha256, RAIN_AGENT_WAIT_S);
	if (rain_local_blob_get(agent->client, path, fd, digest, err) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

int rain_agent_unpack(struct rain_agent *agent, size_t i, int into, struct rain_error *err)
{
	char blobs[256], query[32];

	rain_agent_path(agent, blobs, "/blobs");
	snprintf(query, sizeof(query), "?wait=%d", RAIN_AGENT_WAIT_S);
	if (rain_local_bundle_get(agent->client, blobs, query, &agent->manifest.inputs[i], into, NULL,
				  NULL, err) < 0)
		return rain_error_prefix(err, "can't stage the inputs");
	return 0;
}

int rain_agent_unpack_here(struct rain_agent *agent, struct rain_error *err)
{
	for (size_t i = 0; i < agent->manifest.input_count; i++)
		if (rain_agent_unpack(agent, i, agent->work, err) < 0)
			return -1;
	return 0;
}

/* The job's nodes share no file system: each fetches for itself, as a step of
 * this job, which the SPANK plugin puts into the sandbox like any other. */
int rain_agent_stage_everywhere(struct rain_agent *agent, struct rain_error *err)
{
	struct rain_process_result result = {0};
	char nodes[32], tasks[32], path[RAIN_SLURM_COMMAND_SIZE];
	const char *srun = rain_slurm_command("srun", path);
	const char *argv[] = {
		srun,
		nodes,
		tasks,
		"--ntasks-per-node=1",
		"--cpus-per-task=1",
		"--overlap",
		"--mpi=none",
		"--input=none",
		"--kill-on-bad-exit=1",
		"--job-name=rain-stage",
		"--chdir=/tmp",
		"--cpu-bind=none",
		RAIN_LIBEXECDIR "/rain-agent",
		"--stage-node",
		"--loan",
		agent->loan,
		"--gateway",
		agent->gateway,
		NULL,
	};
	int status;

	if (agent->nodes <= 1 || agent->manifest.input_count == 0)
		return rain_agent_stage_here(agent, err);
	if (!srun)
		return rain_error_set(err, "srun is not installed on this node");
	snprintf(nodes, sizeof(nodes), "--nodes=%ld", agent->nodes);
	snprintf(tasks, sizeof(tasks), "--ntasks=%ld", agent->nodes);
	/* Bounded by the job's own time limit. */
	if (rain_process_run(argv, (const char *const *)environ, NULL, INT_MAX, &result, err) < 0)
		return -1;
	status = result.exit_code;
	if (status != 0)
		rain_error_set(err, "can't stage the inputs on every node: %.400s", result.output);
	rain_process_result_release(&result);
	/* There may be another directory of that name by now: agent_cache.c. */
	return status == 0 ? rain_agent_work_open(agent, err) : -1;
}
