/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long one decision of the gateway takes: 10,000 pending jobs that may all go, and
 * 100 peers, from the broker's bytes to the sentences.  The code is the gateway's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "federation/policy.h"

enum { JOBS = 10000, RUNNING = 500, PEERS = 100, ROUNDS = 7, PAGE = 1000, USERS = 100 };

static uint64_t random_state = 1;

static int draw(int below)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (int)((random_state >> 33) % (uint64_t)below);
}

static double cpu_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static char *text_of(json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT);

	json_decref(json);
	if (!text)
		exit(1);
	return text;
}

/* A page of the op "queue", in the broker's fields. */
static char *queue_page(int first)
{
	json_t *jobs = json_array();

	for (int id = first; id < first + PAGE; id++) {
		int nodes = 1 + draw(8);
		char user[16], name[16];

		snprintf(user, sizeof user, "user%d", id % USERS);
		snprintf(name, sizeof name, "run-%d", id);
		json_array_append_new(jobs, json_pack(
			"{s:i, s:i, s:i, s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:b, s:{s:s, s:n, s:[], s:s}}",
			"job_id", id, "uid", 1000 + id % USERS, "gid", 1000, "user", user, "name", name,
			"partition", "trainer", "state", "PENDING", "reason", "Priority", "submit_time",
			1700000000 + id, "eligible_time", 1700000000 + id, "nodes", nodes, "tasks", nodes * 4,
			"cpus", nodes * 4, "cpus_per_task", 1, "minutes", 5 + draw(600), "batch", 1, "burst", "mode",
			"auto", "max_utok", "peers", "sentence", ""));
	}
	return text_of(json_pack("{s:i, s:o, s:b}", "now", 1700100000, "jobs", jobs, "more", 1));
}

/* The op "load": what runs, and the same jobs. */
static char *load_page(int first, int count)
{
	json_t *jobs = json_array();

	for (int i = first; i < first + count; i++)
		json_array_append_new(jobs, json_pack(
			"[i, i, i, I, i, i, I, i, i, i]", i, 0, 1000 + i % USERS,
			(json_int_t)rain_predict_name("run-"), 4 * (1 + draw(8)), 60 * (5 + draw(600)),
			(json_int_t)4294901760 - i, 1700000000 + i, i <= RUNNING ? 1700099000 - draw(3000) : 0, 1));
	return text_of(json_pack("{s:i, s:[{s:[s], s:i, s:i}], s:o, s:[], s:i, s:b}", "now", 1700100000, "pools",
				 "partitions", "trainer", "cpus", 4096, "cpus_per_node", 4, "jobs", jobs, "ended",
				 "last", first + count - 1, "more", 0));
}

static json_t *parse(const char *text)
{
	json_t *json = json_loads(text, 0, NULL);

	if (!json)
		exit(1);
	return json;
}

static struct rain_predict *history(void)
{
	struct rain_predict *predict = rain_predict_create();

	for (int i = 0; predict && i < USERS * 32; i++) {
		struct rain_predict_shape shape = { .name = rain_predict_name("run-"), .procs = 4 * (1 + draw(8)),
						    .limit = 60 * (5 + draw(600)) };

		if (rain_predict_learn(predict, (uint64_t)(1000 + i % USERS), &shape, 1 + draw(20000), NULL))
			exit(1);
	}
	return predict;
}

static void peers_make(struct rain_capacity peers[])
{
	for (int i = 0; i < PEERS; i++)
		peers[i] = (struct rain_capacity){
			.free = 1 + draw(8), .extra = 8, .window = INT32_MAX, .overhead = 1 + draw(30),
			.speed_permille = 800 + draw(400), .credit = INT64_C(1000000) * draw(1000),
			.owes = draw(1000000), .nodes = 8, .minutes = 600, .cpus_per_node = 4, .mflops = 1000,
			.percent = 100,
		};
}

enum { LOAD, QUEUE, FORECAST, CANDIDATES, PLAN, SENTENCES, STEPS };
static const char *const names[STEPS] = { "load: bytes to rows", "queue: bytes to jobs", "forecast of the waits",
					  "run times, candidates", "plan", "sentences" };

static char *pages[JOBS / PAGE], *loads[2];

static void decide(const struct rain_policy *policy, double took[STEPS], size_t *placed)
{
	struct rain_queue queue = { 0 };
	struct rain_load load = { 0 };
	struct rain_error err = { "" };
	struct rain_capacity peers[PEERS];
	const struct rain_queue_job **jobs = calloc(JOBS, sizeof *jobs);
	struct rain_forecast_wait *waits = calloc(JOBS, sizeof *waits);
	struct rain_candidate *candidates = calloc(JOBS, sizeof *candidates);
	struct rain_placement *placements = calloc(JOBS, sizeof *placements);
	size_t *order = calloc(JOBS, sizeof *order);
	char sentence[RAIN_OVERFLOW_SENTENCE];
	double at = cpu_ms();
	int failed = 0;

#define TOOK(step) (took[step] = cpu_ms() - at, at = cpu_ms())
	for (int i = 0; i < 2; i++) {
		json_t *page = parse(loads[i]);
		failed |= rain_load_add(&load, page, &err);
		json_decref(page);
	}
	TOOK(LOAD);
	for (int i = 0; i < JOBS / PAGE; i++) {
		json_t *page = parse(pages[i]);
		failed |= rain_queue_add(&queue, page, &err);
		json_decref(page);
	}
	TOOK(QUEUE);
	for (int i = 0; i < JOBS; i++)
		jobs[i] = &queue.jobs[i];
	failed |= rain_load_forecast(&load, policy->predict, jobs, JOBS, waits, &err);
	TOOK(FORECAST);
	for (int i = 0; i < JOBS; i++)
		rain_candidate_of(policy, jobs[i], &waits[i], 1000000000, &candidates[i]);
	TOOK(CANDIDATES);
	peers_make(peers);
	failed |= rain_overflow_plan(&policy->rule, candidates, JOBS, peers, PEERS, placements, order, &err);
	TOOK(PLAN);
	*placed = 0;
	for (int i = 0; i < JOBS; i++) {
		rain_overflow_explain(&candidates[i], &peers[placements[i].about], placements[i].verdict, "bravo",
				      NULL, sentence);
		*placed += placements[i].peer >= 0;
	}
	TOOK(SENTENCES);
	if (failed)
		fprintf(stderr, "bench: %s\n", err.text);
	rain_queue_release(&queue);
	rain_load_release(&load);
	free(jobs);
	free(waits);
	free(candidates);
	free(placements);
	free(order);
}

int main(void)
{
	struct rain_policy policy = { .rule = *rain_overflow_policy_at(2), .predicts = true };
	double best[STEPS], total = 0, whole = 1e9;
	size_t placed = 0, queue_bytes = 0;

	policy.predict = history();
	for (int i = 0; i < JOBS / PAGE; i++) {
		pages[i] = queue_page(RUNNING + 1 + i * PAGE);
		queue_bytes += strlen(pages[i]);
	}
	loads[0] = load_page(1, JOBS / 2 + RUNNING);
	loads[1] = load_page(JOBS / 2 + RUNNING + 1, JOBS / 2);
	for (int i = 0; i < ROUNDS; i++) {
		double took[STEPS];

		decide(&policy, took, &placed);
		total = 0;
		for (int s = 0; s < STEPS; s++)
			total += took[s];
		if (total >= whole)
			continue;
		whole = total;
		memcpy(best, took, sizeof best);
	}
	printf("policy %s, %d pending jobs, %d running, %d peers, %d users; %zu jobs placed; best of %d, CPU time\n",
	       policy.rule.name, JOBS, RUNNING, PEERS, USERS, placed, ROUNDS);
	for (int s = 0; s < STEPS; s++)
		printf("%8.1f ms  %s\n", best[s], names[s]);
	printf("%8.1f ms  the decision (forecast to sentences)\n%8.1f ms  with reading %zu kB of the broker's answers\n",
	       best[FORECAST] + best[CANDIDATES] + best[PLAN] + best[SENTENCES], whole,
	       (queue_bytes + strlen(loads[0]) + strlen(loads[1])) / 1000);
	for (int i = 0; i < JOBS / PAGE; i++)
		free(pages[i]);
	free(loads[0]);
	free(loads[1]);
	rain_predict_destroy(policy.predict);
	return 0;
}
