/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/frame.h"

#include <string.h>

#define BLINK_HALF_MS 500
#define IDENTIFY_HALF_MS 250
#define SLOW_FLASH_MS 150
#define SLOW_PERIOD_MS 2000
#define CODE_FLASH_MS 120
#define CODE_GAP_MS 240
#define CODE_PAUSE_MS 1200
#define SELF_TEST_STEP_MS 100
#define SELF_TEST_ALL_MS 400
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

/* Lit for the first lit_ms of every period that began at from_ms. */
static struct light flash(int64_t from_ms, int64_t lit_ms, int64_t period_ms, int64_t now_ms)
{
	int64_t within = (now_ms - from_ms) % period_ms;

	if (within < 0)
		within += period_ms;
	return (struct light){
		RAIN_SHOW_BLINK,
		within < lit_ms,
		now_ms - within + (within < lit_ms ? lit_ms : period_ms),
	};
}

static struct light blink(int64_t now_ms)
{
	return flash(0, BLINK_HALF_MS, 2 * BLINK_HALF_MS, now_ms);
}

/* `count` short flashes, then a pause. */
static struct light code(int64_t from_ms, int64_t count, int64_t now_ms)
{
	const int64_t one_ms = CODE_FLASH_MS + CODE_GAP_MS;
	int64_t period_ms = count * one_ms - CODE_GAP_MS + CODE_PAUSE_MS;
	int64_t at = now_ms > from_ms ? (now_ms - from_ms) % period_ms : 0;
	struct light light = {RAIN_SHOW_PATTERN, false, now_ms - at + period_ms};

	if (at < count * one_ms - CODE_GAP_MS) {
		light.lit = at % one_ms < CODE_FLASH_MS;
		light.next_ms = now_ms - at % one_ms + (light.lit ? CODE_FLASH_MS : one_ms);
	}
	return light;
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
	lights[RAIN_LED_TEMP] = state->temperature == RAIN_PANEL_TEMPERATURE_HOT ? on
				: state->temperature == RAIN_PANEL_TEMPERATURE_SLOW
					? flash(0, SLOW_FLASH_MS, SLOW_PERIOD_MS, now_ms)
					: off;
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

/* What a job's program wants goes before all else. */
static void drive(const struct rain_panel_state *state, unsigned int led, int64_t now_ms,
		  struct light *light)
{
	const struct rain_panel_job *job = rain_panel_state_driver(state, led);
	const struct rain_panel_drive *wish = job ? &job->drive[led] : NULL;

	if (!wish)
		return;
	switch (wish->show) {
	case RAIN_DRIVE_AUTO:
		break;
	case RAIN_DRIVE_OFF:
		*light = off;
		break;
	case RAIN_DRIVE_ON:
		*light = on;
		break;
	case RAIN_DRIVE_BLINK:
		*light = flash(wish->since_ms, 500 / wish->number, 1000 / wish->number, now_ms);
		break;
	case RAIN_DRIVE_CODE:
		*light = code(wish->since_ms, wish->number, now_ms);
		break;
	}
}

static void self_test(int64_t until_ms, int64_t now_ms, struct light lights[static RAIN_LED_COUNT])
{
	int64_t at = RAIN_PANEL_SELF_TEST_MS - (until_ms - now_ms);
	int64_t singles = RAIN_LED_COUNT * SELF_TEST_STEP_MS;
	int64_t step = at < 0 ? 0 : at / SELF_TEST_STEP_MS;
	int64_t next_ms = now_ms - at + (step + 1) * SELF_TEST_STEP_MS;

	for (int i = 0; i < RAIN_LED_COUNT; i++) {
		lights[i].lit = at < singles ? i == step : at < singles + SELF_TEST_ALL_MS;
		lights[i].next_ms = next_ms < until_ms ? next_ms : until_ms;
	}
}

static void identify(int64_t until_ms, int64_t now_ms, struct light lights[static RAIN_LED_COUNT])
{
	for (int i = 0; i < RAIN_LED_COUNT; i++) {
		lights[i] = flash(until_ms, IDENTIFY_HALF_MS, 2 * IDENTIFY_HALF_MS, now_ms);
		if (lights[i].next_ms > until_ms)
			lights[i].next_ms = until_ms;
	}
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
	drive(state, 0, now_ms, &lights[RAIN_LED_USER1]);
	drive(state, 1, now_ms, &lights[RAIN_LED_USER2]);
	if (state->identify_until_ms > now_ms)
		identify(state->identify_until_ms, now_ms, lights);
	else if (state->self_test_until_ms > now_ms)
		self_test(state->self_test_until_ms, now_ms, lights);

	for (int i = 0; i < RAIN_LED_COUNT; i++) {
		frame->level[i] = lights[i].lit ? RAIN_LED_FULL : RAIN_LED_DARK;
		frame->show[i] = lights[i].show;
		if (lights[i].next_ms < next_ms)
			next_ms = lights[i].next_ms;
	}
	return next_ms;
}
