/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "scheduler/decide.h"

static char sentence[RAIN_DECIDE_SENTENCE];

static struct rain_decide_peer peer(const char *name, int64_t ceiling, int64_t latency)
{
	return (struct rain_decide_peer){ .name = name, .reachable = true, .lends = true, .wanted = true,
					  .ceiling_utok = ceiling, .latency_ms = latency, .may_ask = true };
}

static const struct rain_decide_money rich = { "ada", 1000000000, -1 };

static void test_cheapest_are_asked(void **state)
{
	struct rain_decide_peer peers[] = { peer("a", 30, 1), peer("b", 10, 9), peer("c", 20, 1), peer("d", 10, 3) };
	size_t picked[2];

	(void)state;
	assert_int_equal(rain_decide_ask(peers, 4, &rich, 2, picked, sentence), 2);
	assert_int_equal(picked[0], 3);
	assert_int_equal(picked[1], 1);
	peers[3].wanted = false;
	assert_int_equal(rain_decide_ask(peers, 4, &rich, 1, picked, sentence), 1);
	assert_int_equal(picked[0], 1);
}

static void test_why_it_waits(void **state)
{
	struct rain_decide_peer peers[] = { peer("bravo", 4000000, 1), peer("charlie", 1, 1) };
	struct rain_decide_money poor = { "ada", 1000000, -1 }, bound = { "ada", 9000000, 2000000 };
	size_t picked[3];

	(void)state;
	peers[1].reachable = false;
	peers[1].silent_s = 300;
	assert_int_equal(rain_decide_ask(peers, 2, &poor, 3, picked, sentence), 0);
	assert_string_equal(sentence, "ada needs up to 4.000000 tokens at bravo, has 1.000000; "
				      "charlie has been unreachable for 5 min");
	assert_int_equal(rain_decide_ask(peers, 1, &bound, 3, picked, sentence), 0);
	assert_string_equal(sentence, "bravo would cost up to 4.000000 tokens, above --burst-max-tokens=2.000000");
	peers[0].unfit = "needs 9 nodes, it lends 8";
	assert_int_equal(rain_decide_ask(peers, 1, &rich, 3, picked, sentence), 0);
	assert_string_equal(sentence, "bravo: needs 9 nodes, it lends 8");
	peers[0].unfit = NULL;
	peers[0].may_ask = false;
	peers[0].refusal = "no node is idle";
	assert_int_equal(rain_decide_ask(peers, 1, &rich, 3, picked, sentence), 0);
	assert_string_equal(sentence, "bravo: no node is idle");
	peers[0].wanted = false;
	assert_int_equal(rain_decide_ask(peers, 1, &rich, 3, picked, sentence), 0);
	assert_non_null(strstr(sentence, "--burst-peers"));
	assert_int_equal(rain_decide_ask(peers, 0, &rich, 3, picked, sentence), 0);
	assert_non_null(strstr(sentence, "no peers"));
}

static void test_many_reasons_fit(void **state)
{
	struct rain_decide_peer peers[40];
	size_t picked[3];

	(void)state;
	for (size_t i = 0; i < 40; i++) {
		peers[i] = peer("a-long-peer-name", 1, 1);
		peers[i].unfit = "a reason that takes some room in the sentence";
	}
	assert_int_equal(rain_decide_ask(peers, 40, &rich, 3, picked, sentence), 0);
	assert_true(strlen(sentence) < RAIN_DECIDE_SENTENCE);
}

static void test_offers(void **state)
{
	struct rain_decide_peer offers[] = { peer("a", 30, 1), peer("b", 20, 9), peer("c", 20, 3) };
	struct rain_decide_money poor = { "ada", 10, -1 };

	(void)state;
	assert_int_equal(rain_decide_offer(offers, 3, &rich, sentence), 2);
	assert_string_equal(sentence, "");
	assert_int_equal(rain_decide_offer(offers, 3, &poor, sentence), -1);
	assert_non_null(strstr(sentence, "has 0.000010"));
	assert_int_equal(rain_decide_offer(offers, 0, &rich, sentence), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {	 cmocka_unit_test(test_cheapest_are_asked),
		cmocka_unit_test(test_why_it_waits),	 cmocka_unit_test(test_many_reasons_fit),
		cmocka_unit_test(test_offers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
