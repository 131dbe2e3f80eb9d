/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What Slurm shows of our candidates, bursts and guests, by the broker. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "federation/mind.h"

#define INTERVAL_MS 250	 /* Slurm tells nobody of itself */
#define MIN_GAP_MS 40	 /* however often it is nudged */
#define ANSWER_MS 20000
#define JOBS_MAX 100000

static void poll_in(struct rain_mind *mind, int64_t ms)
{
	struct timeval delay = { ms / 1000, (ms % 1000) * 1000 };

	event_add(mind->poll, &delay);
}

void rain_queue_nudge(struct rain_gateway *gateway)
{
	struct rain_mind *mind = rain_mind_of(gateway);
	int64_t since = rain_clock_monotonic_ms() - mind->polled_ms;

	/* A look that is under way may be too early. */
	if (mind->polling)
		mind->nudged = true;
	else
		poll_in(mind, since >= MIN_GAP_MS ? 0 : MIN_GAP_MS - since);
}

const struct rain_queue_job *rain_queue_find(const struct rain_queue *queue, int64_t job_id)
{
	size_t low = 0, high = queue->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (queue->jobs[middle].job_id == job_id)
			return &queue->jobs[middle];
		if (queue->jobs[middle].job_id < job_id)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

void rain_queue_release(struct rain_queue *queue)
{
	json_decref(queue->pages);
	free(queue->jobs);
	memset(queue, 0, sizeof *queue);
}

static int64_t number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void text(const json_t *o, const char *key, char *to, size_t size)
{
	const char *value = json_string_value(json_object_get(o, key));
	snprintf(to, size, "%s", value ? value : "");
}

static bool flag(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

static bool filled(const json_t *o, const char *key)
{
	const char *value = json_string_value(json_object_get(o, key));
	return value && *value;
}

static void read_shape(const json_t *o, struct rain_queue_job *job)
{
	int64_t per_node = number(o, "ntasks_per_node");

	job->shape.nodes = number(o, "nodes");
	job->shape.cpus_per_task = number(o, "cpus_per_task");
	job->shape.tasks = number(o, "tasks");
	job->shape.minutes = number(o, "minutes");
	if (job->shape.cpus_per_task < 1)
		job->shape.cpus_per_task = 1;
	if (job->shape.nodes < 1)
		job->shape.nodes = 1;
	if (per_node > 0 && job->shape.tasks < 1)
		job->shape.tasks = per_node * job->shape.nodes;
	/* Slurm shows no number of tasks when none was asked for. */
	if (job->shape.tasks < 1)
		job->shape.tasks = number(o, "cpus") / job->shape.cpus_per_task;
	if (job->shape.tasks < job->shape.nodes)
		job->shape.tasks = job->shape.nodes;
	job->shape.ntasks_per_node = per_node;
	job->no_limit = job->shape.minutes < 1;
	job->mem_mb_per_node = number(o, "mem_mb_per_node");
	job->mem_mb_per_cpu = number(o, "mem_mb_per_cpu");
}

static void read_job(const json_t *o, int64_t now_s, struct rain_queue_job *job)
{
	const json_t *burst = json_object_get(o, "burst"), *max = json_object_get(burst, "max_utok");
	const char *mode = json_string_value(json_object_get(burst, "mode"));

	memset(job, 0, sizeof *job);
	job->job_id = number(o, "job_id");
	job->uid = number(o, "uid");
	job->submit_time = number(o, "submit_time");
	job->restart = number(o, "restart");
	text(o, "user", job->user, sizeof job->user);
	text(o, "name", job->name, sizeof job->name);
	text(o, "partition", job->partition, sizeof job->partition);
	text(o, "state", job->state, sizeof job->state);
	text(o, "reason", job->reason, sizeof job->reason);
	text(o, "nodelist", job->nodelist, sizeof job->nodelist);
	text(o, "loan", job->loan, sizeof job->loan);
	job->eligible_s = number(o, "eligible_time") > 0 ? now_s - number(o, "eligible_time") : -1;
	job->completing = flag(o, "completing");
	job->held = flag(o, "held");
	job->preempted = flag(o, "preempted");
	job->batch = flag(o, "batch");
	job->requeues = flag(o, "requeue");
	job->array_job_id = number(o, "array_job_id");
	job->array_task_id = json_is_integer(json_object_get(o, "array_task_id")) ? number(o, "array_task_id") : -1;
	job->array_max_tasks = number(o, "array_max_tasks");
	job->whole_array = flag(o, "whole_array");
	job->het = number(o, "het_job_id") > 0;
	job->gres = filled(o, "gres") || filled(o, "licenses") || filled(o, "reservation");
	job->constrained = filled(o, "features") || filled(o, "req_nodes");
	job->returning = json_object_get(o, "home") != NULL;
	job->only = mode && !strcmp(mode, "only");
	job->max_utok = json_is_integer(max) ? json_integer_value(max) : -1;
	job->peers = json_object_get(burst, "peers");
	read_shape(o, job);
}

int rain_queue_add(struct rain_queue *queue, const json_t *result, struct rain_error *err)
{
	json_t *jobs, *item;
	struct rain_queue_job *all;
	size_t i;

	if (!json_is_object(result) || rain_json_array(result, "jobs", JOBS_MAX, &jobs, err))
		return -1;
	if (!queue->pages)
		queue->pages = json_array();
	all = realloc(queue->jobs, (queue->count + json_array_size(jobs) + 1) * sizeof *all);
	if (!all || json_array_append(queue->pages, jobs))
		return rain_error_set(err, "out of memory for the queue");
	queue->jobs = all;
	json_array_foreach(jobs, i, item)
		read_job(item, number(result, "now"), &queue->jobs[queue->count++]);
	return 0;
}

static int by_id(const void *a, const void *b)
{
	const struct rain_queue_job *x = a, *y = b;
	return x->job_id < y->job_id ? -1 : x->job_id > y->job_id;
}

static void show_all(struct rain_gateway *gateway)
{
	struct rain_mind *mind = rain_mind_of(gateway);
	struct rain_live_burst *burst, *next_burst;
	struct rain_live_loan *loan, *next_loan;

	for (burst = mind->bursts; burst; burst = next_burst) {
		next_burst = burst->next;
		if (!burst->live.touched && burst->live.changed_ms < mind->queue.asked_ms)
			rain_home_on_queue(gateway, burst);
	}
	for (loan = mind->loans; loan; loan = next_loan) {
		next_loan = loan->next;
		if (!loan->live.touched && loan->live.changed_ms < mind->queue.asked_ms)
			rain_lender_on_queue(gateway, loan);
	}
	rain_lender_orphans(gateway);
	rain_candidates_work(gateway);
}

static int ask(struct rain_gateway *gateway, int64_t after, struct rain_error *err);

static void on_page(void *arg, const json_t *result, const char *error)
{
	struct rain_gateway *gateway = arg;
	struct rain_mind *mind = rain_mind_of(gateway);
	struct rain_error err = { "" };
	struct rain_queue *queue = &mind->next_queue;

	mind->polling = false;
	if (!result)
		rain_error_set(&err, "%s", error);
	if (!result || rain_queue_add(queue, result, &err)) {
		/* An empty answer and none are not the same: keep the old picture. */
		if (mind->poll_errors++ == 0)
			rain_log_warning("the queue can't be read: %s", err.text);
		rain_queue_release(queue);
		poll_in(mind, 1000);
		return;
	}
	if (flag(result, "more") && queue->count > 0 &&
	    ask(gateway, queue->jobs[queue->count - 1].job_id, &err) == 0)
		return;
	if (mind->poll_errors)
		rain_log_info("the queue can be read again");
	mind->poll_errors = 0;
	qsort(queue->jobs, queue->count, sizeof *queue->jobs, by_id);
	rain_queue_release(&mind->queue);
	mind->queue = *queue;
	memset(queue, 0, sizeof *queue);
	poll_in(mind, mind->nudged ? MIN_GAP_MS : INTERVAL_MS);
	mind->nudged = false;
	if (mind->recovered)
		show_all(gateway);
}

static int ask(struct rain_gateway *gateway, int64_t after, struct rain_error *err)
{
	struct rain_mind *mind = rain_mind_of(gateway);
	json_t *request = json_pack("{s:s, s:I}", "op", "queue", "after", (json_int_t)after);
	int result = rain_rpc_client_call(gateway->broker, request, ANSWER_MS, on_page, gateway, err);

	json_decref(request);
	mind->polling = result == 0;
	return result;
}

static void on_poll(evutil_socket_t fd, short what, void *arg)
{
	struct rain_gateway *gateway = arg;
	struct rain_mind *mind = rain_mind_of(gateway);
	struct rain_error err;

	(void)fd;
	(void)what;
	if (mind->polling)
		return;
	rain_queue_release(&mind->next_queue);
	mind->polled_ms = mind->next_queue.asked_ms = rain_clock_monotonic_ms();
	if (ask(gateway, 0, &err)) {
		rain_log_warning("the broker can't be asked: %s", err.text);
		poll_in(mind, 1000);
	}
}

int rain_queue_start(struct rain_gateway *gateway, struct rain_error *err)
{
	struct rain_mind *mind = rain_mind_of(gateway);

	mind->poll = event_new(gateway->base, -1, 0, on_poll, gateway);
	if (!mind->poll)
		return rain_error_set(err, "out of memory for events");
	poll_in(mind, 0);
	return 0;
}

void rain_queue_stop(struct rain_gateway *gateway)
{
	struct rain_mind *mind = rain_mind_of(gateway);

	if (mind->poll)
		event_free(mind->poll);
	rain_queue_release(&mind->queue);
	rain_queue_release(&mind->next_queue);
}
