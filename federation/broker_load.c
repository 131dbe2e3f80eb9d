/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What runs and waits on the owners' nodes, and what has ended there: the gateway
 * forecasts by it how long a job would wait at home. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/rpc.h"
#include "federation/broker_slurm.h"
#include "scheduler/predict.h"

#define PAGE_BYTES (RAIN_RPC_LINE_MAX - 65536)
#define NO_LIMIT_S (365 * 86400)
#define TASKS_MAX 1000 /* of one job array that still wait: more change no forecast */

/* Partitions that share nodes: what waits in one of them waits for all. */
struct pool {
	uint32_t cpus;		/* of nodes that are up */
	uint32_t cpus_per_node; /* of the largest */
};

struct load {
	const struct rain_config *config;
	const partition_info_msg_t *partitions;
	int *pool_of; /* of each partition; -1: not the owners' */
	struct pool *pools;
	int count;
};

static bool is_owners(const struct rain_config *config, const partition_info_t *partition)
{
	return partition->name && strcmp(partition->name, config->lend.partition) != 0 &&
	       strcmp(partition->name, config->gateway.overflow_partition) != 0;
}

/* Each partition begins as a pool of its own; one that shares nodes with a former
 * one joins its pool, and takes along what had joined it. */
static void pools_find(struct load *load)
{
	const partition_info_t *all = load->partitions->partition_array;
	int partitions = (int)load->partitions->record_count;

	for (int i = 0; i < partitions; i++) {
		load->pool_of[i] = is_owners(load->config, &all[i]) ? load->count++ : -1;
		for (int j = 0; j < i && load->pool_of[i] >= 0; j++) {
			int mine = load->pool_of[i], other = load->pool_of[j];

			if (other < 0 || other == mine ||
			    !rain_broker_partitions_overlap(&all[i], &all[j]))
				continue;
			for (int k = 0; k <= i; k++)
				if (load->pool_of[k] == mine)
					load->pool_of[k] = other;
		}
	}
}

/* Adds up each pool's nodes that are up, each node once. */
static void pools_fill(struct load *load, const node_info_msg_t *nodes)
{
	const partition_info_t *all = load->partitions->partition_array;

	for (uint32_t n = 0; n < nodes->record_count; n++) {
		const node_info_t *node = &nodes->node_array[n];

		if (!node->name || !rain_broker_node_is_up(node))
			continue;
		for (uint32_t i = 0; i < load->partitions->record_count; i++) {
			struct pool *pool;

			if (load->pool_of[i] < 0 || !rain_broker_partition_has(&all[i], (int32_t)n))
				continue;
			pool = &load->pools[load->pool_of[i]];
			pool->cpus += node->cpus;
			if (node->cpus > pool->cpus_per_node)
				pool->cpus_per_node = node->cpus;
			break;
		}
	}
}

static json_t *pools_json(const struct load *load)
{
	json_t *list = json_array();

	for (int p = 0; list && p < load->count; p++) {
		json_t *names = json_array();

		for (uint32_t i = 0; i < load->partitions->record_count; i++)
			if (load->pool_of[i] == p)
				json_array_append_new(
					names,
					rain_broker_text(load->partitions->partition_array[i].name));
		json_array_append_new(list, json_pack("{s:o, s:I, s:I}", "partitions", names, "cpus",
						      (json_int_t)load->pools[p].cpus, "cpus_per_node",
						      (json_int_t)load->pools[p].cpus_per_node));
	}
	return list;
}

/* A job that may run in several partitions is counted in the first of them. */
static int pool_of_job(const struct load *load, const slurm_job_info_t *job)
{
	size_t length = job->partition ? strcspn(job->partition, ",") : 0;

	for (uint32_t i = 0; length > 0 && i < load->partitions->record_count; i++) {
		const char *name = load->partitions->partition_array[i].name;

		if (name && strlen(name) == length && memcmp(name, job->partition, length) == 0)
			return load->pool_of[i];
	}
	return -1;
}

static int64_t limit_of(const slurm_job_info_t *job)
{
	if (job->time_limit == INFINITE || job->time_limit == NO_VAL)
		return NO_LIMIT_S;
	return (int64_t)job->time_limit * 60;
}

/* Tasks of an array that wait, from "1-7,9%2"; beyond TASKS_MAX they don't matter. */
static int64_t tasks_of(const slurm_job_info_t *job)
{
	const char *p = job->array_task_str;
	int64_t tasks = 0;

	if (!p || job->array_job_id == 0 || job->array_task_id != NO_VAL)
		return 1;
	while (*p >= '0' && *p <= '9' && tasks < TASKS_MAX) {
		char *end;
		int64_t first = strtol(p, &end, 10), last = first, step = 1;

		if (*end == '-')
			last = strtol(end + 1, &end, 10);
		if (*end == ':')
			step = strtol(end + 1, &end, 10);
		tasks += last >= first && step > 0 ? (last - first) / step + 1 : 1;
		p = *end == ',' ? end + 1 : "";
	}
	return tasks < 1 ? 1 : tasks > TASKS_MAX ? TASKS_MAX : tasks;
}

/* Waits for nothing but room. No reason is what a job has until it is looked at. */
static bool waits_for_room(const slurm_job_info_t *job, time_t now)
{
	return (job->job_state & JOB_STATE_BASE) == JOB_PENDING && job->priority != 0 &&
	       job->eligible_time > 0 && job->eligible_time <= now &&
	       (job->state_reason == WAIT_RESOURCES || job->state_reason == WAIT_PRIORITY ||
		job->state_reason == WAIT_NO_REASON || job->state_reason == WAIT_NODE_NOT_AVAIL);
}

static bool runs(const slurm_job_info_t *job)
{
	uint32_t state = job->job_state & JOB_STATE_BASE;

	return (state == JOB_RUNNING || state == JOB_SUSPENDED) && job->start_time > 0;
}

/* A run that says something about the next one like it. */
static bool has_run(const slurm_job_info_t *job)
{
	uint32_t state = job->job_state & JOB_STATE_BASE;

	return (state == JOB_COMPLETE || state == JOB_FAILED || state == JOB_TIMEOUT) &&
	       job->start_time > 0 && job->end_time >= job->start_time;
}

static int64_t cpus_of(const struct load *load, int pool, const slurm_job_info_t *job)
{
	int64_t whole = (int64_t)job->num_nodes * load->pools[pool].cpus_per_node;

	/* What waits for whole nodes takes more than it says. */
	return !runs(job) && job->shared == JOB_SHARED_NONE && whole > job->num_cpus ? whole
										      : job->num_cpus;
}

/* [job, pool, uid, name, cpus, limit, priority, submit, start, tasks] */
static json_t *load_row(const struct load *load, int pool, const slurm_job_info_t *job)
{
	return json_pack("[I, i, I, I, I, I, I, I, I, I]", (json_int_t)job->job_id, pool,
			 (json_int_t)job->user_id, (json_int_t)rain_predict_name(job->name),
			 (json_int_t)cpus_of(load, pool, job), (json_int_t)limit_of(job),
			 (json_int_t)job->priority, (json_int_t)job->submit_time,
			 (json_int_t)(runs(job) ? job->start_time : 0), (json_int_t)tasks_of(job));
}

/* [job, submit, restart, uid, name, cpus, limit, run, end] */
static json_t *ended_row(const struct load *load, int pool, const slurm_job_info_t *job)
{
	return json_pack("[I, I, I, I, I, I, I, I, I]", (json_int_t)job->job_id,
			 (json_int_t)job->submit_time, (json_int_t)job->restart_cnt,
			 (json_int_t)job->user_id, (json_int_t)rain_predict_name(job->name),
			 (json_int_t)cpus_of(load, pool, job), (json_int_t)limit_of(job),
			 (json_int_t)(job->end_time - job->start_time), (json_int_t)job->end_time);
}

static int by_id(const void *a, const void *b)
{
	uint32_t left = (*(const slurm_job_info_t *const *)a)->job_id;
	uint32_t right = (*(const slurm_job_info_t *const *)b)->job_id;

	return left < right ? -1 : left > right;
}

/* Appends jobs with ids above `after`, in their order, until the page is full. */
static int fill(const struct load *load, const job_info_msg_t *msg,
		const struct rain_broker_request *request, json_t *jobs, json_t *ended,
		uint32_t *last)
{
	const slurm_job_info_t **all = calloc(msg->record_count + 1, sizeof(*all));
	time_t now = time(NULL);
	size_t bytes = 0;
	uint32_t i;
	int more = 0;

	if (!all)
		return -1;
	for (i = 0; i < msg->record_count; i++)
		all[i] = &msg->job_array[i];
	qsort(all, msg->record_count, sizeof(*all), by_id);
	for (i = 0; i < msg->record_count && !more; i++) {
		const slurm_job_info_t *job = all[i];
		int pool = pool_of_job(load, job);
		json_t *row = NULL, *list = jobs;

		if (job->job_id <= request->after || pool < 0)
			continue;
		if (runs(job) || waits_for_room(job, now)) {
			row = load_row(load, pool, job);
		} else if (has_run(job) && job->end_time >= request->ended_after) {
			row = ended_row(load, pool, job);
			list = ended;
		} else {
			continue;
		}
		bytes += json_dumpb(row, NULL, 0, JSON_COMPACT) + 1;
		more = bytes > PAGE_BYTES;
		if (more)
			json_decref(row);
		else if (json_array_append_new(list, row) < 0)
			more = -1;
		else
			*last = job->job_id;
	}
	free(all);
	return more;
}

static json_t *load_json(struct load *load, const node_info_msg_t *nodes,
			 const job_info_msg_t *msg, const struct rain_broker_request *request)
{
	json_t *jobs = json_array(), *ended = json_array();
	uint32_t last = request->after;
	int more;

	load->pool_of = calloc(load->partitions->record_count + 1, sizeof(*load->pool_of));
	load->pools = calloc(load->partitions->record_count + 1, sizeof(*load->pools));
	if (!load->pool_of || !load->pools || !jobs || !ended)
		goto fail;
	pools_find(load);
	pools_fill(load, nodes);
	more = fill(load, msg, request, jobs, ended, &last);
	if (more < 0)
		goto fail;
	return json_pack("{s:I, s:o, s:o, s:o, s:I, s:b}", "now", (json_int_t)time(NULL), "pools",
			 pools_json(load), "jobs", jobs, "ended", ended, "last", (json_int_t)last,
			 "more", more);
fail:
	json_decref(jobs);
	json_decref(ended);
	return NULL;
}

json_t *rain_broker_load(struct rain_broker_slurm *slurm,
			 const struct rain_broker_request *request, struct rain_error *err)
{
	struct load load = {.config = slurm->config};
	partition_info_msg_t *partitions = NULL;
	node_info_msg_t *nodes = NULL;
	const job_info_msg_t *jobs;
	json_t *result = NULL;

	if (slurm_load_partitions(0, &partitions, SHOW_ALL | SHOW_LOCAL) != SLURM_SUCCESS) {
		rain_broker_slurm_error(err, "can't read the partitions", errno);
		return NULL;
	}
	if (slurm_load_node(0, &nodes, SHOW_ALL | SHOW_LOCAL | SHOW_MIXED) != SLURM_SUCCESS) {
		rain_broker_slurm_error(err, "can't read the nodes", errno);
		nodes = NULL;
	} else if ((jobs = rain_broker_slurm_jobs(slurm, err))) {
		load.partitions = partitions;
		result = load_json(&load, nodes, jobs, request);
	}
	free(load.pool_of);
	free(load.pools);
	if (nodes)
		slurm_free_node_info_msg(nodes);
	slurm_free_partition_info_msg(partitions);
	return result;
}
