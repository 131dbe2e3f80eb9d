/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Job arrays: each task goes its own way, once Slurm has a record of it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "federation/candidates.h"

/* Tasks of one array that wait with records of their own: more than may start at
 * once would only make Slurm's queue longer. */
#define SPLIT_AHEAD 8
#define SPLIT_ANSWER_MS 20000
#define SPLIT_AGAIN_MS 5000

static bool is_pending(const struct rain_queue_job *job)
{
	return !strcmp(job->state, "PENDING");
}

static bool is_brother(const struct rain_queue_job *job, const struct rain_queue_job *other)
{
	return other->array_job_id == job->array_job_id && other->job_id != job->job_id &&
	       rain_loan_verdict_find(other->state) < 0;
}

static bool is_going(const struct rain_gateway *gateway, const struct rain_queue_job *job)
{
	const struct rain_live_burst *burst = rain_burst_of_job(gateway, job->job_id);

	return !is_pending(job) || rain_ask_of(rain_asks_of(gateway), job->job_id) ||
	       (burst && burst->row.restart == job->restart && burst->row.record.state != RAIN_BURST_VOID);
}

bool rain_array_has_room(const struct rain_gateway *gateway, const struct rain_queue_job *job)
{
	const struct rain_queue *queue = &rain_mind_of(gateway)->queue;
	int64_t going = 0;

	if (!job->array_job_id || job->array_max_tasks <= 0)
		return true;
	for (size_t i = 0; i < queue->count; i++)
		going += is_brother(job, &queue->jobs[i]) && is_going(gateway, &queue->jobs[i]);
	return going < job->array_max_tasks;
}

static int64_t waiting_tasks(const struct rain_gateway *gateway, const struct rain_queue_job *job)
{
	const struct rain_queue *queue = &rain_mind_of(gateway)->queue;
	int64_t count = 0;

	for (size_t i = 0; i < queue->count; i++)
		count += is_brother(job, &queue->jobs[i]) && is_pending(&queue->jobs[i]);
	return count;
}

static void on_split(void *arg, const json_t *result, const char *error)
{
	struct rain_gateway *gateway = arg;

	if (!result)
		rain_log_warning("tasks of an array can't be split off: %s", error);
	rain_queue_nudge(gateway);
}

void rain_array_split(struct rain_gateway *gateway, struct rain_note *note, const struct rain_queue_job *job)
{
	int64_t wanted = SPLIT_AHEAD - waiting_tasks(gateway, job), now = rain_clock_monotonic_ms();
	json_t *request;
	struct rain_error err;

	/* Not again from a picture of before the last one. */
	if (wanted <= 0 || (note->split_ms >= rain_mind_of(gateway)->queue.asked_ms &&
			    now - note->split_ms < SPLIT_AGAIN_MS))
		return;
	request = json_pack("{s:s, s:I, s:I, s:I}", "op", "split", "job_id", (json_int_t)job->job_id, "submit_time",
			    (json_int_t)job->submit_time, "tasks", (json_int_t)wanted);
	if (request && rain_rpc_client_call(gateway->broker, request, SPLIT_ANSWER_MS, on_split, gateway, &err) == 0)
		note->split_ms = now;
	json_decref(request);
}
