/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_FRAME_H
#define RAIN_PANEL_FRAME_H

#include <stdint.h>

#include "panel/state.h"

/*
 * From the state and the time to the five LEDs.
 *
 * Status mode: "boot" is lit once the node is up and blinks until then;
 * "network" is lit when link, address and head are fine, blinks when only the
 * head is silent, and is dark without link or address; "temp" is lit when the
 * node is too hot, and flashes shortly every two seconds when it is cool and
 * slow all the same.
 * Load mode: the LEDs from the first to the last are a bar of five steps, one
 * for each 20 % of load per core (from 10, 30, 50, 70 and 90 %).
 * Both modes: while jobs hold the node, their owners' patterns play on "user1"
 * (home) and "user2" (guests).  Where the bar already lights that LED, the
 * pattern plays as dark flashes in a lit light, so that both can be read.
 * Several owners take turns, each for two repetitions, the newest first, with
 * a second pause between them.  What a job's own program shows on a user LED
 * goes before pattern and bar.
 * Self-test: one LED after the other, then all, for a tenth of a second each
 * and four; identify: all blink together, twice a second.
 */
enum rain_panel_led {
	RAIN_LED_BOOT,
	RAIN_LED_NETWORK,
	RAIN_LED_TEMP,
	RAIN_LED_USER1,
	RAIN_LED_USER2,
	RAIN_LED_COUNT,
};

/* Levels go from dark to full as in Linux' LED class. */
#define RAIN_LED_DARK 0
#define RAIN_LED_FULL 255

/* What a LED shows, whatever its level at this instant. */
enum rain_panel_show {
	RAIN_SHOW_OFF,
	RAIN_SHOW_ON,
	RAIN_SHOW_BLINK,   /* half a second lit, half a second dark */
	RAIN_SHOW_PATTERN, /* owners' codes */
};

struct rain_panel_frame {
	uint8_t level[RAIN_LED_COUNT];
	enum rain_panel_show show[RAIN_LED_COUNT];
};

/* "boot", "network", "temp", "user1", "user2". */
const char *rain_panel_led_name(enum rain_panel_led led);

/* "off", "on", "blink", "pattern". */
const char *rain_panel_show_name(enum rain_panel_show show);

/* Fills the frame as of now_ms.  Returns the time at which it changes by itself
 * at the earliest, INT64_MAX when it stays until the state changes. */
int64_t rain_panel_frame_compute(const struct rain_panel_state *state, int64_t now_ms,
				 struct rain_panel_frame *frame);

#endif
