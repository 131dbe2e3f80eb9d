/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scheduler/overflow.h"

static const struct rain_overflow_policy *policy(const char *name)
{
	const struct rain_overflow_policy *found = rain_overflow_policy_find(name, NULL);

	assert_non_null(found);
	return found;
}

static void test_policies_have_names(void **state)
{
	struct rain_error err;
	size_t count = 0;

	(void)state;
	while (rain_overflow_policy_at(count)) {
		assert_ptr_equal(policy(rain_overflow_policy_at(count)->name),
				 rain_overflow_policy_at(count));
		count++;
	}
	assert_true(count >= 6);
	assert_null(rain_overflow_policy_find("greedy", &err));
	assert_non_null(strstr(err.text, "simple, open, clever"));
}

static void test_credit_is_allowance_and_k_times_what_was_given(void **state)
{
	struct rain_overflow_policy p = *policy("clever");
	struct rain_standing s = {0};

	(void)state;
	p.allowance = 10;
	p.k_percent = 300;
	assert_int_equal(rain_overflow_credit(&p, &s, 8), 80);
	s.held = 30;
	s.lent = 60;
	assert_int_equal(rain_overflow_credit(&p, &s, 8), -10);
	assert_int_equal(rain_overflow_debt(&p, &s), 90);
	s.borrowed = 7;
	assert_int_equal(rain_overflow_credit(&p, &s, 8), 11);
	assert_int_equal(rain_overflow_debt(&p, &s), 69);
	/* What vanished newcomers took is gone for the next, but nobody's earnings. */
	s.stranded = 1000;
	assert_int_equal(rain_overflow_credit(&p, &s, 8), 21 - 90);
	p.k_percent = 150;
	s = (struct rain_standing){.borrowed = 101};
	assert_int_equal(rain_overflow_credit(&p, &s, 0), 151);
	assert_int_equal(rain_overflow_credit(policy("open"), &s, 0), INT64_MAX);
}

static void test_credit_stays_within_its_range(void **state)
{
	struct rain_overflow_policy p = *policy("clever");
	struct rain_standing s = {.borrowed = INT64_MAX};

	(void)state;
	assert_int_equal(rain_overflow_credit(&p, &s, INT64_MAX), INT64_MAX);
	s = (struct rain_standing){.lent = INT64_MAX, .held = INT64_MAX};
	assert_true(rain_overflow_credit(&p, &s, 1) < 0);
}

static void test_judges_room_owner_credit_and_time(void **state)
{
	struct rain_candidate job = {.procs = 4, .plan = 100, .expected = 50, .work = 1000, .waits = -1};
	struct rain_capacity peer = {.free = 8, .extra = 8, .window = 10, .overhead = 60, .credit = 1000};

	(void)state;
	assert_int_equal(rain_overflow_judge(&job, &peer), RAIN_OVERFLOW_GO);
	peer.free = 3;
	assert_int_equal(rain_overflow_judge(&job, &peer), RAIN_OVERFLOW_FULL);
	peer.free = 8;
	peer.extra = 3;
	assert_int_equal(rain_overflow_judge(&job, &peer), RAIN_OVERFLOW_OWNER);
	peer.window = 160; /* 100 and the overhead: just ends in time */
	assert_int_equal(rain_overflow_judge(&job, &peer), RAIN_OVERFLOW_GO);
	peer.window = 159;
	assert_int_equal(rain_overflow_judge(&job, &peer), RAIN_OVERFLOW_OWNER);
	peer.speed_permille = 2000;
	assert_int_equal(rain_overflow_judge(&job, &peer), RAIN_OVERFLOW_GO);
	peer.credit = 999;
	assert_int_equal(rain_overflow_judge(&job, &peer), RAIN_OVERFLOW_DEBT);
	peer.credit = 1000;
	job.waits = 10; /* ends at home after 110, there after 110 */
	assert_int_equal(rain_overflow_judge(&job, &peer), RAIN_OVERFLOW_SOON);
	job.waits = 11;
	assert_int_equal(rain_overflow_judge(&job, &peer), RAIN_OVERFLOW_GO);
}

/* A real Slurm keeps nodes for its next job by time limits, whatever is expected. */
static void test_a_limit_in_the_owners_way(void **state)
{
	struct rain_candidate job = {.procs = 4, .plan = 100, .expected = 50, .minutes = 10, .waits = -1};
	struct rain_capacity peer = {.free = 8, .extra = 3, .window = 660, .overhead = 60, .credit = 1000};
	struct rain_placement placed;
	char text[RAIN_OVERFLOW_SENTENCE];

	(void)state;
	assert_int_equal(rain_overflow_judge(&job, &peer), RAIN_OVERFLOW_GO);
	assert_int_equal(rain_overflow_plan(policy("open"), &job, 1, &peer, 1, &placed, NULL, NULL), 0);
	assert_int_equal(peer.free, 4);
	assert_int_equal(peer.extra, 3); /* what it took is back in time */
	peer.window = 659;
	assert_int_equal(rain_overflow_judge(&job, &peer), RAIN_OVERFLOW_OWNER);
	rain_overflow_explain(&job, &peer, RAIN_OVERFLOW_OWNER, "bravo", NULL, text);
	assert_string_equal(text, "waits at home: at bravo it could run for 10 min until the owner's next job, and it may need 11 min");
}

static void test_plans_in_order_and_uses_up_what_there_is(void **state)
{
	struct rain_candidate jobs[3] = {
		{.submitted = 1, .procs = 4, .plan = 900, .expected = 900, .work = 10, .waits = -1},
		{.submitted = 2, .procs = 4, .plan = 100, .expected = 100, .work = 10, .waits = -1},
		{.submitted = 3, .procs = 4, .plan = 300, .expected = 300, .work = 10, .waits = -1},
	};
	struct rain_capacity peers[2] = {
		{.free = 4, .extra = 4, .window = 1000, .overhead = 60, .credit = 100},
		{.free = 6, .extra = 6, .window = 1000, .overhead = 60, .credit = 5},
	};
	struct rain_placement placed[3];

	(void)state;
	assert_int_equal(rain_overflow_plan(policy("clever"), jobs, 3, peers, 2, placed, NULL, NULL), 0);
	assert_int_equal(placed[1].peer, 0);
	assert_int_equal(placed[0].peer, -1);
	assert_int_equal(placed[2].peer, -1);
	assert_int_equal(placed[2].verdict, RAIN_OVERFLOW_DEBT); /* the nearest to a yes */
	assert_int_equal(placed[2].about, 1);
	assert_int_equal(peers[0].free, 0);
	assert_int_equal(peers[0].credit, 90);
	assert_int_equal(rain_overflow_plan(policy("simple"), jobs, 3, peers, 0, placed, NULL, NULL), 0);
	assert_int_equal(placed[0].about, -1);
}

static void test_order_among_asks(void **state)
{
	struct rain_candidate old = {.submitted = 1, .expected = 100, .owed = 0};
	struct rain_candidate brief = {.submitted = 2, .expected = 10, .owed = 0};
	struct rain_candidate owed = {.submitted = 3, .expected = 1000, .owed = 5};

	(void)state;
	assert_true(rain_overflow_ask_before(policy("simple"), &old, &brief));
	assert_true(rain_overflow_ask_before(policy("clever"), &brief, &old));
	assert_true(rain_overflow_ask_before(policy("open"), &brief, &owed));
	assert_true(rain_overflow_ask_before(policy("clever"), &owed, &brief));
	assert_true(rain_overflow_ask_before(policy("favours"), &owed, &brief));
}

static void test_says_why_in_a_sentence(void **state)
{
	struct rain_candidate job = {.procs = 4, .plan = 7200, .waits = 9000};
	struct rain_capacity peer = {.free = 2, .overhead = 60, .window = 600};
	char text[RAIN_OVERFLOW_SENTENCE];

	(void)state;
	rain_overflow_explain(&job, &peer, RAIN_OVERFLOW_GO, "bravo", NULL, text);
	assert_string_equal(text, "goes to bravo, which can start it now; at home it would wait about 2.5 h");
	rain_overflow_explain(&job, &peer, RAIN_OVERFLOW_FULL, "bravo", NULL, text);
	assert_string_equal(text, "waits at home: bravo has no room for it now (free: 2, needed: 4)");
	rain_overflow_explain(&job, &peer, RAIN_OVERFLOW_OWNER, "bravo", NULL, text);
	assert_string_equal(text, "waits at home: at bravo it could run for 10 min until the owner's next job, and it may need 2.0 h");
	rain_overflow_explain(&job, &peer, RAIN_OVERFLOW_DEBT, "bravo", NULL, text);
	assert_non_null(strstr(text, "no more credit"));
	job.ahead = 7;
	job.known = 3;
	job.waits_more = true;
	rain_overflow_explain(&job, &peer, RAIN_OVERFLOW_GO, "bravo", NULL, text);
	assert_string_equal(text, "goes to bravo, which can start it now; at home it would wait longer than 2.5 h"
				  " (3 of the 7 jobs before it are known from history)");
	job.waits = 30;
	rain_overflow_explain(&job, &peer, RAIN_OVERFLOW_SOON, "bravo", NULL, text);
	assert_string_equal(text, "waits at home: it starts here in about 30 s, and sending it to bravo takes 60 s");
}

static void test_trust(void **state)
{
	struct rain_trust peer = {0}, home = {0};

	(void)state;
	/* Nobody knows it yet: paid like home. */
	assert_int_equal(rain_trust_speed(&peer, &home, 5000), 1000);
	assert_int_equal(rain_trust_speed(&peer, &home, 700), 700);
	for (int i = 0; i < RAIN_TRUST_RUNS; i++) {
		rain_trust_ended(&home, 3000, 1000); /* users ask for three times too much */
		rain_trust_ended(&peer, 3000, 500);
	}
	assert_int_equal(rain_trust_speed(&peer, &home, 2000), 2000); /* true */
	assert_int_equal(rain_trust_speed(&peer, &home, 9000), 2500);
	assert_int_equal(peer.closed_until, 0);
	/* An owner may need the machine now and then; what he threw away counts in part. */
	for (int i = 0; i < 20; i++)
		assert_int_equal(rain_trust_evicted(&peer, 100, 1010), 404);
	assert_int_equal(peer.closed_until, 0);
	/* Who throws nearly everything out is left alone, for hours. */
	for (int i = 0; i < 80; i++)
		rain_trust_evicted(&peer, 100, INT64_MAX);
	assert_in_range(peer.closed_until, 100 + 36000, 100 + 86400);
	for (int i = 0; i < 10; i++)
		rain_trust_ended(&peer, 3000, 500);
	rain_trust_evicted(&peer, 1000000, 1);
	assert_true(peer.closed_until < 1000000);
}

/* What the gateway knows beyond what the simulator does. */
static void test_judges_cards_and_tokens(void **state)
{
	struct rain_candidate job = {.procs = 2, .nodes = 2, .minutes = 60, .cpus_per_node = 4,
				     .plan = 3600, .expected = 600, .waits = -1, .purse = 10000000,
				     .max_price = -1, .core_ms = 8 * 3600000};
	struct rain_capacity peer = {.free = 8, .extra = 8, .window = INT32_MAX, .credit = INT64_MAX,
				     .nodes = 8, .minutes = 60, .cpus_per_node = 4, .mflops = 1000,
				     .percent = 100};
	char text[RAIN_OVERFLOW_SENTENCE];

	(void)state;
	assert_int_equal(rain_overflow_price(&job, &peer), 8000000);
	assert_int_equal(rain_overflow_judge(&job, &peer), RAIN_OVERFLOW_GO);
	job.purse = 7999999;
	assert_int_equal(rain_overflow_judge(&job, &peer), RAIN_OVERFLOW_TOKENS);
	rain_overflow_explain(&job, &peer, RAIN_OVERFLOW_TOKENS, "bravo", NULL, text);
	assert_non_null(strstr(text, "7.999999"));
	job.purse = 10000000;
	job.max_price = 1;
	assert_int_equal(rain_overflow_judge(&job, &peer), RAIN_OVERFLOW_TOKENS);
	rain_overflow_explain(&job, &peer, RAIN_OVERFLOW_TOKENS, "bravo", NULL, text);
	assert_non_null(strstr(text, "--burst-max-tokens=0.000001"));
	job.max_price = -1;
	peer.credit = 7999999;
	assert_int_equal(rain_overflow_judge(&job, &peer), RAIN_OVERFLOW_DEBT);
	job.minutes = 61;
	assert_int_equal(rain_overflow_judge(&job, &peer), RAIN_OVERFLOW_UNFIT);
	rain_overflow_explain(&job, &peer, RAIN_OVERFLOW_UNFIT, "bravo", NULL, text);
	assert_string_equal(text, "waits at home: it needs 61 min, and bravo lends 60");
	peer.closed = RAIN_OVERFLOW_AWAY;
	assert_int_equal(rain_overflow_judge(&job, &peer), RAIN_OVERFLOW_AWAY);
	rain_overflow_explain(&job, &peer, RAIN_OVERFLOW_AWAY, "bravo", "has been unreachable for 5 min", text);
	assert_string_equal(text, "waits at home: bravo has been unreachable for 5 min");
}

static void test_tells_the_best_few_and_skips_the_barred(void **state)
{
	const uint8_t barred[4] = {0, RAIN_OVERFLOW_REFUSED, 0, 0};
	struct rain_candidate jobs[2] = {
		{.procs = 1, .plan = 100, .expected = 100, .waits = -1, .barred = barred},
		{.procs = 9, .plan = 10, .expected = 10, .waits = -1, .barred = barred},
	};
	struct rain_capacity peers[4];
	struct rain_placement placed[2];
	size_t order[2];

	(void)state;
	for (int i = 0; i < 4; i++)
		peers[i] = (struct rain_capacity){.free = 4, .extra = 4, .window = 1000, .credit = 1,
						  .overhead = 40 - 10 * i, .speed_permille = 1000};
	assert_int_equal(rain_overflow_plan(policy("clever"), jobs, 2, peers, 4, placed, order, NULL), 0);
	assert_int_equal(order[0], 1); /* the shorter */
	assert_int_equal(order[1], 0);
	assert_int_equal(placed[0].peer, 3);
	assert_int_equal(placed[0].others[0], 2);
	assert_int_equal(placed[0].others[1], 0);
	assert_int_equal(placed[1].peer, -1);
	assert_int_equal(placed[1].verdict, RAIN_OVERFLOW_FULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policies_have_names),
		cmocka_unit_test(test_credit_is_allowance_and_k_times_what_was_given),
		cmocka_unit_test(test_credit_stays_within_its_range),
		cmocka_unit_test(test_judges_room_owner_credit_and_time),
		cmocka_unit_test(test_a_limit_in_the_owners_way),
		cmocka_unit_test(test_plans_in_order_and_uses_up_what_there_is),
		cmocka_unit_test(test_order_among_asks),
		cmocka_unit_test(test_says_why_in_a_sentence),
		cmocka_unit_test(test_trust),
		cmocka_unit_test(test_judges_cards_and_tokens),
		cmocka_unit_test(test_tells_the_best_few_and_skips_the_barred),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
