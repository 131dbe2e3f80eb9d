/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the LEDs show, written down: every mode, every code, every wish of a
 * program; and that any order of starts and ends leaves what runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "panel/frame.h"

static struct rain_panel_state healthy(enum rain_panel_mode mode)
{
	struct rain_panel_state state;

	rain_panel_state_init(&state, mode);
	state.booted = true;
	state.network = RAIN_PANEL_NETWORK_OK;
	state.temperature = RAIN_PANEL_TEMPERATURE_OK;
	return state;
}

static void start(struct rain_panel_state *state, uint32_t job, uid_t uid,
		  enum rain_panel_kind kind, int64_t now_ms)
{
	struct rain_panel_notice notice = {.job = job, .uid = uid, .kind = kind};

	assert_int_equal(rain_panel_state_start(state, &notice, now_ms, now_ms, NULL), 1);
}

/* A LED's changes from from_ms on, "L120 D240 …": lit and dark for so long. */
static const char *changes(const struct rain_panel_state *state, enum rain_panel_led led,
			   int64_t from_ms, int count)
{
	static char text[256];
	int64_t now_ms = from_ms, began_ms = from_ms;
	struct rain_panel_frame frame;
	int64_t next_ms = rain_panel_frame_compute(state, now_ms, &frame);
	uint8_t level = frame.level[led];
	size_t used = 0;

	text[0] = '\0';
	while (count > 0) {
		assert_true(next_ms > now_ms); /* or the daemon would spin */
		assert_true(next_ms < INT64_MAX);
		now_ms = next_ms;
		next_ms = rain_panel_frame_compute(state, now_ms, &frame);
		if (frame.level[led] == level)
			continue;
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%c%d", used ? " " : "",
					 level ? 'L' : 'D', (int)(now_ms - began_ms));
		level = frame.level[led];
		began_ms = now_ms;
		count--;
	}
	return text;
}

static const char *levels(const struct rain_panel_state *state, int64_t now_ms)
{
	static char picture[RAIN_LED_COUNT + 1];
	struct rain_panel_frame frame;

	rain_panel_frame_compute(state, now_ms, &frame);
	for (int i = 0; i < RAIN_LED_COUNT; i++)
		picture[i] = frame.level[i] ? '#' : '.';
	return picture;
}

static void test_status(void **state)
{
	struct rain_panel_state panel = healthy(RAIN_PANEL_STATUS);

	(void)state;
	assert_string_equal(levels(&panel, 0), "##...");
	panel.network = RAIN_PANEL_NETWORK_DOWN;
	panel.temperature = RAIN_PANEL_TEMPERATURE_HOT;
	assert_string_equal(levels(&panel, 0), "#.#..");
	panel.network = RAIN_PANEL_NETWORK_NO_HEAD;
	assert_string_equal(changes(&panel, RAIN_LED_NETWORK, 0, 3), "L500 D500 L500");
	panel = healthy(RAIN_PANEL_STATUS);
	panel.temperature = RAIN_PANEL_TEMPERATURE_SLOW;
	assert_string_equal(changes(&panel, RAIN_LED_TEMP, 0, 4), "L150 D1850 L150 D1850");
	panel = healthy(RAIN_PANEL_STATUS);
	panel.booted = false;
	assert_string_equal(changes(&panel, RAIN_LED_BOOT, 0, 2), "L500 D500");
}

static void test_load(void **state)
{
	static const struct {
		unsigned int percent;
		const char *bar;
	} golden[] = {{0, "....."},  {9, "....."},  {10, "#...."}, {29, "#...."}, {30, "##..."},
		      {50, "###.."}, {70, "####."}, {89, "####."}, {90, "#####"}, {400, "#####"}};
	struct rain_panel_state panel = healthy(RAIN_PANEL_LOAD);

	(void)state;
	for (size_t i = 0; i < sizeof(golden) / sizeof(golden[0]); i++) {
		panel.load_percent = golden[i].percent;
		assert_string_equal(levels(&panel, 0), golden[i].bar);
	}
}

/* Each code, in both modes and for both kinds of job; no two are the same. */
static void test_every_code(void **state)
{
	char seen[RAIN_PATTERN_COUNT][256];

	(void)state;
	for (unsigned int i = 0; i < RAIN_PATTERN_COUNT; i++) {
		struct rain_panel_state panel = healthy(RAIN_PANEL_STATUS);
		const char *code = rain_pattern_code(i);
		char golden[256] = "";
		int count = 0;

		for (const char *flash = code; *flash; flash++) {
			snprintf(golden + strlen(golden), sizeof(golden) - strlen(golden), "%sL%d D%d",
				 flash == code ? "" : " ", *flash == '.' ? 120 : 480,
				 flash[1] ? 240 : 1200);
			count += 2;
		}
		start(&panel, 1, i, RAIN_PANEL_HOME, 1000);
		assert_string_equal(changes(&panel, RAIN_LED_USER1, 1000, count), golden);
		panel.load_percent = 100; /* all lit: as dark flashes */
		panel.mode = RAIN_PANEL_LOAD;
		for (char *c = golden; *c; c++)
			*c = *c == 'L' ? 'D' : *c == 'D' ? 'L' : *c;
		assert_string_equal(changes(&panel, RAIN_LED_USER1, 1000, count), golden);
		panel = healthy(RAIN_PANEL_STATUS);
		start(&panel, 1, i, RAIN_PANEL_GUEST, 1000);
		snprintf(seen[i], sizeof(seen[i]), "%s", changes(&panel, RAIN_LED_USER2, 1000, count));
		for (unsigned int k = 0; k < i; k++)
			assert_string_not_equal(seen[k], seen[i]);
	}
}

static void test_program(void **state)
{
	struct rain_panel_state panel = healthy(RAIN_PANEL_STATUS);

	(void)state;
	start(&panel, 1, 7, RAIN_PANEL_HOME, 0);
	rain_panel_state_drive(&panel, 1, 0, RAIN_DRIVE_BLINK, 2, 50, NULL);
	assert_string_equal(changes(&panel, RAIN_LED_USER1, 50, 3), "L250 D250 L250");
	rain_panel_state_drive(&panel, 1, 0, RAIN_DRIVE_BLINK, 10, 50, NULL);
	assert_string_equal(changes(&panel, RAIN_LED_USER1, 50, 2), "L50 D50");
	rain_panel_state_drive(&panel, 1, 1, RAIN_DRIVE_CODE, 3, 70, NULL);
	assert_string_equal(changes(&panel, RAIN_LED_USER2, 70, 7),
			    "L120 D240 L120 D240 L120 D1200 L120");
	rain_panel_state_drive(&panel, 1, 0, RAIN_DRIVE_OFF, 0, 80, NULL);
	rain_panel_state_drive(&panel, 1, 1, RAIN_DRIVE_ON, 0, 80, NULL);
	assert_string_equal(levels(&panel, 100), "##..#");
	assert_int_equal(rain_panel_state_end(&panel, 1, 200), 1);
	assert_string_equal(levels(&panel, 200), "##...");
}

static void test_self_test_and_identify(void **state)
{
	struct rain_panel_state panel = healthy(RAIN_PANEL_STATUS);
	static const char *const golden[] = {"#....", ".#...", "..#..", "...#.", "....#",
					     "#####", "#####", "#####", "#####", "....."};

	(void)state;
	panel.self_test_until_ms = 5000 + RAIN_PANEL_SELF_TEST_MS;
	for (int i = 0; i < 10; i++)
		assert_string_equal(levels(&panel, 5000 + 100 * i), golden[i]);
	assert_string_equal(levels(&panel, 6000), "##...");
	panel.identify_until_ms = 9000;
	assert_string_equal(changes(&panel, RAIN_LED_USER2, 7000, 3), "L250 D250 L250");
	assert_string_equal(levels(&panel, 7100), "#####");
	assert_string_equal(levels(&panel, 9000), "##...");
}

/* Any order of starts, ends, repetitions and crashes: the lights show what runs. */
static void test_any_order(void **state)
{
	(void)state;
	for (unsigned int seed = 1; seed <= 300; seed++) {
		struct rain_panel_state panel = healthy(RAIN_PANEL_STATUS);
		bool runs[16] = {false};
		unsigned int random = seed;

		for (int step = 0; step < 200; step++) {
			unsigned int owner, what;
			struct rain_panel_frame frame;
			int kinds[2] = {0, 0};

			random = random * 1103515245u + 12345u;
			owner = random >> 16 & 15;
			what = random >> 20 & 15;
			struct rain_panel_notice notice = {.job = owner + 1,
							   .uid = 20000 + owner * 30,
							   .kind = owner % 2 ? RAIN_PANEL_GUEST
									     : RAIN_PANEL_HOME};
			if (what == 0) { /* a crash: all is told again */
				panel = healthy(RAIN_PANEL_STATUS);
				for (unsigned int i = 0; i < 16; i++) {
					if (runs[i])
						start(&panel, i + 1, 20000 + i * 30,
						      i % 2 ? RAIN_PANEL_GUEST : RAIN_PANEL_HOME,
						      step * 77);
				}
			} else if (what < 9) {
				rain_panel_state_start(&panel, &notice, step * 77, step * 77, NULL);
				runs[owner] = true;
			} else {
				rain_panel_state_end(&panel, owner + 1, step * 77);
				runs[owner] = false;
			}
			for (unsigned int i = 0; i < 16; i++) {
				const struct rain_panel_job *job = rain_panel_state_find(&panel, i + 1);

				assert_int_equal(job != NULL, runs[i]);
				kinds[i % 2] += runs[i];
				for (unsigned int k = 0; job && k < i; k++) {
					if (runs[k])
						assert_int_not_equal(
							rain_panel_state_find(&panel, k + 1)->pattern,
							job->pattern);
				}
			}
			assert_true(rain_panel_frame_compute(&panel, step * 77, &frame) > step * 77);
			assert_int_equal(frame.show[RAIN_LED_USER1] == RAIN_SHOW_PATTERN, kinds[0] > 0);
			assert_int_equal(frame.show[RAIN_LED_USER2] == RAIN_SHOW_PATTERN, kinds[1] > 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status),	   cmocka_unit_test(test_load),
		cmocka_unit_test(test_every_code), cmocka_unit_test(test_program),
		cmocka_unit_test(test_self_test_and_identify),
		cmocka_unit_test(test_any_order),
	};

	return cmocka_run_group_tests_name("panel/golden", tests, NULL, NULL);
}
