/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Properties that hold whatever the workload, on made-up workloads of many seeds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scheduler/sim.h"
#include "scheduler/workload.h"

#define SITES 4
#define JOBS 600
#define SEEDS 5

static const char *const names[SITES] = {"ada", "ben", "eve", "kim"};
static const int32_t procs[SITES] = {8, 32, 16, 64};
static const double loads[SITES] = {1.1, 0.7, 0.9, 0.4};

struct world {
	struct rain_outcome outcomes[SITES * JOBS];
	size_t count;
	struct rain_sim *sim;
	struct rain_workload *workloads[SITES];
};

static void done(void *arg, const struct rain_outcome *outcome)
{
	struct world *world = arg;

	assert_in_range(world->count, 0, SITES * JOBS - 1);
	world->outcomes[world->count++] = *outcome;
}

/* Runs the four sites; `order` says in which order they are named. */
static struct world *simulate(struct rain_sim_config config, uint64_t seed, const int order[SITES],
			      const struct rain_site_spec *traits)
{
	struct world *world = calloc(1, sizeof *world);
	struct rain_site_spec specs[SITES] = {0};
	struct rain_error err;

	assert_non_null(world);
	for (int i = 0; i < SITES; i++) {
		int site = order[i];
		struct rain_workload_spec spec = {.seed = seed * 16 + (uint64_t)site, .procs = procs[site],
						  .jobs = JOBS, .load = loads[site], .users = 5};

		world->workloads[site] = rain_workload_create(&spec, &err);
		assert_non_null(world->workloads[site]);
		if (traits)
			specs[i] = traits[site];
		snprintf(specs[i].name, sizeof specs[i].name, "%s", names[site]);
		specs[i].procs = procs[site];
		specs[i].source = (struct rain_source){rain_workload_next, world->workloads[site]};
	}
	config.done = done;
	config.arg = world;
	config.seed = seed;
	world->sim = rain_sim_create(&config, specs, SITES, &err);
	assert_non_null(world->sim);
	assert_int_equal(rain_sim_run(world->sim, &err), 0);
	return world;
}

static void destroy(struct world *world)
{
	for (int i = 0; i < SITES; i++)
		rain_workload_destroy(world->workloads[i]);
	rain_sim_destroy(world->sim);
	free(world);
}

static const int in_order[SITES] = {0, 1, 2, 3};

static struct rain_sim_config config_of(const char *policy)
{
	struct rain_sim_config config = {
		.kind = RAIN_SIM_LATE, .order = RAIN_SIM_AGEING, .patience = 3, .overhead = 60,
	};
	struct rain_error err;

	if (!strcmp(policy, "isolated"))
		config.kind = RAIN_SIM_ISOLATED;
	else if (!strcmp(policy, "duplicate"))
		config.kind = RAIN_SIM_DUPLICATE;
	else if (!strcmp(policy, "merged"))
		config.kind = RAIN_SIM_MERGED;
	else {
		assert_non_null(rain_overflow_policy_find(policy, &err));
		config.policy = *rain_overflow_policy_find(policy, &err);
	}
	return config;
}

static const char *const policies[] = {"isolated", "duplicate", "merged", "simple",
				       "open",	   "clever",	"favours", "tokens"};
#define POLICIES (sizeof policies / sizeof *policies)

struct change {
	int64_t time;
	int32_t procs;
};

static int by_time(const void *a, const void *b)
{
	const struct change *x = a, *y = b;

	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return (x->procs > y->procs) - (x->procs < y->procs); /* ends before starts */
}

/* host < 0: all machines as one. The overhead of a guest is spent on the host. */
static void check_capacity(const struct world *world, int64_t host, int32_t capacity, int32_t overhead)
{
	struct change *changes = calloc(2 * world->count, sizeof *changes);
	size_t count = 0;
	int32_t used = 0;

	assert_non_null(changes);
	for (size_t i = 0; i < world->count; i++) {
		const struct rain_outcome *o = &world->outcomes[i];
		int64_t start = o->start - (o->home != o->host ? overhead : 0);

		if (host >= 0 && o->host != host)
			continue;
		changes[count++] = (struct change){start, o->procs};
		changes[count++] = (struct change){o->end, -o->procs};
	}
	qsort(changes, count, sizeof *changes, by_time);
	for (size_t i = 0; i < count; i++) {
		used += changes[i].procs;
		assert_in_range(used, 0, capacity);
	}
	free(changes);
}

static void check_each_job_once(const struct world *world)
{
	bool *seen = calloc(SITES * JOBS, sizeof *seen);

	assert_non_null(seen);
	assert_int_equal(world->count, SITES * JOBS);
	for (size_t i = 0; i < world->count; i++) {
		const struct rain_outcome *o = &world->outcomes[i];

		assert_in_range(o->number, 0, SITES * JOBS - 1);
		assert_false(seen[o->number]);
		seen[o->number] = true;
		assert_true(o->start >= o->submit);
		assert_true(o->end == o->start + o->run);
	}
	free(seen);
}

static void test_no_machine_oversubscribed_no_job_twice_or_early(void **state)
{
	(void)state;
	for (size_t p = 0; p < POLICIES; p++) {
		for (uint64_t seed = 1; seed <= SEEDS; seed++) {
			struct world *world = simulate(config_of(policies[p]), seed, in_order, NULL);

			check_each_job_once(world);
			if (!strcmp(policies[p], "merged"))
				check_capacity(world, -1, 8 + 32 + 16 + 64, 0);
			for (int i = 0; strcmp(policies[p], "merged") != 0 && i < SITES; i++)
				check_capacity(world, i, rain_sim_site(world->sim, (size_t)i)->procs, 60);
			destroy(world);
		}
	}
}

static void assert_same(const struct world *a, const struct world *b)
{
	assert_int_equal(a->count, b->count);
	for (size_t i = 0; i < a->count; i++) {
		assert_int_equal(a->outcomes[i].number, b->outcomes[i].number);
		assert_int_equal(a->outcomes[i].start, b->outcomes[i].start);
		assert_int_equal(a->outcomes[i].end, b->outcomes[i].end);
		assert_int_equal(a->outcomes[i].host, b->outcomes[i].host);
	}
}

static void test_same_seed_same_result_whatever_the_order(void **state)
{
	static const int orders[][SITES] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}};

	(void)state;
	for (size_t p = 0; p < POLICIES; p++) {
		struct rain_sim_config config = config_of(policies[p]);
		struct world *first, *other;

		config.stale_percent = 10;
		config.cut_every = 20000;
		config.cut_for = 3000;
		first = simulate(config, 7, in_order, NULL);
		for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
			other = simulate(config, 7, orders[i], NULL);
			assert_same(first, other);
			destroy(other);
		}
		destroy(first);
	}
}

/* Every policy comes to its end in a world where everything happens. */
static void test_ends_whatever_happens(void **state)
{
	struct rain_site_spec traits[SITES] = {
		{.evicts_percent = 100}, {.renames_days = 1}, {.leaves_day = 2}, {.overclaim_percent = 900},
	};

	(void)state;
	for (size_t p = 0; p < POLICIES; p++) {
		struct rain_sim_config config = config_of(policies[p]);
		struct world *world;

		config.owners_evict = true;
		config.stale_percent = 30;
		config.cut_every = 7000;
		config.cut_for = 7000;
		world = simulate(config, 11, in_order, traits);
		assert_int_equal(world->count, SITES * JOBS);
		destroy(world);
	}
}

static void test_another_seed_is_another_result(void **state)
{
	struct world *a = simulate(config_of("clever"), 1, in_order, NULL);
	struct world *b = simulate(config_of("clever"), 2, in_order, NULL);
	bool differ = false;

	(void)state;
	for (size_t i = 0; i < a->count; i++)
		differ |= a->outcomes[i].start != b->outcomes[i].start;
	assert_true(differ);
	destroy(a);
	destroy(b);
}

/* What was given was received, by whatever mischief. */
static void test_work_is_conserved(void **state)
{
	struct rain_site_spec traits[SITES] = {
		{.overclaim_percent = 500}, {.evicts_percent = 40}, {.renames_days = 1},
		{.pad_percent = 300, .speed_permille = 1700},
	};

	(void)state;
	for (size_t p = 3; p < POLICIES; p++) {
		for (uint64_t seed = 1; seed <= SEEDS; seed++) {
			struct rain_sim_config config = config_of(policies[p]);
			const struct rain_sim_totals *totals;
			int64_t given = 0, received = 0;
			struct world *world;

			config.owners_evict = seed % 2;
			world = simulate(config, seed, in_order, traits);
			totals = rain_sim_totals(world->sim);
			for (int i = 0; i < SITES; i++) {
				given += totals->sites[i].given;
				received += totals->sites[i].received;
			}
			assert_int_equal(given, received);
			assert_int_equal(world->count, SITES * JOBS);
			assert_true(given > 0 || !strcmp(policies[p], "tokens"));
			destroy(world);
		}
	}
}

static void test_who_never_lends_hosts_nobody_and_gains_little(void **state)
{
	struct rain_site_spec traits[SITES] = {{.rides_free = true}};
	struct world *world = simulate(config_of("clever"), 3, in_order, traits);
	const struct rain_sim_totals *totals = rain_sim_totals(world->sim);
	int64_t allowance = 0;

	(void)state;
	assert_string_equal(rain_sim_site(world->sim, 0)->name, "ada");
	assert_int_equal(totals->sites[0].hosted, 0);
	for (int i = 1; i < SITES; i++)
		allowance += config_of("clever").policy.allowance * procs[i];
	assert_true(totals->sites[0].received <= allowance);
	destroy(world);
}

static void test_who_leaves_neither_gets_nor_gives(void **state)
{
	struct rain_site_spec traits[SITES] = {[1] = {.leaves_day = 1}};
	struct world *world = simulate(config_of("open"), 4, in_order, traits);
	size_t after = 0;

	(void)state;
	for (size_t i = 0; i < world->count; i++) {
		const struct rain_outcome *o = &world->outcomes[i];

		if (o->home == o->host || o->start - 60 <= 86400)
			continue;
		assert_int_not_equal(o->home, 1);
		assert_int_not_equal(o->host, 1);
		after++;
	}
	assert_true(after > 0);
	destroy(world);
}

static void test_refuses_what_is_no_federation(void **state)
{
	struct rain_site_spec twins[2] = {{.name = "ada", .procs = 4}, {.name = "ada", .procs = 8}};
	struct rain_site_spec none = {.name = "nil"};
	struct rain_sim_config config = {.kind = RAIN_SIM_ISOLATED};
	struct rain_error err;

	(void)state;
	assert_null(rain_sim_create(&config, twins, 2, &err));
	assert_non_null(strstr(err.text, "two clusters are called ada"));
	assert_null(rain_sim_create(&config, &none, 1, &err));
	assert_non_null(strstr(err.text, "no processors"));
	assert_null(rain_sim_create(&config, NULL, 0, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_machine_oversubscribed_no_job_twice_or_early),
		cmocka_unit_test(test_same_seed_same_result_whatever_the_order),
		cmocka_unit_test(test_ends_whatever_happens),
		cmocka_unit_test(test_another_seed_is_another_result),
		cmocka_unit_test(test_work_is_conserved),
		cmocka_unit_test(test_who_never_lends_hosts_nobody_and_gains_little),
		cmocka_unit_test(test_who_leaves_neither_gets_nor_gives),
		cmocka_unit_test(test_refuses_what_is_no_federation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
