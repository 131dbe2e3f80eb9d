/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The loop of the simulator: submissions, ends, timers; and who starts then. */
#include "scheduler/sim.h"

#include <stdlib.h>
#include <string.h>

#include "scheduler/sim_internal.h"

#define PROGRESS_EVERY 65536

/* splitmix64 (Steele, Lea, Flood 2014). */
uint64_t sim_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

void sim_touch(struct rain_sim *sim, uint32_t site)
{
	if (sim->config.kind == RAIN_SIM_MERGED)
		site = 0;
	if (sim->sites[site].touched)
		return;
	sim->sites[site].touched = true;
	sim->touched[(sim->touched_first + sim->touched_count++) % sim->count] = site;
}

bool sim_next_touched(struct rain_sim *sim, uint32_t *site)
{
	if (sim->touched_count == 0)
		return false;
	*site = sim->touched[sim->touched_first];
	sim->touched_first = (sim->touched_first + 1) % sim->count;
	sim->touched_count--;
	sim->sites[*site].touched = false;
	return true;
}

struct rain_easy *sim_machine(struct rain_sim *sim, uint32_t site)
{
	return &sim->sites[sim->config.kind == RAIN_SIM_MERGED ? 0 : site].easy;
}

static int32_t clamp32(int64_t value)
{
	return value > INT32_MAX ? INT32_MAX : (int32_t)value;
}

/* Seconds that `seconds` at home become on the host, overhead included. */
static int32_t seconds_there(const struct rain_sim *sim, const struct sim_job *job, uint32_t host,
			     int32_t seconds)
{
	const struct rain_site_spec *home = &sim->sites[job->home].spec;
	const struct rain_site_spec *there = &sim->sites[host].spec;
	int64_t result = seconds;

	if (host == job->home || sim->config.kind == RAIN_SIM_MERGED)
		return seconds;
	if (home->speed_permille != there->speed_permille)
		result = (result * home->speed_permille + there->speed_permille - 1) /
			 there->speed_permille;
	return clamp32(result + sim->config.overhead);
}

struct rain_waiting sim_waiting(const struct rain_sim *sim, uint32_t index, uint32_t host)
{
	const struct sim_job *job = &sim->jobs[index];
	enum rain_sim_order order = sim->config.order;

	return (struct rain_waiting){
		.seq = job->seq, .plan = seconds_there(sim, job, host, job->plan),
		.procs = job->procs, .job = index,
		.turn = order == RAIN_SIM_AGEING
				? rain_easy_deadline(job->submit, job->expected, sim->config.patience)
				: job->seq,
		.key = order == RAIN_SIM_FCFS ? job->seq : job->expected,
	};
}

static int out_of_memory(struct rain_error *err)
{
	return rain_error_set(err, "no memory for the simulation: take fewer clusters or jobs");
}

/* Puts a job into the queues that may start it. */
int sim_enqueue(struct rain_sim *sim, uint32_t index, struct rain_error *err)
{
	const struct sim_job *job = &sim->jobs[index];
	/* What has been thrown out often enough stays at home, and so comes to its end. */
	bool everywhere = sim->config.kind == RAIN_SIM_DUPLICATE &&
			  job->evictions < SIM_EVICTIONS_MAX;

	for (uint32_t i = 0; i < (everywhere ? sim->count : 1); i++) {
		uint32_t host = everywhere ? i : job->home;
		struct rain_waiting waiting = sim_waiting(sim, index, host);

		if (job->procs > sim_machine(sim, host)->procs ||
		    (host != job->home && sim->sites[host].spec.rides_free))
			continue;
		if (rain_easy_add(sim_machine(sim, host), &waiting) < 0)
			return out_of_memory(err);
	}
	/* Home is looked at before the others: it wins when both could start it. */
	sim_touch(sim, job->home);
	for (uint32_t i = 0; everywhere && i < sim->count; i++)
		sim_touch(sim, i);
	return 0;
}

/* The first that starts wins: the other copies go. */
static void drop_copies(struct rain_sim *sim, uint32_t index, uint32_t host)
{
	for (uint32_t i = 0; i < sim->count; i++) {
		struct rain_waiting waiting;

		if (i == host)
			continue;
		waiting = sim_waiting(sim, index, i);
		if (rain_easy_remove(&sim->sites[i].easy, &waiting))
			sim_touch(sim, i);
	}
}

int sim_begin(struct rain_sim *sim, uint32_t index, uint32_t host, struct rain_error *err)
{
	struct sim_job *job = &sim->jobs[index];
	bool guest = host != job->home && sim->config.kind != RAIN_SIM_MERGED;
	int32_t planned = seconds_there(sim, job, host, job->plan);
	int32_t limit = seconds_there(sim, job, host, job->limit);
	struct sim_site *there = &sim->sites[host];

	if (sim->config.kind == RAIN_SIM_DUPLICATE)
		drop_copies(sim, index, host);
	job->host = host;
	job->start = sim->now + (guest ? sim->config.overhead : 0);
	job->run_there = seconds_there(sim, job, host, job->run);
	job->doomed = false;
	if (guest) {
		sim->totals.sites[job->home].sent++;
		sim->totals.sites[host].hosted++;
		if (there->spec.evicts_percent &&
		    sim_random(&there->random) % 100 < (uint64_t)there->spec.evicts_percent) {
			job->doomed = true;
			job->run_there -= job->run_there / 2;
		}
		sim_credit_hold(sim, job);
	}
	job->end = sim->now + job->run_there;
	if (rain_easy_start(sim_machine(sim, host), sim->now, index, job->procs, planned, limit) < 0 ||
	    rain_heap_push(&sim->ends, &(struct rain_heap_item){job->end, (uint64_t)job->seq, index, 0}) < 0)
		return out_of_memory(err);
	return 0;
}

static uint32_t new_job(struct rain_sim *sim)
{
	uint32_t index = sim->free_job;

	if (index != NOWHERE) {
		sim->free_job = sim->jobs[index].host;
		return index;
	}
	if (sim->job_used == sim->job_size) {
		size_t size = sim->job_size ? sim->job_size * 2 : 1024;
		struct sim_job *jobs = size < NOWHERE ? reallocarray(sim->jobs, size, sizeof *jobs) : NULL;

		if (!jobs)
			return NOWHERE;
		sim->jobs = jobs;
		sim->job_size = size;
	}
	return (uint32_t)sim->job_used++;
}

static void plan(const struct rain_sim *sim, const struct sim_site *home, struct sim_job *job)
{
	struct rain_predict_shape shape = {.procs = job->procs, .limit = job->limit};
	struct rain_prediction prediction;

	job->plan = job->expected = job->limit;
	if (sim->config.plan == RAIN_SIM_PLAN_PERFECT)
		job->plan = job->expected = job->run;
	if (sim->config.plan != RAIN_SIM_PLAN_PREDICT)
		return;
	rain_predict_job(home->predict, job->user, &shape, &prediction);
	job->expected = prediction.expected;
	job->plan = prediction.high;
}

/* Reads a site's next submission into the queue of submissions. */
static int expect_arrival(struct rain_sim *sim, uint32_t site, struct rain_error *err)
{
	struct sim_site *at = &sim->sites[site];
	int got;

	while ((got = at->spec.source.next(at->spec.source.state, &at->next)) > 0) {
		struct rain_heap_item item = {at->next.submit, site, site, 0};

		if (at->next.procs > at->spec.procs) {
			sim->totals.dropped++;
			continue;
		}
		return rain_heap_push(&sim->arrivals, &item) < 0 ? out_of_memory(err) : 0;
	}
	return got < 0 ? rain_error_set(err, "the workload of %s can't be read on", at->spec.name) : 0;
}

/* The job looks for a peer once home has had its chance. */
int sim_seek_later(struct rain_sim *sim, uint32_t index, struct rain_error *err)
{
	if (sim->arrived_count == sim->arrived_size) {
		size_t size = sim->arrived_size ? sim->arrived_size * 2 : 64;
		uint32_t *arrived = reallocarray(sim->arrived, size, sizeof *arrived);

		if (!arrived)
			return out_of_memory(err);
		sim->arrived = arrived;
		sim->arrived_size = size;
	}
	sim->arrived[sim->arrived_count++] = index;
	return 0;
}

static int submit(struct rain_sim *sim, uint32_t site, struct rain_error *err)
{
	struct sim_site *home = &sim->sites[site];
	const struct rain_arrival *arrival = &home->next;
	uint32_t index = new_job(sim);
	struct sim_job *job;

	if (index == NOWHERE)
		return out_of_memory(err);
	job = &sim->jobs[index];
	*job = (struct sim_job){
		.submit = arrival->submit, .seq = sim->seq++, .run = arrival->run > 0 ? arrival->run : 1,
		.procs = arrival->procs, .user = arrival->user, .home = site, .host = NOWHERE,
	};
	job->limit = arrival->limit > job->run ? arrival->limit : job->run;
	if (home->spec.pad_percent > 100)
		job->limit = clamp32((int64_t)job->limit * home->spec.pad_percent / 100);
	plan(sim, home, job);
	if (sim->totals.jobs++ == 0 || job->submit < sim->totals.first)
		sim->totals.first = job->submit;
	sim->totals.sites[site].jobs++;
	if (sim_enqueue(sim, index, err) < 0)
		return -1;
	if (sim->config.kind == RAIN_SIM_LATE && sim->config.flock_delay > 0) {
		struct rain_heap_item timer = {sim->now + sim->config.flock_delay, (uint64_t)job->seq,
					       SIM_TIMER_FLOCK, index};

		if (rain_heap_push(&sim->timers, &timer) < 0)
			return out_of_memory(err);
	} else if (sim->config.kind == RAIN_SIM_LATE && sim_seek_later(sim, index, err) < 0) {
		return -1;
	}
	return expect_arrival(sim, site, err);
}

static void report(struct rain_sim *sim, const struct sim_job *job)
{
	struct rain_outcome outcome = {
		.submit = job->submit, .number = job->seq, .start = job->start, .end = job->end,
		.run = job->run, .procs = job->procs, .user = job->user, .home = job->home,
		.host = job->host, .evictions = job->evictions,
	};

	if (sim->config.done)
		sim->config.done(sim->config.arg, &outcome);
}

/* An evicted job is back in its queue, with its age. */
static int put_back(struct rain_sim *sim, uint32_t index, struct rain_error *err)
{
	struct sim_job *job = &sim->jobs[index];

	sim->totals.sites[job->home].evicted++;
	job->evictions++;
	job->host = NOWHERE;
	return sim_enqueue(sim, index, err);
}

/* A guest is thrown out; its work was for nothing. */
int sim_evict(struct rain_sim *sim, uint32_t index, struct rain_error *err)
{
	struct sim_job *job = &sim->jobs[index];

	rain_easy_finish(sim_machine(sim, job->host), index);
	sim_touch(sim, job->host);
	sim->totals.sites[job->host].work += (sim->now + job->run_there - job->end) * job->procs;
	sim_credit_settle(sim, job, false);
	return put_back(sim, index, err);
}

static int finish(struct rain_sim *sim, const struct rain_heap_item *item, struct rain_error *err)
{
	struct sim_job *job = &sim->jobs[item->what];
	struct rain_predict_shape shape = {.procs = job->procs, .limit = job->limit};
	struct rain_site_totals *host;
	bool guest;

	if (job->seq != (int64_t)item->order || job->end != item->time || job->host == NOWHERE)
		return 0; /* it was evicted before */
	host = &sim->totals.sites[job->host];
	guest = job->host != job->home && sim->config.kind != RAIN_SIM_MERGED;
	rain_easy_finish(sim_machine(sim, job->host), item->what);
	sim_touch(sim, job->host);
	host->work += (int64_t)job->run_there * job->procs;
	if (guest)
		sim_credit_settle(sim, job, !job->doomed);
	else
		rain_trust_ended(&sim->sites[job->home].trust, job->expected, job->run);
	if (job->doomed)
		return put_back(sim, item->what, err);
	/* Home hears of the end when the link is up again. */
	if (guest && sim->sites[job->home].cut_until > job->end)
		job->end = sim->sites[job->home].cut_until;
	if (guest && sim->sites[job->host].cut_until > job->end)
		job->end = sim->sites[job->host].cut_until;
	if (sim->config.plan == RAIN_SIM_PLAN_PREDICT &&
	    rain_predict_learn(sim->sites[job->home].predict, job->user, &shape, job->run, err) < 0)
		return -1;
	if (job->end > sim->totals.last)
		sim->totals.last = job->end;
	report(sim, job);
	job->seq = -1;
	job->host = sim->free_job;
	sim->free_job = item->what;
	return 0;
}

/* Home jobs that can start, do. */
int sim_pass(struct rain_sim *sim, uint32_t site, struct rain_error *err)
{
	struct rain_waiting waiting;

	while (rain_easy_take(&sim->sites[site].easy, sim->now, &waiting)) {
		uint32_t host = sim->config.kind == RAIN_SIM_MERGED ? sim->jobs[waiting.job].home : site;

		if (sim_begin(sim, waiting.job, host, err) < 0)
			return -1;
	}
	if (sim->config.owners_evict && sim->config.kind == RAIN_SIM_LATE)
		return sim_owner_evicts(sim, site, err);
	return 0;
}

static int settle(struct rain_sim *sim, struct rain_error *err)
{
	uint32_t site;

	while (sim_next_touched(sim, &site))
		if (sim_pass(sim, site, err) < 0)
			return -1;
	return 0;
}

/* The next moment at which something happens; FOREVER at the end. */
static int64_t next_moment(const struct rain_sim *sim)
{
	const struct rain_heap_item *end = rain_heap_top(&sim->ends);
	const struct rain_heap_item *arrival = rain_heap_top(&sim->arrivals);
	const struct rain_heap_item *timer = rain_heap_top(&sim->timers);
	int64_t next = FOREVER;

	if (end)
		next = end->time;
	if (arrival && arrival->time < next)
		next = arrival->time;
	if (timer && (end || arrival) && timer->time < next)
		next = timer->time;
	return next;
}

static int step(struct rain_sim *sim, struct rain_error *err)
{
	const struct rain_heap_item *top;

	while ((top = rain_heap_top(&sim->ends)) && top->time == sim->now) {
		struct rain_heap_item item = rain_heap_pop(&sim->ends);

		sim->totals.events++;
		if (finish(sim, &item, err) < 0)
			return -1;
	}
	while ((top = rain_heap_top(&sim->timers)) && top->time == sim->now) {
		struct rain_heap_item item = rain_heap_pop(&sim->timers);

		if (sim_world_timer(sim, &item, err) < 0)
			return -1;
	}
	while ((top = rain_heap_top(&sim->arrivals)) && top->time == sim->now) {
		struct rain_heap_item item = rain_heap_pop(&sim->arrivals);

		sim->totals.events++;
		if (submit(sim, item.what, err) < 0)
			return -1;
	}
	return sim->config.kind == RAIN_SIM_LATE ? sim_late(sim, err) : settle(sim, err);
}

int rain_sim_run(struct rain_sim *sim, struct rain_error *err)
{
	int64_t next, told = 0;

	for (uint32_t i = 0; i < sim->count; i++)
		if (expect_arrival(sim, i, err) < 0)
			return -1;
	if (sim_world_start(sim, err) < 0)
		return -1;
	while ((next = next_moment(sim)) != FOREVER) {
		sim->now = next;
		if (step(sim, err) < 0)
			return -1;
		if (sim->config.progress && sim->totals.jobs - told >= PROGRESS_EVERY) {
			told = sim->totals.jobs;
			if (!sim->config.progress(sim->config.progress_arg, told, sim->now))
				return rain_error_set(err, "stopped after %lld jobs", (long long)told);
		}
	}
	return 0;
}
