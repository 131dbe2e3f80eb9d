/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scheduler/predict.h"

static const struct rain_predict_shape shape = {.procs = 4, .limit = 3600};

static struct rain_prediction predict(const struct rain_predict *history, uint64_t user,
				      const struct rain_predict_shape *like)
{
	struct rain_prediction prediction;

	rain_predict_job(history, user, like, &prediction);
	assert_in_range(prediction.expected, 1, like->limit);
	assert_in_range(prediction.high, 1, like->limit);
	return prediction;
}

static void learn(struct rain_predict *history, uint64_t user, const struct rain_predict_shape *like,
		  int32_t run)
{
	assert_int_equal(rain_predict_learn(history, user, like, run, NULL), 0);
}

static void test_without_history_the_limit(void **state)
{
	struct rain_predict *history = rain_predict_create();
	struct rain_prediction p = predict(history, 7, &shape);

	(void)state;
	assert_int_equal(p.expected, 3600);
	assert_int_equal(p.high, 3600);
	assert_int_equal(p.basis, RAIN_PREDICT_LIMIT);
	learn(history, 8, &shape, 100); /* somebody else's */
	assert_int_equal(predict(history, 7, &shape).basis, RAIN_PREDICT_LIMIT);
	rain_predict_destroy(history);
}

static void test_the_mean_of_the_last_two_of_its_kind(void **state)
{
	const struct rain_predict_shape other = {.procs = 8, .limit = 3600};
	const struct rain_predict_shape named = {.procs = 4, .limit = 3600, .name = 99};
	struct rain_predict *history = rain_predict_create();
	struct rain_prediction p;

	(void)state;
	learn(history, 7, &shape, 1000);
	assert_int_equal(predict(history, 7, &shape).basis, RAIN_PREDICT_USER);
	learn(history, 7, &shape, 100);
	learn(history, 7, &shape, 200);
	learn(history, 7, &other, 3000);
	p = predict(history, 7, &shape);
	assert_int_equal(p.expected, 150);
	assert_int_equal(p.samples, 3);
	assert_int_equal(p.basis, RAIN_PREDICT_SHAPE);
	assert_int_equal(p.median, 200);
	assert_int_equal(p.high, 3600); /* three samples say nothing about nine of ten */
	learn(history, 7, &named, 10);
	learn(history, 7, &named, 20);
	p = predict(history, 7, &named);
	assert_int_equal(p.expected, 15);
	assert_int_equal(p.basis, RAIN_PREDICT_NAME);
	assert_int_equal(predict(history, 7, &other).basis, RAIN_PREDICT_USER);
	rain_predict_destroy(history);
}

/* The promise of `high`: at least 90 % of jobs keep within it, as long as the user
 * goes on doing the same. */
static void test_nine_of_ten_keep_within(void **state)
{
	struct rain_predict *history = rain_predict_create();
	uint64_t random = 1;
	int kept = 0, all = 0;

	(void)state;
	for (int i = 0; i < 4000; i++) {
		int32_t run;

		random = random * 6364136223846793005u + 1442695040888963407u;
		run = 1 + (int32_t)((random >> 33) % 3000);
		if (i >= 20) {
			kept += run <= predict(history, 1, &shape).high;
			all++;
		}
		learn(history, 1, &shape, run);
	}
	assert_true(kept * 100 >= all * 89);
	assert_true(kept < all);
	rain_predict_destroy(history);
}

static void test_never_beyond_the_limit_and_many_users(void **state)
{
	const struct rain_predict_shape brief = {.procs = 4, .limit = 60};
	struct rain_predict *history = rain_predict_create();

	(void)state;
	for (uint64_t user = 0; user < 5000; user++)
		for (int i = 0; i < 40; i++)
			learn(history, user, &shape, (int32_t)(user % 3000) + 1);
	for (uint64_t user = 0; user < 5000; user++) {
		assert_int_equal(predict(history, user, &shape).expected, (int32_t)(user % 3000) + 1);
		assert_int_equal(predict(history, user, &shape).samples, RAIN_PREDICT_DEPTH);
		predict(history, user, &brief);
	}
	rain_predict_destroy(history);
}

static uint64_t seed;

static uint64_t draw(uint64_t below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (seed >> 33) % below;
}

static struct rain_predict_shape some_shape(void)
{
	return (struct rain_predict_shape){.name = draw(3) ? draw(5) : 0, .procs = 1 << draw(4),
					   .limit = draw(20) ? 60 * (int32_t)(1 + draw(100)) : INT32_MAX};
}

/* Whatever was run before, and however wild: a prediction lies within what was asked for,
 * is in order, says on how much it rests, and doesn't depend on what others run. */
static void test_any_history_gives_a_sound_prediction(void **state)
{
	static const int32_t wild[] = {INT32_MIN, -1, 0, 1, INT32_MAX};

	(void)state;
	for (seed = 1; seed < 200; seed++) {
		struct rain_predict *alone = rain_predict_create(), *crowd = rain_predict_create();
		uint64_t runs = draw(100), start = seed;

		for (uint64_t i = 0; i < runs; i++) {
			struct rain_predict_shape like = some_shape(), others = some_shape();
			int32_t run = draw(10) ? (int32_t)draw(10000) : wild[draw(5)];

			learn(alone, 7, &like, run);
			learn(crowd, 7, &like, run);
			learn(crowd, 8 + draw(50), &others, (int32_t)draw(10000));
		}
		for (int i = 0; i < 50; i++) {
			struct rain_predict_shape like = some_shape();
			struct rain_prediction p = predict(alone, 7, &like), q = predict(crowd, 7, &like);

			assert_true(1 <= p.median && p.median <= p.high && p.high <= like.limit);
			assert_true(p.samples <= RAIN_PREDICT_DEPTH && p.samples <= runs);
			assert_int_equal(p.samples == 0, p.basis == RAIN_PREDICT_LIMIT);
			/* with fewer than nine like it only the limit holds for nine of ten */
			assert_int_equal(p.confidence, p.samples < 9 ? 99 : 90);
			assert_true(p.samples >= 9 || p.high == like.limit);
			assert_memory_equal(&p, &q, sizeof p);
		}
		rain_predict_destroy(alone);
		rain_predict_destroy(crowd);
		seed = start;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_history_the_limit),
		cmocka_unit_test(test_the_mean_of_the_last_two_of_its_kind),
		cmocka_unit_test(test_nine_of_ten_keep_within),
		cmocka_unit_test(test_never_beyond_the_limit_and_many_users),
		cmocka_unit_test(test_any_history_gives_a_sound_prediction),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
