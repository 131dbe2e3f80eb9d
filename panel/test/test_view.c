/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/json.h"
#include "panel/frame_json.h"
#include "panel/view.h"

#define NODES 4

static const char *user_name(uid_t uid)
{
	return uid == 20001 ? "ada" : "a\033[2Jlong-and-nasty-name";
}

/* Nodes as their own daemons would tell of them. */
static void ask(struct rain_panel_view_node *node, const char *name,
		const struct rain_panel_state *state, int64_t at_ms)
{
	struct rain_panel_frame frame;
	struct rain_panel_picture picture = {
		.node = name, .driver = "sim", .state = state, .frame = &frame,
		.changed_ms = 5, .writes = 7, .monotonic_ms = at_ms, .realtime_ms = 1000000,
	};
	struct rain_error err;
	char *line;
	json_t *reply;

	rain_panel_frame_compute(state, at_ms, &frame);
	line = rain_panel_frame_json(&picture);
	assert_non_null(line);
	assert_int_equal(line[strlen(line) - 1], '\n');
	reply = rain_json_parse(line, strlen(line), 65536, &err);
	assert_non_null(reply);
	node->name = name;
	assert_int_equal(rain_panel_view_node_read(node, json_object_get(reply, "result"), 0,
						   &err),
			 0);
	json_decref(reply);
	free(line);
}

static void fill(struct rain_panel_view_node nodes[static NODES])
{
	struct rain_panel_notice home = {.job = 12, .uid = 20001};
	struct rain_panel_notice other = {.job = 1234567, .uid = 5};
	struct rain_panel_notice guest = {
		.job = 13, .uid = 61001, .kind = RAIN_PANEL_GUEST, .peer = "bravo"};
	struct rain_panel_state state;

	memset(nodes, 0, NODES * sizeof(*nodes));
	rain_panel_state_init(&state, RAIN_PANEL_STATUS);
	state.booted = true;
	state.network = RAIN_PANEL_NETWORK_OK;
	ask(&nodes[0], "node1", &state, 2000);
	rain_panel_state_start(&state, &home, 1000, 1000, NULL);
	rain_panel_state_start(&state, &guest, 1500, 1500, NULL);
	ask(&nodes[1], "node2", &state, 2000 + 3600 * 1000);
	rain_panel_state_init(&state, RAIN_PANEL_LOAD);
	state.load_percent = 55;
	rain_panel_state_start(&state, &other, 0, 0, NULL);
	ask(&nodes[2], "node3", &state, 100);
	nodes[3].name = "node4";
	snprintf(nodes[3].trouble, sizeof(nodes[3].trouble), "no answer");
}

static char *print(int width, int height, bool colour, bool utf8, bool live)
{
	struct rain_panel_view_options options = {
		.width = width, .height = height, .colour = colour, .utf8 = utf8, .live = live,
		.title = "alpha", .user_name = user_name,
	};
	struct rain_panel_view_node nodes[NODES];
	char *text;

	fill(nodes);
	text = rain_panel_view_text(nodes, NODES, &options, "\n");
	assert_non_null(text);
	return text;
}

static void check(const char *expected, int width, int height, bool live)
{
	char *text = print(width, height, false, false, live);

	assert_string_equal(text, expected);
	free(text);
}

static void test_wide(void **unused)
{
	(void)unused;
	check("alpha  3 of 4 nodes answer, 2 with home jobs, 1 with guests\n"
	      "NODE  BOOT  NET TEMP USR1 USR2     JOB  OWNER               ELAPSED  CODE\n"
	      "node1   #    #    .    .    .\n"
	      "node2   #    #    .    @    @        12  ada                 1:00:01  .---\n"
	      "                                     13  guest of bravo      1:00:00  -.-\n"
	      "node3   #    #    #    @    .   1234567  a?[2Jlong-and-na       0:00  --\n"
	      "node4 no answer\n",
	      200, 0, false);
}

static void test_narrow(void **unused)
{
	(void)unused;
	check("alpha  3/4 nodes, 2 home, 1 guest\n"
	      "NODE  BNT12 JOB OWNER ELAPSED\n"
	      "node1 ##...\n"
	      "node2 ##.@@ 12 ada 1:00:01\n"
	      "            13 guest of bravo 1:00:00\n"
	      "node3 ###@. 1234567 a?[2Jlong-and-nasty-\n"
	      "node4 no answer\n",
	      40, 0, false);
}

static void test_live_shows_the_instant(void **unused)
{
	char *text = print(80, 0, false, false, true);

	(void)unused;
	/* The '--' of node3 began 100 ms ago. */
	assert_non_null(strstr(text, "node3   #    #    #    #    . "));
	free(text);
}

static int columns(const char *line, size_t length)
{
	int count = 0;

	for (size_t i = 0; i < length; i++)
		count += ((unsigned char)line[i] & 0xc0) != 0x80;
	return count;
}

static void test_never_wider_nor_higher(void **unused)
{
	(void)unused;
	for (int width = 1; width < 120; width++) {
		for (int height = 1; height < 9; height++) {
			char *text = print(width, height, false, true, true);
			int lines = 0;

			for (char *line = text; *line; lines++) {
				size_t length = strcspn(line, "\n");

				assert_true(columns(line, length) <= width);
				line += length + 1;
			}
			assert_true(lines <= (height < 2 ? 2 : height));
			free(text);
		}
	}
}

static void test_more_nodes_than_lines(void **unused)
{
	(void)unused;
	check("alpha  3/4 nodes, 2 home, 1 guest\n"
	      "NODE  BNT12 JOB OWNER ELAPSED\n"
	      "node1 ##...\n"
	      "and 3 more nodes\n",
	      40, 4, true);
}

/* With the colours taken out it is the same text. */
static void test_colour_adds_nothing_else(void **unused)
{
	char *plain = print(80, 0, false, true, true);
	char *colour = print(80, 0, true, true, true);
	char *to = colour;

	(void)unused;
	assert_non_null(strstr(colour, "\033["));
	assert_null(strchr(plain, '\033'));
	for (const char *from = colour; *from;) {
		if (*from == '\033')
			from += strcspn(from, "m") + 1;
		else
			*to++ = *from++;
	}
	*to = '\0';
	/* Blanks at a line's end may hide behind a colour. */
	assert_string_equal(colour, plain);
	free(plain);
	free(colour);
}

static void test_elapsed(void **unused)
{
	char text[RAIN_PANEL_ELAPSED_SIZE];

	(void)unused;
	assert_string_equal(rain_panel_view_elapsed(-5, text), "0:00");
	assert_string_equal(rain_panel_view_elapsed(59999, text), "0:59");
	assert_string_equal(rain_panel_view_elapsed(3599999, text), "59:59");
	assert_string_equal(rain_panel_view_elapsed(3600000, text), "1:00:00");
	assert_string_equal(rain_panel_view_elapsed(93784000, text), "1-02:03:04");
	rain_panel_view_elapsed(INT64_MAX, text);
}

static void test_strangers_frames(void **unused)
{
	static const char *const bad[] = {
		"{}",
		"{\"mode\":\"disco\",\"leds\":[],\"jobs\":[]}",
		"{\"mode\":\"load\",\"leds\":[],\"jobs\":[]}",
		"{\"mode\":\"load\",\"leds\":[1,2,3,4,5],\"jobs\":[]}",
		"{\"mode\":\"load\",\"leds\":7,\"jobs\":[]}",
	};
	struct rain_panel_view_node node = {.name = "node1"};
	struct rain_error err;

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *frame = rain_json_parse(bad[i], strlen(bad[i]), 65536, &err);

		assert_non_null(frame);
		assert_int_equal(rain_panel_view_node_read(&node, frame, 0, &err), -1);
		assert_false(node.answered);
		json_decref(frame);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wide),
		cmocka_unit_test(test_narrow),
		cmocka_unit_test(test_live_shows_the_instant),
		cmocka_unit_test(test_never_wider_nor_higher),
		cmocka_unit_test(test_more_nodes_than_lines),
		cmocka_unit_test(test_colour_adds_nothing_else),
		cmocka_unit_test(test_elapsed),
		cmocka_unit_test(test_strangers_frames),
	};

	return cmocka_run_group_tests_name("panel/view", tests, NULL, NULL);
}
