/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What runs and waits at home, from the broker's rows to a forecast. */
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "federation/policy.h"

#define ROWS_MAX 100000
#define POOLS_MAX 1024

static int64_t cell(const json_t *row, size_t column)
{
	return json_integer_value(json_array_get(row, column));
}

static int32_t bounded(int64_t value, int64_t least)
{
	return (int32_t)(value < least ? least : value > INT32_MAX ? INT32_MAX : value);
}

static int add_pools(struct rain_load *load, const json_t *pools, struct rain_error *err)
{
	size_t i;
	json_t *pool;

	free(load->pools);
	load->pool_count = 0;
	load->pools = calloc(json_array_size(pools) + 1, sizeof *load->pools);
	if (!load->pools)
		return rain_error_set(err, "out of memory for the load");
	json_array_foreach(pools, i, pool)
		load->pools[load->pool_count++] = (struct rain_load_pool){
			.partitions = json_object_get(pool, "partitions"),
			.cpus = bounded(json_integer_value(json_object_get(pool, "cpus")), 0),
		};
	return 0;
}

static int add_jobs(struct rain_load *load, const json_t *rows, struct rain_error *err)
{
	size_t i, room = load->count + json_array_size(rows);
	struct rain_load_job *jobs = realloc(load->jobs, (room + 1) * sizeof *jobs);
	json_t *row;

	if (!jobs)
		return rain_error_set(err, "out of memory for the load");
	load->jobs = jobs;
	json_array_foreach(rows, i, row) {
		struct rain_load_job *job = &jobs[load->count];

		*job = (struct rain_load_job){
			.job_id = cell(row, 0), .pool = bounded(cell(row, 1), -1),
			.uid = cell(row, 2), .name = cell(row, 3), .cpus = bounded(cell(row, 4), 0),
			.limit = bounded(cell(row, 5), 1), .priority = cell(row, 6),
			.submit = cell(row, 7), .start = cell(row, 8), .tasks = bounded(cell(row, 9), 1),
		};
		/* Pages come in the order of job ids. */
		if (load->count == 0 || job->job_id > jobs[load->count - 1].job_id)
			load->count++;
	}
	return 0;
}

int rain_load_add(struct rain_load *load, const json_t *page, struct rain_error *err)
{
	json_t *pools, *jobs, *ended;

	if (!json_is_object(page) || rain_json_array(page, "pools", POOLS_MAX, &pools, err) ||
	    rain_json_array(page, "jobs", ROWS_MAX, &jobs, err) ||
	    rain_json_array(page, "ended", ROWS_MAX, &ended, err))
		return err->text[0] ? -1 : rain_error_set(err, "the broker's load is no object");
	if (!load->pages)
		load->pages = json_array();
	if (!load->ended)
		load->ended = json_array();
	/* The pools of the last page are those of all: keep what their names live in. */
	if (json_array_append(load->pages, pools) || json_array_extend(load->ended, ended))
		return rain_error_set(err, "out of memory for the load");
	load->now = json_integer_value(json_object_get(page, "now"));
	return add_pools(load, pools, err) || add_jobs(load, jobs, err) ? -1 : 0;
}

void rain_load_release(struct rain_load *load)
{
	json_decref(load->pages);
	json_decref(load->ended);
	free(load->pools);
	free(load->jobs);
	memset(load, 0, sizeof *load);
}

int rain_load_pool_find(const struct rain_load *load, const char *partition)
{
	size_t length = strcspn(partition, ","), i;
	json_t *name;

	for (size_t p = 0; p < load->pool_count; p++)
		json_array_foreach(load->pools[p].partitions, i, name)
			if (json_string_length(name) == length &&
			    !memcmp(json_string_value(name), partition, length))
				return (int)p;
	return -1;
}

/* --- forecast --- */

/* One pool's jobs, and where each row's first one is. */
struct forecast {
	struct rain_forecast_job *jobs;
	struct rain_forecast_wait *waits;
	size_t count;
	size_t *first; /* of each row of the load; SIZE_MAX: not of this pool */
	size_t *mine;  /* of each job that is asked about */
};

static struct rain_forecast_job expect(const struct rain_predict *predict, uint64_t uid,
				       const struct rain_predict_shape *shape)
{
	struct rain_forecast_job job = { .procs = shape->procs, .expected = shape->limit,
					 .limit = shape->limit };
	struct rain_prediction prediction;

	if (!predict)
		return job;
	rain_predict_job(predict, uid, shape, &prediction);
	job.expected = prediction.expected;
	job.known = prediction.basis != RAIN_PREDICT_LIMIT;
	return job;
}

static void add_load(const struct rain_load *load, const struct rain_predict *predict, int pool,
		     struct forecast *f)
{
	for (size_t i = 0; i < load->count; i++) {
		const struct rain_load_job *row = &load->jobs[i];
		const struct rain_predict_shape shape = { .name = (uint64_t)row->name, .procs = row->cpus,
							  .limit = row->limit };
		struct rain_forecast_job job;

		f->first[i] = SIZE_MAX;
		if (row->pool != pool || f->count + (size_t)row->tasks > RAIN_LOAD_JOBS_MAX)
			continue;
		job = expect(predict, (uint64_t)row->uid, &shape);
		job.start = row->start;
		job.priority = row->priority;
		job.order = row->submit;
		f->first[i] = f->count;
		for (int32_t task = 0; task < row->tasks; task++)
			f->jobs[f->count++] = job;
	}
}

static size_t row_of(const struct rain_load *load, int64_t job_id)
{
	size_t low = 0, high = load->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (load->jobs[middle].job_id == job_id)
			return middle;
		if (load->jobs[middle].job_id < job_id)
			low = middle + 1;
		else
			high = middle;
	}
	return SIZE_MAX;
}

/* The jobs that are asked about: where they are, or behind all others. */
static void add_asked(const struct rain_load *load, const struct rain_predict *predict, int pool,
		      const struct rain_queue_job *const jobs[], size_t count, struct forecast *f)
{
	for (size_t i = 0; i < count; i++) {
		const struct rain_queue_job *job = jobs[i];
		const struct rain_predict_shape shape = {
			.name = rain_predict_name(job->name), .procs = bounded(rain_shape_cores(&job->shape), 1),
			.limit = bounded(job->shape.minutes * 60, 1),
		};
		size_t row;

		f->mine[i] = SIZE_MAX;
		if (rain_load_pool_find(load, job->partition) != pool)
			continue;
		row = row_of(load, job->job_id);
		if (row != SIZE_MAX && load->jobs[row].start == 0 && f->first[row] != SIZE_MAX) {
			f->mine[i] = f->first[row];
			continue;
		}
		if (f->count >= RAIN_LOAD_JOBS_MAX + count)
			continue;
		f->mine[i] = f->count;
		f->jobs[f->count] = expect(predict, (uint64_t)job->uid, &shape);
		f->jobs[f->count].priority = INT64_MIN;
		f->jobs[f->count++].order = job->submit_time;
	}
}

static int forecast_pool(const struct rain_load *load, const struct rain_predict *predict, int pool,
			 const struct rain_queue_job *const jobs[], size_t count, struct forecast *f,
			 struct rain_forecast_wait waits[], struct rain_error *err)
{
	f->count = 0;
	add_load(load, predict, pool, f);
	add_asked(load, predict, pool, jobs, count, f);
	if (rain_forecast(load->pools[pool].cpus, f->jobs, f->count, load->now, RAIN_FORECAST_STEPS,
			  f->waits, err))
		return -1;
	for (size_t i = 0; i < count; i++)
		if (f->mine[i] != SIZE_MAX)
			waits[i] = f->waits[f->mine[i]];
	return 0;
}

static size_t tasks_of(const struct rain_load *load)
{
	size_t tasks = 0;

	for (size_t i = 0; i < load->count; i++)
		tasks += (size_t)load->jobs[i].tasks;
	return tasks < RAIN_LOAD_JOBS_MAX ? tasks : RAIN_LOAD_JOBS_MAX;
}

int rain_load_forecast(const struct rain_load *load, const struct rain_predict *predict,
		       const struct rain_queue_job *const jobs[], size_t count,
		       struct rain_forecast_wait waits[], struct rain_error *err)
{
	size_t room = tasks_of(load) + count + 1;
	struct forecast f = {
		.jobs = calloc(room, sizeof *f.jobs), .waits = calloc(room, sizeof *f.waits),
		.first = calloc(load->count + 1, sizeof *f.first), .mine = calloc(count + 1, sizeof *f.mine),
	};
	int result = f.jobs && f.waits && f.first && f.mine
			     ? 0 : rain_error_set(err, "out of memory for the forecast");

	for (size_t i = 0; i < count; i++)
		waits[i] = (struct rain_forecast_wait){ .seconds = -1 };
	for (size_t p = 0; p < load->pool_count && result == 0; p++) {
		size_t asked = 0;

		for (size_t i = 0; i < count && !asked; i++)
			asked += rain_load_pool_find(load, jobs[i]->partition) == (int)p;
		if (asked)
			result = forecast_pool(load, predict, (int)p, jobs, count, &f, waits, err);
	}
	free(f.jobs);
	free(f.waits);
	free(f.first);
	free(f.mine);
	return result;
}
