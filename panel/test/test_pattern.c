/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "panel/pattern.h"

#define TICK_MS 120

/* A pattern drawn from its code: '#' lit, '.' dark, one letter a tick. */
static void draw(const char *code, char *picture)
{
	*picture = '\0';
	for (; *code; code++) {
		strcat(picture, *code == '.' ? "#" : "####");
		strcat(picture, code[1] ? ".." : "..........");
	}
}

static void test_golden(void **state)
{
	static const struct {
		unsigned int pattern;
		const char *code, *picture;
	} golden[] = {
		{0, ".", "#.........."},
		{1, "-", "####.........."},
		{3, ".-", "#..####.........."},
		{14, "....", "#..#..#..#.........."},
		{29, "----", "####..####..####..####.........."},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(golden) / sizeof(golden[0]); i++) {
		char picture[128];

		assert_string_equal(rain_pattern_code(golden[i].pattern), golden[i].code);
		draw(golden[i].code, picture);
		assert_string_equal(picture, golden[i].picture);
	}
}

static void test_each_plays_its_code(void **state)
{
	(void)state;
	for (unsigned int p = 0; p < RAIN_PATTERN_COUNT; p++) {
		char picture[128];
		size_t length;
		int64_t at, next;

		draw(rain_pattern_code(p), picture);
		length = strlen(picture);
		assert_int_equal(rain_pattern_period_ms(p), (int64_t)length * TICK_MS);
		for (at = 0; at < (int64_t)length * TICK_MS * 3; at += TICK_MS / 4)
			assert_int_equal(rain_pattern_is_lit(p, at, NULL),
					 picture[at / TICK_MS % (int64_t)length] == '#');
		/* Going from change to change meets every change and no other. */
		for (at = 0; at < (int64_t)length * TICK_MS * 3; at = next) {
			bool lit = rain_pattern_is_lit(p, at, &next);

			assert_true(next > at);
			assert_int_equal(rain_pattern_is_lit(p, next - 1, NULL), lit);
			assert_int_not_equal(rain_pattern_is_lit(p, next, NULL), lit);
		}
	}
}

static void test_all_differ(void **state)
{
	(void)state;
	for (unsigned int a = 0; a < RAIN_PATTERN_COUNT; a++) {
		assert_in_range(strlen(rain_pattern_code(a)), 1, RAIN_PATTERN_CODE_MAX);
		for (unsigned int b = 0; b < a; b++)
			assert_string_not_equal(rain_pattern_code(a), rain_pattern_code(b));
	}
}

static void test_no_two_owners_share(void **state)
{
	(void)state;
	srand(7);
	for (int round = 0; round < 2000; round++) {
		struct rain_pattern_owners owners = {0};
		unsigned int given[16];
		uid_t uid[16];

		for (int i = 0; i < 16; i++) {
			bool fresh;

			/* Half of the rounds: uids that all want the same number. */
			do {
				uid[i] = round % 2 ? (uid_t)rand()
						   : (uid_t)(rand() % 1000 * RAIN_PATTERN_COUNT);
				fresh = true;
				for (int k = 0; k < i; k++)
					fresh = fresh && uid[k] != uid[i];
			} while (!fresh);
			given[i] = rain_pattern_of_owner(&owners, uid[i]);
			assert_true(given[i] < RAIN_PATTERN_COUNT);
			for (int k = 0; k < i; k++)
				assert_int_not_equal(given[k], given[i]);
		}
		for (int i = 0; i < 16; i++)
			assert_int_equal(rain_pattern_of_owner(&owners, uid[i]), given[i]);
	}
}

static void test_stable_everywhere(void **state)
{
	struct rain_pattern_owners one = {0}, other = {0};

	(void)state;
	/* Pool uids follow each other: the same on any node, in any order. */
	for (uid_t uid = 61000; uid < 61016; uid++)
		assert_int_equal(rain_pattern_of_owner(&one, uid), uid % RAIN_PATTERN_COUNT);
	for (uid_t uid = 61015; uid >= 61000; uid--)
		assert_int_equal(rain_pattern_of_owner(&other, uid), uid % RAIN_PATTERN_COUNT);
}

static void test_longest_unseen_loses(void **state)
{
	struct rain_pattern_owners owners = {0};

	(void)state;
	for (uid_t uid = 0; uid < RAIN_PATTERN_COUNT; uid++)
		rain_pattern_of_owner(&owners, uid);
	for (uid_t uid = 0; uid < RAIN_PATTERN_COUNT; uid++) {
		if (uid != 11)
			rain_pattern_of_owner(&owners, uid);
	}
	assert_int_equal(rain_pattern_of_owner(&owners, 5000), 11);
	assert_int_equal(rain_pattern_of_owner(&owners, 12), 12);
}

/* The keeper's word goes before one's own choice, and a keeper that says the same of two
 * owners is not asked without end. */
static void test_learn(void **state)
{
	struct rain_pattern_owners owners = {0};

	(void)state;
	assert_int_equal(rain_pattern_of_owner(&owners, 7), 7);
	assert_int_equal(rain_pattern_of_owner(&owners, 37), 8);
	assert_int_equal(rain_pattern_ask_ms(&owners, 7), 0);
	rain_pattern_learn(&owners, 37, 7, 100);
	assert_int_equal(rain_pattern_of_owner(&owners, 37), 7);
	assert_int_equal(rain_pattern_of_owner(&owners, 7), 8);
	assert_int_equal(rain_pattern_ask_ms(&owners, 37), 100 + RAIN_PATTERN_REFRESH_MS);
	assert_int_equal(rain_pattern_ask_ms(&owners, 7), 100);
	rain_pattern_learn(&owners, 7, 7, 200);
	assert_int_equal(rain_pattern_of_owner(&owners, 7), 7);
	assert_int_equal(rain_pattern_of_owner(&owners, 37), 8);
	assert_int_equal(rain_pattern_ask_ms(&owners, 37), 200 + RAIN_PATTERN_RETRY_MAX_MS);
	/* He begins to play again: asked at once only when the answer is old. */
	rain_pattern_begins(&owners, 7);
	assert_int_equal(rain_pattern_ask_ms(&owners, 7), 200 + RAIN_PATTERN_TRUST_MS);
	/* Silence is met with ever rarer questions, whoever begins to play. */
	for (int64_t wait = RAIN_PATTERN_RETRY_MS, now = 1000; now < 1000000; now += wait) {
		rain_pattern_unanswered(&owners, 7, now);
		rain_pattern_begins(&owners, 7);
		assert_int_equal(rain_pattern_ask_ms(&owners, 7), now + wait);
		wait = 2 * wait < RAIN_PATTERN_RETRY_MAX_MS ? 2 * wait : RAIN_PATTERN_RETRY_MAX_MS;
	}
	/* nobody's question */
	rain_pattern_unanswered(&owners, 99, 0);
	assert_int_equal(rain_pattern_ask_ms(&owners, 99), INT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_each_plays_its_code),
		cmocka_unit_test(test_all_differ),
		cmocka_unit_test(test_no_two_owners_share),
		cmocka_unit_test(test_stable_everywhere),
		cmocka_unit_test(test_longest_unseen_loses),
		cmocka_unit_test(test_learn),
	};

	return cmocka_run_group_tests_name("panel/pattern", tests, NULL, NULL);
}
