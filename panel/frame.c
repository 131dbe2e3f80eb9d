/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/frame.h"

#include <string.h>

#define BLINK_HALF_MS 500
#define TURN_REPETITIONS 2
#define TURN_PAUSE_MS 1200 /* on top of the pause that ends every code */

struct light {
	enum rain_panel_show show;
	bool lit;
	int64_t next_ms;
};

static const struct light off = {RAIN_SHOW_OFF, false, INT64_MAX};
static const struct light on = {RAIN_SHOW_ON, true, INT64_MAX};

const char *rain_panel_led_name(enum rain_panel_led led)
{
	static const char *const names[RAIN_LED_COUNT] = {"boot", "network", "temp", "user1",
							  "user2"};

	return names[led];
}

const char *rain_panel_show_name(enum rain_panel_show show)
{
	static const char *const names[] = {"off", "on", "blink", "pattern"};

	return names[show];
}

static struct light blink(int64_t now_ms)
{
	int64_t within = now_ms % (2 * BLINK_HALF_MS);

	if (within < 0)
		within += 2 * BLINK_HALF_MS;
	return (struct light){
		RAIN_SHOW_BLINK,
		within < BLINK_HALF_MS,
		now_ms - within + (within < BLINK_HALF_MS ? BLINK_HALF_MS : 2 * BLINK_HALF_MS),
	};
}

/* The patterns that take turns, in the order in which their owners came. */
static size_t collect_patterns(const struct rain_panel_state *state, enum rain_panel_kind kind,
			       unsigned int patterns[static RAIN_PATTERN_COUNT])
{
	bool have[RAIN_PATTERN_COUNT] = {false};
	size_t count = 0;

	for (size_t i = 0; i < state->job_count; i++) {
		const struct rain_panel_job *job = &state->jobs[i];

		if (job->kind != kind || have[job->pattern])
			continue;
		have[job->pattern] = true;
		patterns[count++] = job->pattern;
	}
	return count;
}

static int64_t turn_ms(unsigned int pattern, size_t owners)
{
	if (owners == 1)
		return rain_pattern_period_ms(pattern);
	return TURN_REPETITIONS * rain_pattern_period_ms(pattern) + TURN_PAUSE_MS;
}

static struct light owners_light(const struct rain_panel_state *state, enum rain_panel_kind kind,
				 int64_t now_ms)
{
	unsigned int patterns[RAIN_PATTERN_COUNT];
	size_t count = collect_patterns(state, kind, patterns);
	struct light light = {RAIN_SHOW_PATTERN, false, 0};
	int64_t at = now_ms - state->epoch_ms[kind];
	int64_t cycle = 0;
	size_t i = count;

	if (count == 0)
		return off;
	for (size_t k = 0; k < count; k++)
		cycle += turn_ms(patterns[k], count);
	at = at > 0 ? at % cycle : 0;
	/* The newest owner's turn comes first. */
	while (at >= turn_ms(patterns[--i], count))
		at -= turn_ms(patterns[i], count);

	int64_t played = count == 1 ? INT64_MAX
				    : TURN_REPETITIONS * rain_pattern_period_ms(patterns[i]);
	if (at >= played) {
		light.next_ms = now_ms + turn_ms(patterns[i], count) - at;
	} else {
		light.lit = rain_pattern_is_lit(patterns[i], at, &light.next_ms);
		light.next_ms += now_ms - at;
	}
	return light;
}

static void status_lights(const struct rain_panel_state *state, int64_t now_ms,
			  struct light lights[static RAIN_LED_COUNT])
{
	lights[RAIN_LED_BOOT] = state->booted ? on : blink(now_ms);
	lights[RAIN_LED_NETWORK] = state->network == RAIN_PANEL_NETWORK_OK	  ? on
				   : state->network == RAIN_PANEL_NETWORK_NO_HEAD ? blink(now_ms)
										  : off;
	lights[RAIN_LED_TEMP] = state->temperature == RAIN_PANEL_TEMPERATURE_HOT ? on : off;
	lights[RAIN_LED_USER1] = off;
	lights[RAIN_LED_USER2] = off;
}

static void load_lights(const struct rain_panel_state *state,
			struct light lights[static RAIN_LED_COUNT])
{
	for (unsigned int i = 0; i < RAIN_LED_COUNT; i++)
		lights[i] = state->load_percent >= 10 + 20 * i ? on : off;
}

/* A pattern on a lit LED is played as its negative. */
static void overlay(struct light *base, struct light owners)
{
	if (owners.show == RAIN_SHOW_OFF)
		return;
	owners.lit = owners.lit != base->lit;
	*base = owners;
}

int64_t rain_panel_frame_compute(const struct rain_panel_state *state, int64_t now_ms,
				 struct rain_panel_frame *frame)
{
	struct light lights[RAIN_LED_COUNT];
	int64_t next_ms = INT64_MAX;

	memset(frame, 0, sizeof(*frame));
	if (state->mode == RAIN_PANEL_LOAD)
		load_lights(state, lights);
	else
		status_lights(state, now_ms, lights);
	overlay(&lights[RAIN_LED_USER1], owners_light(state, RAIN_PANEL_HOME, now_ms));
	overlay(&lights[RAIN_LED_USER2], owners_light(state, RAIN_PANEL_GUEST, now_ms));

	for (int i = 0; i < RAIN_LED_COUNT; i++) {
		frame->level[i] = lights[i].lit ? RAIN_LED_FULL : RAIN_LED_DARK;
		frame->show[i] = lights[i].show;
		if (lights[i].next_ms < next_ms)
			next_ms = lights[i].next_ms;
	}
	return next_ms;
}
