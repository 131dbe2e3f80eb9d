// SPDX-License-Identifier: GPL-2.0-or-later
#include "federation/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct rain_options options;
static struct rain_error error;

static int setup(void **state)
{
	(void)state;
	rain_options_init(&options);
	error.text[0] = '\0';
	return 0;
}

static int set(enum rain_option which, const char *value)
{
	return rain_options_set(&options, which, value, &error);
}

static void assert_says(const char *part)
{
	if (!strstr(error.text, part))
		fail_msg("\"%s\" doesn't say \"%s\"", error.text, part);
}

static void test_defaults_to_never(void **state)
{
	(void)state;
	assert_int_equal(options.burst.mode, RAIN_BURST_NEVER);
	assert_true(options.burst.max_utok == RAIN_BURST_NO_LIMIT);
	assert_int_equal(options.burst.peer_count, 0);
	assert_int_equal(rain_options_check(&options, &error), 0);
}

static void test_modes(void **state)
{
	static const char *const wrong[] = {"", "Auto", "always", "auto ", "never,auto", "on\x01ly"};

	(void)state;
	assert_int_equal(set(RAIN_OPTION_BURST, "never"), 0);
	assert_int_equal(set(RAIN_OPTION_BURST, "only"), 0);
	assert_int_equal(options.burst.mode, RAIN_BURST_ONLY);
	assert_int_equal(set(RAIN_OPTION_BURST, "auto"), 0);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		assert_int_equal(set(RAIN_OPTION_BURST, wrong[i]), -1);
		assert_says("--burst=");
		assert_says("never, auto or only");
	}
	assert_null(strchr(error.text, '\x01'));
	assert_int_equal(options.burst.mode, RAIN_BURST_AUTO);
}

static void test_max_tokens(void **state)
{
	static const char *const wrong[] = {"", "0", "-1", "1e3", "abc", "1.1234567", "5 ", "99999999999999999999"};

	(void)state;
	assert_int_equal(set(RAIN_OPTION_BURST_MAX_TOKENS, "5"), 0);
	assert_true(options.burst.max_utok == 5000000);
	assert_int_equal(set(RAIN_OPTION_BURST_MAX_TOKENS, "0.000001"), 0);
	assert_true(options.burst.max_utok == 1);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		assert_int_equal(set(RAIN_OPTION_BURST_MAX_TOKENS, wrong[i]), -1);
		assert_says("--burst-max-tokens=");
	}
	assert_true(options.burst.max_utok == 1);
}

static void test_peers(void **state)
{
	static const char *const wrong[] = {"", ",", "bravo,", ",bravo", "Bravo", "1x", "a b", "a/b",
					    "abcdefghijklmnopq", "bravo;rm"};

	(void)state;
	assert_int_equal(set(RAIN_OPTION_BURST_PEERS, "bravo,charlie,bravo"), 0);
	assert_int_equal(options.burst.peer_count, 2);
	assert_string_equal(options.burst.peers[1], "charlie");
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		assert_int_equal(set(RAIN_OPTION_BURST_PEERS, wrong[i]), -1);
		assert_says("--burst-peers=");
	}
	assert_int_equal(options.burst.peer_count, 2);
	assert_int_equal(set(RAIN_OPTION_BURST_PEERS, "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p"), 0);
	assert_int_equal(set(RAIN_OPTION_BURST_PEERS, "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q"), -1);
	assert_says("at most 16");
}

static void test_stage_lists(void **state)
{
	static const char *const wrong[] = {"", ",", "a,", "a,,b", "..", "../a", "a/..", "a/../b",
					    "/a/../etc", "a\nb", "a\x7f", "a:", ":a", "a:/b", "a:..",
					    "a:b/../c", "a:b:c", "a:*"};
	static const char *const right[] = {"a", "./a", "/data/x", "in/*.dat,b[0-9]", "..a", "a..b", "a...", "ä", "a:b", "*.c:src/", "a:.", "/a/b:c/d", "a\\:b", "a\\:b:c"};
	struct rain_stage_list list;

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		assert_int_equal(set(RAIN_OPTION_STAGE_IN, wrong[i]), -1);
		assert_says("--stage-in:");
		assert_says("allowed are");
	}
	for (size_t i = 0; i < sizeof right / sizeof *right; i++)
		assert_int_equal(set(RAIN_OPTION_STAGE_OUT, right[i]), 0);
	assert_int_equal(set(RAIN_OPTION_STAGE_IN, "a,b/c,a"), 0);
	assert_string_equal(options.stage_in, "a,b/c,a");
	assert_int_equal(rain_stage_list_parse(RAIN_OPTION_STAGE_IN, "a,b/c,a", &list, &error), 0);
	assert_int_equal(list.count, 2);
	assert_string_equal(list.items[1], "b/c");
}

static void test_stage_bounds(void **state)
{
	char text[RAIN_STAGE_TEXT_MAX + 2], *p = text;

	(void)state;
	memset(text, 'x', RAIN_STAGE_TEXT_MAX);
	text[RAIN_STAGE_TEXT_MAX] = '\0';
	assert_int_equal(set(RAIN_OPTION_STAGE_IN, text), 0);
	text[RAIN_STAGE_TEXT_MAX] = 'x';
	text[RAIN_STAGE_TEXT_MAX + 1] = '\0';
	assert_int_equal(set(RAIN_OPTION_STAGE_IN, text), -1);
	assert_says("too long");
	for (int i = 0; i < RAIN_STAGE_ITEMS_MAX; i++)
		p += sprintf(p, "%sf%d", i ? "," : "", i);
	assert_int_equal(set(RAIN_OPTION_STAGE_IN, text), 0);
	strcpy(p, ",g");
	assert_int_equal(set(RAIN_OPTION_STAGE_IN, text), -1);
	assert_says("one too many");
}

static void test_bounds_need_burst(void **state)
{
	(void)state;
	assert_int_equal(set(RAIN_OPTION_STAGE_IN, "a"), 0);
	assert_int_equal(rain_options_check(&options, &error), 0);
	assert_int_equal(set(RAIN_OPTION_BURST_PEERS, "bravo"), 0);
	assert_int_equal(rain_options_check(&options, &error), -1);
	assert_says("--burst-peers");
	assert_says("--burst=auto");
	/* said on the command line over a script's #SBATCH lines */
	assert_int_equal(set(RAIN_OPTION_BURST, "never"), 0);
	assert_int_equal(rain_options_check(&options, &error), 0);
}

static void test_tag_round_trip(void **state)
{
	struct rain_burst burst;
	const char *sentence;
	size_t length;
	char *text;

	(void)state;
	set(RAIN_OPTION_BURST, "auto");
	set(RAIN_OPTION_BURST_MAX_TOKENS, "5");
	set(RAIN_OPTION_BURST_PEERS, "bravo,charlie");
	text = rain_burst_tag_write(NULL, &options.burst, "waits; for\npeers", &error);
	assert_string_equal(text, "rain: burst=auto max-tokens=5.000000 peers=bravo,charlie; waits; for peers");
	assert_int_equal(rain_burst_tag_read(text, &burst, &sentence, &length, &error), 1);
	assert_memory_equal(&burst, &options.burst, sizeof burst);
	assert_string_equal(sentence, "waits; for peers");
	assert_int_equal(length, strlen(sentence));
	free(text);

	rain_options_init(&options);
	set(RAIN_OPTION_BURST, "only");
	text = rain_burst_tag_write("", &options.burst, NULL, &error);
	assert_string_equal(text, "rain: burst=only;");
	assert_int_equal(rain_burst_tag_read(text, &burst, &sentence, &length, &error), 1);
	assert_int_equal(burst.mode, RAIN_BURST_ONLY);
	assert_true(burst.max_utok == RAIN_BURST_NO_LIMIT);
	assert_int_equal(length, 0);
	free(text);
}

static void test_tag_keeps_foreign_text(void **state)
{
	struct rain_burst burst;
	char *text, *again;

	(void)state;
	set(RAIN_OPTION_BURST, "auto");
	text = rain_burst_tag_write("ask Eve", &options.burst, "one", &error);
	assert_string_equal(text, "ask Eve; rain: burst=auto; one");
	again = rain_burst_tag_write(text, &options.burst, "two", &error);
	assert_string_equal(again, "ask Eve; rain: burst=auto; two");
	free(text);
	free(again);
	text = rain_burst_tag_write("front rain: burst=only; old\nbehind", &options.burst, "new", &error);
	assert_string_equal(text, "front rain: burst=auto; new\nbehind");
	assert_int_equal(rain_burst_tag_read(text, &burst, NULL, NULL, &error), 1);
	assert_int_equal(burst.mode, RAIN_BURST_AUTO);
	free(text);
}

static void test_tag_absent_or_malformed(void **state)
{
	struct rain_burst burst;
	char text[1024] = "rain: burst=auto peers=";

	(void)state;
	assert_int_equal(rain_burst_tag_read(NULL, &burst, NULL, NULL, &error), 0);
	assert_int_equal(rain_burst_tag_read("", &burst, NULL, NULL, &error), 0);
	assert_int_equal(rain_burst_tag_read("train: burst=auto;", &burst, NULL, NULL, &error), 0);
	assert_int_equal(rain_burst_tag_read("rain: nothing", &burst, NULL, NULL, &error), 0);
	assert_int_equal(rain_burst_tag_read("train: burst=auto; rain: burst=only;", &burst, NULL, NULL, &error), 1);
	assert_int_equal(burst.mode, RAIN_BURST_ONLY);
	assert_int_equal(rain_burst_tag_read("rain: burst=auto later=1 word; x", &burst, NULL, NULL, &error), 1);
	assert_int_equal(rain_burst_tag_read("rain: burst=sometimes;", &burst, NULL, NULL, &error), -1);
	assert_says("AdminComment");
	assert_int_equal(rain_burst_tag_read("rain: burst=auto max-tokens=x;", &burst, NULL, NULL, &error), -1);
	memset(text + strlen(text), 'a', 900);
	assert_int_equal(rain_burst_tag_read(text, &burst, NULL, NULL, &error), -1);
	assert_says("longer than");
}

static void test_tag_sentence_is_cut_between_characters(void **state)
{
	char sentence[RAIN_BURST_SENTENCE_MAX + 8];
	char *text;

	(void)state;
	memset(sentence, 'x', sizeof sentence);
	memcpy(sentence + RAIN_BURST_SENTENCE_MAX - 1, "\xc3\xa4zz", 5);
	set(RAIN_OPTION_BURST, "auto");
	text = rain_burst_tag_write(NULL, &options.burst, sentence, &error);
	assert_int_equal(strlen(text), strlen("rain: burst=auto; ") + RAIN_BURST_SENTENCE_MAX - 1);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_defaults_to_never, setup),
		cmocka_unit_test_setup(test_modes, setup),
		cmocka_unit_test_setup(test_max_tokens, setup),
		cmocka_unit_test_setup(test_peers, setup),
		cmocka_unit_test_setup(test_stage_lists, setup),
		cmocka_unit_test_setup(test_stage_bounds, setup),
		cmocka_unit_test_setup(test_bounds_need_burst, setup),
		cmocka_unit_test_setup(test_tag_round_trip, setup),
		cmocka_unit_test_setup(test_tag_keeps_foreign_text, setup),
		cmocka_unit_test_setup(test_tag_absent_or_malformed, setup),
		cmocka_unit_test_setup(test_tag_sentence_is_cut_between_characters, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
