/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/rpc.h"
#include "federation/broker_subject.h"

/* A page ends before the answer outgrows a line of common/rpc.h. */
#define PAGE_BYTES (RAIN_RPC_LINE_MAX - 65536)

/* What the queue tells of one job. */
struct entry {
	const slurm_job_info_t *job;
	const char *loan; /* a guest's, or NULL */
	struct rain_burst burst;
	const char *sentence;
	size_t sentence_length;
};

static json_t *burst_json(const struct entry *entry)
{
	json_t *peers = json_array();
	char sentence[RAIN_BURST_SENTENCE_MAX + 1] = "";

	for (size_t i = 0; peers && i < entry->burst.peer_count; i++)
		json_array_append_new(peers, json_string(entry->burst.peers[i]));
	if (entry->sentence && entry->sentence_length < sizeof(sentence))
		memcpy(sentence, entry->sentence, entry->sentence_length);
	return json_pack("{s:s, s:o?, s:o, s:o}", "mode", rain_burst_mode_name(entry->burst.mode),
			 "max_utok",
			 entry->burst.max_utok == RAIN_BURST_NO_LIMIT
				 ? NULL
				 : json_integer(entry->burst.max_utok),
			 "peers", peers, "sentence", rain_broker_text(sentence));
}

static json_t *home_json(const slurm_job_info_t *job)
{
	struct rain_broker_home home;

	if (rain_broker_home_read(job->admin_comment, &home, NULL) != 1)
		return NULL;
	return json_pack("{s:s, s:s, s:b}", "partition", home.partition, "features", home.features,
			 "held", home.held);
}

/* Slurm's "not set" values of 16 bits. */
static json_int_t or_else(uint16_t value, json_int_t fallback)
{
	return value == NO_VAL16 || value == INFINITE16 || value == 0 ? fallback : value;
}

/* What is false, 0, "" or null isn't told: most of a long queue's fields are. */
static bool says_nothing(const json_t *value)
{
	return json_is_false(value) || json_is_null(value) ||
	       (json_is_integer(value) && json_integer_value(value) == 0) ||
	       (json_is_string(value) && json_string_length(value) == 0);
}

static int set(json_t *object, const char *key, json_t *value)
{
	if (!value || !says_nothing(value))
		return json_object_set_new(object, key, value);
	json_decref(value);
	return 0;
}

static int shape_set(json_t *o, const slurm_job_info_t *job)
{
	bool by_cpu = job->pn_min_memory & MEM_PER_CPU;
	uint64_t memory = job->pn_min_memory & ~MEM_PER_CPU;
	bool no_limit = job->time_limit == INFINITE || job->time_limit == NO_VAL;
	int failed = 0;

	if (job->pn_min_memory == NO_VAL64)
		memory = 0;
	failed |= set(o, "nodes", json_integer(job->num_nodes));
	failed |= set(o, "max_nodes", json_integer(job->max_nodes));
	failed |= set(o, "tasks", json_integer(job->num_tasks == NO_VAL ? 0 : job->num_tasks));
	failed |= set(o, "cpus", json_integer(job->num_cpus));
	failed |= set(o, "cpus_per_task", json_integer(or_else(job->cpus_per_task, 1)));
	failed |= set(o, "ntasks_per_node", json_integer(or_else(job->ntasks_per_node, 0)));
	failed |= set(o, "mem_mb_per_node", json_integer(by_cpu ? 0 : (json_int_t)memory));
	failed |= set(o, "mem_mb_per_cpu", json_integer(by_cpu ? (json_int_t)memory : 0));
	failed |= set(o, "minutes", json_integer(no_limit ? 0 : job->time_limit));
	failed |= set(o, "exclusive", json_boolean(job->shared == JOB_SHARED_NONE));
	failed |= set(o, "batch", json_boolean(job->batch_flag != 0));
	failed |= set(o, "requeue", json_boolean(job->requeue != 0));
	failed |= set(o, "features", rain_broker_text(job->features));
	failed |= set(o, "gres", rain_broker_text(job->tres_per_node   ? job->tres_per_node
						  : job->tres_per_job  ? job->tres_per_job
						  : job->tres_per_task ? job->tres_per_task
								       : job->tres_per_socket));
	failed |= set(o, "licenses", rain_broker_text(job->licenses));
	failed |= set(o, "reservation", rain_broker_text(job->resv_name));
	failed |= set(o, "req_nodes", rain_broker_text(job->req_nodes));
	failed |= set(o, "dependency", rain_broker_text(job->dependency));
	failed |= set(o, "array_job_id", json_integer(job->array_job_id));
	failed |= set(o, "array_task_id", job->array_job_id && job->array_task_id != NO_VAL
						  ? json_integer(job->array_task_id)
						  : json_null());
	failed |= set(o, "whole_array", json_boolean(rain_broker_job_is_whole_array(job)));
	failed |= set(o, "array_max_tasks", json_integer(job->array_max_tasks));
	failed |= set(o, "het_job_id", json_integer(job->het_job_id));
	return failed;
}

static int life_set(json_t *o, const slurm_job_info_t *job)
{
	int failed = 0;

	failed |= set(o, "state", json_string(rain_broker_job_state(job)));
	failed |= set(o, "reason", json_string(rain_broker_job_reason(job)));
	failed |= set(o, "completing", json_boolean(job->job_state & JOB_COMPLETING));
	failed |= set(o, "held", json_boolean(job->priority == 0));
	failed |= set(o, "preempted", json_boolean(job->preempt_time > 0));
	failed |= set(o, "submit_time", json_integer(job->submit_time));
	failed |= set(o, "eligible_time", json_integer(job->eligible_time));
	failed |= set(o, "start_time", json_integer(job->start_time));
	failed |= set(o, "end_time", json_integer(job->end_time));
	failed |= set(o, "restart", json_integer(job->restart_cnt));
	failed |= set(o, "nodelist", rain_broker_text(job->nodes));
	failed |= rain_broker_job_exit(job, o);
	return failed;
}

static json_t *job_json(const struct entry *entry)
{
	const slurm_job_info_t *job = entry->job;
	json_t *o = json_object();
	json_t *home = home_json(job);
	struct passwd *user = job->user_name ? NULL : getpwuid(job->user_id);
	int failed = o == NULL;

	failed |= set(o, "job_id", json_integer(job->job_id));
	failed |= set(o, "uid", json_integer(job->user_id));
	failed |= set(o, "gid", json_integer(job->group_id));
	failed |= set(o, "user", rain_broker_text(user ? user->pw_name : job->user_name));
	failed |= set(o, "name", rain_broker_text(job->name));
	failed |= set(o, "partition", rain_broker_text(job->partition));
	failed |= life_set(o, job);
	failed |= shape_set(o, job);
	if (entry->loan)
		failed |= set(o, "loan", json_string(entry->loan));
	else
		failed |= set(o, "burst", burst_json(entry));
	if (home)
		failed |= set(o, "home", home);
	if (failed) {
		json_decref(o);
		return NULL;
	}
	return o;
}

static int by_id(const void *a, const void *b)
{
	uint32_t left = ((const struct entry *)a)->job->job_id;
	uint32_t right = ((const struct entry *)b)->job->job_id;

	return left < right ? -1 : left > right;
}

/* Guests and jobs with a tag, sorted by id. */
static struct entry *entries_collect(const struct rain_config *config, const job_info_msg_t *jobs,
				     uint32_t after, size_t *count)
{
	struct entry *entries = calloc(jobs->record_count + 1, sizeof(*entries));

	*count = 0;
	for (uint32_t i = 0; entries && i < jobs->record_count; i++) {
		struct entry *entry = &entries[*count];

		memset(entry, 0, sizeof(*entry));
		entry->job = &jobs->job_array[i];
		if (entry->job->job_id <= after)
			continue;
		if (rain_broker_job_is_guest(config, entry->job, &entry->loan) ||
		    (rain_burst_tag_read(entry->job->admin_comment, &entry->burst,
					 &entry->sentence, &entry->sentence_length, NULL) == 1 &&
		     entry->burst.mode != RAIN_BURST_NEVER))
			(*count)++;
	}
	if (entries)
		qsort(entries, *count, sizeof(*entries), by_id);
	return entries;
}

json_t *rain_broker_queue(struct rain_broker_slurm *slurm,
			  const struct rain_broker_request *request, struct rain_error *err)
{
	const job_info_msg_t *jobs = rain_broker_slurm_jobs(slurm, err);
	struct entry *entries;
	json_t *list, *item;
	size_t count, n, bytes = 0;

	if (!jobs)
		return NULL;
	entries = entries_collect(slurm->config, jobs, request->after, &count);
	list = json_array();
	if (!entries || !list)
		goto fail;
	for (n = 0; n < count && n < request->limit; n++) {
		item = job_json(&entries[n]);
		if (!item)
			goto fail;
		bytes += json_dumpb(item, NULL, 0, JSON_COMPACT) + 1;
		if (n > 0 && bytes > PAGE_BYTES) {
			json_decref(item);
			break;
		}
		if (json_array_append_new(list, item) < 0)
			goto fail;
	}
	free(entries);
	return json_pack("{s:I, s:o, s:b}", "now", (json_int_t)time(NULL), "jobs", list, "more",
			 n < count);
fail:
	free(entries);
	json_decref(list);
	rain_error_set(err, "out of memory for the queue");
	return NULL;
}
