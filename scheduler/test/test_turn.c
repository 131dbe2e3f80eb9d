/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "scheduler/easy.h"
#include "scheduler/turn.h"

#define NOW INT64_C(1800000000)

static const struct rain_turn_policy shortest = {RAIN_TURN_SHORTEST, 5, 86400, 100000000};
static const struct rain_turn_policy contribution = {RAIN_TURN_CONTRIBUTION, 5, 86400, 100000000};
static uint64_t seed;

static uint64_t next(uint64_t below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (seed >> 33) % below;
}

static int64_t points(const struct rain_turn_policy *policy, int64_t submit, int64_t expected, int64_t balance)
{
	const struct rain_turn_job job = {submit, expected, balance};

	return rain_turn_points(policy, &job);
}

static void short_and_old_come_first(void **state)
{
	(void)state;
	assert_true(points(&shortest, NOW, 60, 0) > points(&shortest, NOW, 3600, 0));
	assert_true(points(&shortest, NOW - 1, 60, 0) > points(&shortest, NOW, 60, 0));
	/* a point is a second */
	assert_int_equal(points(&shortest, NOW, 60, 0) - points(&shortest, NOW + 1, 60, 0), 1);
	assert_int_equal(points(&shortest, NOW, 60, 0) - points(&shortest, NOW, 61, 0), 5);
	/* ageing: an hour's job beats a minute's that came five hours later */
	assert_true(points(&shortest, NOW, 3600, 0) > points(&shortest, NOW + 5 * 3600, 60, 0));
	/* nothing known is the longest */
	assert_int_equal(points(&shortest, NOW, 0, 0), points(&shortest, NOW, 86400, 0));
}

static void who_gave_comes_first(void **state)
{
	(void)state;
	assert_true(points(&contribution, NOW, 60, 5000000) > points(&contribution, NOW, 60, 4000000));
	/* as many as the reference: half of the wait */
	assert_int_equal(points(&contribution, NOW, 60, 100000000) - points(&contribution, NOW, 60, 0), 43200);
	assert_int_equal(points(&contribution, NOW, 60, -5), points(&contribution, NOW, 60, 0));
	assert_true(points(&contribution, NOW, 60, INT64_MAX) <= points(&contribution, NOW, 60, 0) + 86400);
}

static void off_is_nothing_and_nonsense_is_bounded(void **state)
{
	static const int64_t wild[] = {INT64_MIN, -1, 0, 1, NOW, INT64_MAX};
	const struct rain_turn_policy off = {.order = RAIN_TURN_OFF};

	(void)state;
	assert_int_equal(points(&off, NOW, 60, 0), 0);
	for (size_t i = 0; i < 6; i++)
		for (size_t j = 0; j < 6; j++) {
			int64_t a = points(&shortest, wild[i], wild[j], 0);
			int64_t b = points(&contribution, wild[i], 60, wild[j]);

			assert_true(a >= 1 && a <= RAIN_TURN_POINTS_MAX);
			assert_true(b >= 1 && b <= RAIN_TURN_POINTS_MAX);
		}
}

/* Nobody who comes more than max_wait later comes before, whatever is predicted. */
static void the_bound_holds_for_every_pair(void **state)
{
	(void)state;
	seed = 1;
	for (int i = 0; i < 200000; i++) {
		const struct rain_turn_policy policy = {
			.order = next(2) ? RAIN_TURN_SHORTEST : RAIN_TURN_CONTRIBUTION,
			.patience = (int32_t)next(50), .max_wait = 1 + (int32_t)next(1000000),
			.reference_utok = 1 + (int64_t)next(1u << 30),
		};
		int64_t old = NOW + (int64_t)next(1000000), late = old + policy.max_wait + 1 + (int64_t)next(100000);

		assert_true(points(&policy, old, (int64_t)next(1u << 30), (int64_t)next(1u << 30) - 5) >
			    points(&policy, late, (int64_t)next(1u << 30), (int64_t)next(1u << 30) - 5));
	}
}

#define LITTLE 620 /* the longest of the others */
#define STEP 136   /* the scheduler looks at least so often */

/* A machine that is flooded for ever by short jobs, and one job that is long and needs
 * all of it: it starts within the bound of turn.h. */
struct flood {
	struct rain_easy easy;
	int64_t now, deadline, ahead; /* how many are ahead at the deadline */
	bool counted;
};

static void count_ahead(struct flood *flood, uint32_t victim)
{
	flood->counted = true;
	for (size_t i = 0; i < flood->easy.waiting; i++)
		if (flood->easy.queue[i].job != victim && flood->easy.queue[i].turn <= flood->deadline)
			flood->ahead++;
}

static int64_t starts_of(struct flood *flood, uint32_t victim)
{
	struct rain_waiting taken;

	while (flood->easy.active > 0 && flood->easy.running[0].end <= flood->now)
		rain_easy_finish(&flood->easy, flood->easy.running[0].job);
	while (rain_easy_take(&flood->easy, flood->now, &taken)) {
		rain_easy_start(&flood->easy, flood->now, taken.job, taken.procs, taken.plan, taken.plan);
		if (taken.job == victim)
			return flood->now;
	}
	return -1;
}

static void nobody_starves(void **state)
{
	(void)state;
	for (uint64_t run = 1; run <= 40; run++) {
		const struct rain_turn_policy policy = {RAIN_TURN_SHORTEST, 3, 20000, 1};
		struct flood flood = {.now = NOW};
		const struct rain_turn_job wide = {.submit = NOW, .expected = 100000};
		int64_t started = -1;

		seed = run;
		rain_easy_init(&flood.easy, 16);
		flood.deadline = rain_turn_deadline(&policy, &wide);
		assert_int_equal(rain_easy_add(&flood.easy, &(struct rain_waiting){
			.seq = 0, .turn = flood.deadline, .key = 100000, .plan = 100000, .procs = 16}), 0);
		/* a load of about 1.3, and never an end of it */
		for (uint32_t job = 1; started < 0; job++) {
			int32_t plan = 20 + (int32_t)next(LITTLE - 20 + 1), procs = 1 + (int32_t)next(8);
			const struct rain_turn_job little = {.submit = flood.now, .expected = plan};

			assert_int_equal(rain_easy_add(&flood.easy, &(struct rain_waiting){
				.seq = job, .turn = rain_turn_deadline(&policy, &little), .key = plan,
				.plan = plan, .procs = procs, .job = job}), 0);
			started = starts_of(&flood, 0);
			if (!flood.counted && started < 0 && flood.now >= flood.deadline)
				count_ahead(&flood, 0);
			flood.now += (int64_t)next(STEP);
			assert_true(job < 1000000);
		}
		if (flood.counted)
			assert_true(started <= flood.deadline + (flood.ahead + 1) * (LITTLE + STEP));
		rain_easy_release(&flood.easy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_and_old_come_first),
		cmocka_unit_test(who_gave_comes_first),
		cmocka_unit_test(off_is_nothing_and_nonsense_is_bounded),
		cmocka_unit_test(the_bound_holds_for_every_pair),
		cmocka_unit_test(nobody_starves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
