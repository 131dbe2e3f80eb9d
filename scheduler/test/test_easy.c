/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scheduler/easy.h"

static void arrive_with(struct rain_easy *easy, int64_t seq, int32_t procs, int32_t plan, int64_t turn,
			int64_t key)
{
	struct rain_waiting waiting = {.seq = seq, .plan = plan, .procs = procs, .job = (uint32_t)seq,
				       .turn = turn, .key = key};

	assert_int_equal(rain_easy_add(easy, &waiting), 0);
}

static void arrive(struct rain_easy *easy, int64_t seq, int32_t procs, int32_t plan)
{
	arrive_with(easy, seq, procs, plan, seq, seq);
}

/* The job that starts now, or -1. */
static int64_t starts(struct rain_easy *easy, int64_t now)
{
	struct rain_waiting waiting;

	if (!rain_easy_take(easy, now, &waiting))
		return -1;
	assert_int_equal(rain_easy_start(easy, now, waiting.job, waiting.procs, waiting.plan,
					 waiting.plan), 0);
	return waiting.seq;
}

static void test_backfills_only_what_leaves_the_head_alone(void **state)
{
	struct rain_easy easy;

	(void)state;
	rain_easy_init(&easy, 10);
	arrive(&easy, 1, 6, 100);
	assert_int_equal(starts(&easy, 0), 1);
	arrive(&easy, 2, 8, 100); /* the head: at 100, leaves 2 */
	assert_int_equal(starts(&easy, 0), -1);
	assert_int_equal(rain_easy_reservation(&easy, 0), 100);
	arrive(&easy, 3, 3, 101); /* would end after 100 and needs more than 2 */
	assert_int_equal(starts(&easy, 0), -1);
	arrive(&easy, 4, 3, 100); /* ends in time */
	assert_int_equal(starts(&easy, 0), 4);
	arrive(&easy, 5, 2, 1000); /* only 1 is free */
	assert_int_equal(starts(&easy, 0), -1);
	arrive(&easy, 6, 1, 1000); /* leaves the head's 8 alone */
	assert_int_equal(starts(&easy, 0), 6);
	assert_int_equal(easy.free, 0);
	assert_true(rain_easy_finish(&easy, 1));
	assert_false(rain_easy_finish(&easy, 1));
	assert_int_equal(starts(&easy, 100), -1); /* 4 still runs */
	assert_true(rain_easy_finish(&easy, 4));
	assert_int_equal(starts(&easy, 100), 2);
	assert_int_equal(starts(&easy, 100), -1);
	rain_easy_release(&easy);
}

static void test_shortest_first_keeps_the_oldest_as_head(void **state)
{
	struct rain_easy easy;

	(void)state;
	rain_easy_init(&easy, 4);
	arrive_with(&easy, 1, 3, 50, 1, 50);
	assert_int_equal(starts(&easy, 0), 1);
	arrive_with(&easy, 2, 4, 500, 2, 500);
	arrive_with(&easy, 3, 1, 40, 3, 40);
	arrive_with(&easy, 4, 1, 30, 4, 30);
	assert_int_equal(rain_easy_head(&easy)->seq, 2);
	assert_int_equal(starts(&easy, 0), 4);
	assert_int_equal(starts(&easy, 0), -1);
	assert_true(rain_easy_finish(&easy, 4));
	assert_int_equal(starts(&easy, 5), 3);
	assert_int_equal(rain_easy_head(&easy)->seq, 2);
	assert_true(rain_easy_finish(&easy, 3));
	assert_true(rain_easy_finish(&easy, 1));
	assert_int_equal(starts(&easy, 45), 2);
	rain_easy_release(&easy);
}

/* With deadlines a short newcomer overtakes, but not one that came too late. */
static void test_the_head_is_whose_turn_comes_first(void **state)
{
	struct rain_easy easy;

	(void)state;
	rain_easy_init(&easy, 4);
	arrive(&easy, 0, 4, 100);
	assert_int_equal(starts(&easy, 0), 0);
	arrive_with(&easy, 1, 4, 1000, rain_easy_deadline(0, 1000, 3), 1000);
	arrive_with(&easy, 2, 4, 10, rain_easy_deadline(2990, 10, 3), 10);
	assert_int_equal(rain_easy_head(&easy)->seq, 1);
	arrive_with(&easy, 3, 4, 10, rain_easy_deadline(2969, 10, 3), 10);
	assert_int_equal(rain_easy_head(&easy)->seq, 3);
	assert_true(rain_easy_finish(&easy, 0));
	assert_int_equal(starts(&easy, 3000), 3);
	assert_int_equal(rain_easy_head(&easy)->seq, 1);
	rain_easy_release(&easy);
}

/* A guest must not delay the head; when the head goes, the next has its turn. */
static void test_guests_and_leavers(void **state)
{
	struct rain_waiting head = {.seq = 2, .plan = 100, .procs = 10, .job = 2};
	struct rain_easy easy;

	(void)state;
	rain_easy_init(&easy, 10);
	assert_true(rain_easy_fits(&easy, 0, 10, 1000000));
	arrive(&easy, 1, 5, 100);
	assert_int_equal(starts(&easy, 0), 1);
	arrive(&easy, 2, 10, 100);
	arrive(&easy, 3, 5, 200);
	assert_int_equal(starts(&easy, 0), -1);
	assert_false(rain_easy_fits(&easy, 0, 5, 101));
	assert_true(rain_easy_fits(&easy, 0, 5, 100));
	assert_false(rain_easy_fits(&easy, 0, 6, 1));
	assert_true(rain_easy_remove(&easy, &head));
	assert_false(rain_easy_remove(&easy, &head));
	assert_int_equal(starts(&easy, 0), 3);
	rain_easy_release(&easy);
}

/* What runs longer than planned gets a new planned end, at most its limit. */
static void test_corrects_what_is_late(void **state)
{
	struct rain_waiting waiting;
	struct rain_easy easy;

	(void)state;
	rain_easy_init(&easy, 2);
	assert_int_equal(rain_easy_start(&easy, 0, 1, 2, 100, 1000), 0);
	arrive(&easy, 2, 1, 10);
	assert_false(rain_easy_take(&easy, 50, &waiting));
	assert_int_equal(rain_easy_reservation(&easy, 50), 100);
	assert_false(rain_easy_take(&easy, 100, &waiting));
	assert_int_equal(rain_easy_reservation(&easy, 100), 200);
	assert_false(rain_easy_take(&easy, 900, &waiting));
	assert_int_equal(rain_easy_reservation(&easy, 900), 1000);
	rain_easy_release(&easy);
}

static void test_forecasts_the_live_queue(void **state)
{
	struct rain_easy easy;
	int64_t when[4];

	(void)state;
	rain_easy_init(&easy, 10);
	arrive(&easy, 1, 6, 100);
	assert_int_equal(starts(&easy, 0), 1);
	arrive(&easy, 2, 8, 50);  /* when 1 has ended */
	arrive(&easy, 3, 2, 500); /* at once, beside both */
	arrive(&easy, 4, 9, 10);  /* when 2 and 3 have ended */
	arrive(&easy, 5, 2, 40);  /* at once, ends before 2 begins */
	assert_int_equal(rain_easy_forecast(&easy, 10, 0, when, NULL, NULL), 0);
	assert_int_equal(when[0], 100);
	assert_int_equal(when[1], 10);
	assert_int_equal(when[2], 510);
	assert_int_equal(when[3], 10);
	assert_int_equal(easy.waiting, 4); /* nothing has really started */
	assert_int_equal(easy.free, 4);
	assert_int_equal(starts(&easy, 10), 3);
	assert_int_equal(starts(&easy, 10), 5);
	assert_int_equal(starts(&easy, 10), -1);
	rain_easy_release(&easy);
}

static uint64_t draw(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

/* Jobs end at their plan or before: then no head ever waits beyond the first
 * reservation it got, whatever is backfilled and whatever guests come. */
static void test_the_head_never_waits_beyond_its_reservation(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		int64_t ends[4096], promised = 0, head = -1, seq = 0, heads = 0;
		struct rain_easy easy;
		uint64_t random = seed;

		rain_easy_init(&easy, 16);
		for (int64_t now = 0; now < 3000; now++) {
			struct rain_waiting w;

			for (size_t i = 0; i < easy.active;) {
				uint32_t job = easy.running[i].job;

				if (ends[job] > now)
					i++;
				else
					assert_true(rain_easy_finish(&easy, job));
			}
			if (draw(&random) % 12 == 0) {
				int32_t plan = 1 + (int32_t)(draw(&random) % 90);

				arrive_with(&easy, seq, 1 + (int32_t)(draw(&random) % 16), plan, seq, plan);
				seq++;
			}
			while (rain_easy_take(&easy, now, &w)) {
				if (w.seq == head)
					assert_true(now <= promised);
				assert_int_equal(rain_easy_start(&easy, now, w.job, w.procs, w.plan, w.plan), 0);
				ends[w.job] = now + 1 + (int64_t)(draw(&random) % (uint64_t)w.plan);
			}
			if (draw(&random) % 10 == 0) {
				int32_t procs = 1 + (int32_t)(draw(&random) % 8), plan = 1 + (int32_t)(draw(&random) % 50);

				if (rain_easy_fits(&easy, now, procs, plan)) {
					assert_int_equal(rain_easy_start(&easy, now, (uint32_t)seq, procs, plan, plan), 0);
					ends[seq++] = now + plan;
				}
			}
			if (!rain_easy_head(&easy))
				continue;
			if (rain_easy_head(&easy)->seq != head) {
				head = rain_easy_head(&easy)->seq;
				promised = rain_easy_reservation(&easy, now);
				heads++;
			}
			assert_true(rain_easy_reservation(&easy, now) <= promised);
		}
		assert_true(heads > 10);
		rain_easy_release(&easy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_backfills_only_what_leaves_the_head_alone),
		cmocka_unit_test(test_shortest_first_keeps_the_oldest_as_head),
		cmocka_unit_test(test_the_head_is_whose_turn_comes_first),
		cmocka_unit_test(test_guests_and_leavers),
		cmocka_unit_test(test_corrects_what_is_late),
		cmocka_unit_test(test_forecasts_the_live_queue),
		cmocka_unit_test(test_the_head_never_waits_beyond_its_reservation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
