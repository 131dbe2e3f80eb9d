/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "panel/frame.h"

#define TICK_MS 120

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

/* All five LEDs: '#' lit, '.' dark. */
static const char *all(const struct rain_panel_state *state, int64_t now_ms)
{
	static char picture[RAIN_LED_COUNT + 1];
	struct rain_panel_frame frame;

	rain_panel_frame_compute(state, now_ms, &frame);
	for (int i = 0; i < RAIN_LED_COUNT; i++)
		picture[i] = frame.level[i] == RAIN_LED_FULL ? '#' : '.';
	return picture;
}

/* One LED over the time. */
static const char *film(const struct rain_panel_state *state, enum rain_panel_led led,
			int64_t from_ms, size_t ticks)
{
	static char picture[512];
	struct rain_panel_frame frame;

	assert_true(ticks < sizeof(picture));
	for (size_t i = 0; i < ticks; i++) {
		rain_panel_frame_compute(state, from_ms + (int64_t)i * TICK_MS, &frame);
		picture[i] = frame.level[led] == RAIN_LED_FULL ? '#' : '.';
	}
	picture[ticks] = '\0';
	return picture;
}

static void test_status(void **unused)
{
	struct rain_panel_state state = healthy(RAIN_PANEL_STATUS);
	struct rain_panel_frame frame;

	(void)unused;
	assert_string_equal(all(&state, 12345), "##...");
	assert_int_equal(rain_panel_frame_compute(&state, 12345, &frame), INT64_MAX);
	state.temperature = RAIN_PANEL_TEMPERATURE_HOT;
	assert_string_equal(all(&state, 12345), "###..");
	state.temperature = RAIN_PANEL_TEMPERATURE_UNKNOWN;
	state.network = RAIN_PANEL_NETWORK_DOWN;
	assert_string_equal(all(&state, 12345), "#....");
	state.load_percent = 100; /* no matter here */
	assert_string_equal(all(&state, 12345), "#....");
}

static void test_blinks(void **unused)
{
	struct rain_panel_state state = healthy(RAIN_PANEL_STATUS);
	struct rain_panel_frame frame;

	(void)unused;
	state.network = RAIN_PANEL_NETWORK_NO_HEAD;
	assert_string_equal(all(&state, 7000), "##...");
	assert_int_equal(rain_panel_frame_compute(&state, 7000, &frame), 7500);
	assert_int_equal(frame.show[RAIN_LED_NETWORK], RAIN_SHOW_BLINK);
	assert_string_equal(all(&state, 7499), "##...");
	assert_string_equal(all(&state, 7500), "#....");
	assert_int_equal(rain_panel_frame_compute(&state, 7500, &frame), 8000);
	state.booted = false;
	assert_string_equal(all(&state, 7000), "##...");
	assert_string_equal(all(&state, 7500), ".....");
}

static void test_load_bar(void **unused)
{
	static const struct {
		unsigned int percent;
		const char *bar;
	} steps[] = {
		{0, "....."},  {9, "....."},  {10, "#...."}, {29, "#...."},
		{30, "##..."}, {50, "###.."}, {70, "####."}, {89, "####."},
		{90, "#####"}, {1600, "#####"},
	};
	struct rain_panel_state state = healthy(RAIN_PANEL_LOAD);

	(void)unused;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		state.load_percent = steps[i].percent;
		assert_string_equal(all(&state, 3), steps[i].bar);
	}
}

static void test_home_on_user1_guest_on_user2(void **unused)
{
	struct rain_panel_state state = healthy(RAIN_PANEL_STATUS);

	(void)unused;
	start(&state, 12, 30 * 700 + 3, RAIN_PANEL_HOME, 1000); /* .- */
	start(&state, 13, 30 * 2000 + 1, RAIN_PANEL_GUEST, 1000); /* - */
	assert_string_equal(film(&state, RAIN_LED_USER1, 1000, 34),
			    "#..####..........#..####..........");
	assert_string_equal(film(&state, RAIN_LED_USER2, 1000, 28),
			    "####..........####..........");
	assert_string_equal(film(&state, RAIN_LED_BOOT, 1000, 5), "#####");
	rain_panel_state_end(&state, 12, 9000);
	assert_string_equal(film(&state, RAIN_LED_USER1, 9000, 34),
			    "..................................");
	/* The guest plays on as if nothing were. */
	assert_string_equal(film(&state, RAIN_LED_USER2, 1000, 14), "####..........");
}

/* The pattern is there in load mode as well: lit flashes where the bar leaves
 * the LED dark, dark ones where it lights it. */
static void test_pattern_over_the_bar(void **unused)
{
	struct rain_panel_state state = healthy(RAIN_PANEL_LOAD);
	struct rain_panel_frame frame;

	(void)unused;
	start(&state, 12, 3, RAIN_PANEL_HOME, 0); /* .- */
	state.load_percent = 50;
	assert_string_equal(film(&state, RAIN_LED_USER1, 0, 17), "#..####..........");
	assert_string_equal(film(&state, RAIN_LED_TEMP, 0, 17), "#################");
	state.load_percent = 95;
	assert_string_equal(film(&state, RAIN_LED_USER1, 0, 17), ".##....##########");
	assert_string_equal(film(&state, RAIN_LED_USER2, 0, 17), "#################");
	rain_panel_frame_compute(&state, 0, &frame);
	assert_int_equal(frame.show[RAIN_LED_USER1], RAIN_SHOW_PATTERN);
	assert_int_equal(frame.show[RAIN_LED_USER2], RAIN_SHOW_ON);
}

static void test_turns(void **unused)
{
	struct rain_panel_state state = healthy(RAIN_PANEL_STATUS);

	(void)unused;
	start(&state, 12, 0, RAIN_PANEL_HOME, 0);   /* . */
	start(&state, 13, 1, RAIN_PANEL_HOME, 600); /* - */
	start(&state, 14, 1, RAIN_PANEL_HOME, 900); /* the same owner: nothing changes */
	assert_string_equal(film(&state, RAIN_LED_USER1, 600, 70),
			    /* the newest owner twice and a second's rest, then the other */
			    "####..........####...................."
			    "#..........#....................");
	/* And again from the beginning. */
	assert_string_equal(film(&state, RAIN_LED_USER1, 600 + 70 * TICK_MS, 18),
			    "####..........####");
	/* Who is left plays alone, from his first flash. */
	rain_panel_state_end(&state, 12, 5000);
	assert_string_equal(film(&state, RAIN_LED_USER1, 5000, 28),
			    "####..........####..........");
}

/* The returned time is exactly when the next frame differs. */
static void test_next_change(void **unused)
{
	struct rain_panel_state state = healthy(RAIN_PANEL_LOAD);
	struct rain_panel_frame frame, later;
	int64_t now = 100, next;

	(void)unused;
	start(&state, 12, 17, RAIN_PANEL_HOME, 0);
	start(&state, 13, 4, RAIN_PANEL_HOME, 20);
	start(&state, 14, 9, RAIN_PANEL_HOME, 50);
	start(&state, 15, 26, RAIN_PANEL_GUEST, 70);
	state.load_percent = 75;
	for (int i = 0; i < 500; i++) {
		next = rain_panel_frame_compute(&state, now, &frame);
		assert_true(next > now && next <= now + 3000);
		for (int64_t at = now; at < next; at += 7) {
			rain_panel_frame_compute(&state, at, &later);
			assert_memory_equal(&frame, &later, sizeof(frame));
		}
		now = next;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_blinks),
		cmocka_unit_test(test_load_bar),
		cmocka_unit_test(test_home_on_user1_guest_on_user2),
		cmocka_unit_test(test_pattern_over_the_bar),
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_next_change),
	};

	return cmocka_run_group_tests_name("panel/frame", tests, NULL, NULL);
}
