/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/frame_json.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static json_t *leds_json(const struct rain_panel_state *state,
			 const struct rain_panel_frame *frame)
{
	json_t *leds = json_array();

	for (int i = 0; i < RAIN_LED_COUNT; i++) {
		const struct rain_panel_job *job =
			i < RAIN_LED_USER1
				? NULL
				: rain_panel_state_driver(state, (unsigned int)(i - RAIN_LED_USER1));
		json_t *led = json_pack("{s:s,s:i,s:s}", "name",
					rain_panel_led_name((enum rain_panel_led)i), "level",
					frame->level[i], "show",
					rain_panel_show_name(frame->show[i]));

		if (led && job)
			json_object_set_new(led, "job", json_integer(job->id));
		json_array_append_new(leds, led);
	}
	return leds;
}

static json_t *levels_json(const struct rain_panel_frame *frame)
{
	json_t *levels = json_array();

	for (int i = 0; i < RAIN_LED_COUNT; i++)
		json_array_append_new(levels, json_integer(frame->level[i]));
	return levels;
}

static json_t *jobs_json(const struct rain_panel_picture *picture)
{
	json_t *jobs = json_array();

	for (size_t i = 0; i < picture->state->job_count; i++) {
		const struct rain_panel_job *job = &picture->state->jobs[i];
		int64_t elapsed_ms = picture->monotonic_ms - job->since_ms;
		json_t *object;

		object = json_pack("{s:I,s:I,s:s,s:I,s:I,s:s}", "job", (json_int_t)job->id, "uid",
				   (json_int_t)job->uid, "kind", rain_panel_kind_name(job->kind),
				   "since", (json_int_t)((picture->realtime_ms - elapsed_ms) / 1000),
				   "elapsed_ms", (json_int_t)elapsed_ms, "code",
				   rain_pattern_code(job->pattern));
		if (object && job->peer[0])
			json_object_set_new(object, "peer", json_string(job->peer));
		json_array_append_new(jobs, object);
	}
	return jobs;
}

static const char *network_name(enum rain_panel_network network)
{
	static const char *const names[] = {"down", "no head", "ok"};

	return names[network];
}

/* What this board has no sensor for is not there. */
static void add_measured(json_t *frame, const struct rain_panel_state *state)
{
	if (state->millidegrees != 0)
		json_object_set_new(frame, "millidegrees", json_integer(state->millidegrees));
	if (state->clock_khz != 0)
		json_object_set_new(frame, "clock_khz", json_integer(state->clock_khz));
}

char *rain_panel_frame_json(const struct rain_panel_picture *picture)
{
	const struct rain_panel_state *state = picture->state;
	json_t *reply;
	char *text, *line;
	size_t length;

	reply = json_pack("{s:b,s:{s:s,s:s,s:s,s:I,s:I,s:o,s:o,s:s,s:s,s:i,s:o}}", "ok", 1,
			  "result", "node", picture->node, "driver", picture->driver, "mode",
			  rain_panel_mode_name(state->mode), "time_ms",
			  (json_int_t)picture->changed_ms, "writes", (json_int_t)picture->writes,
			  "levels", levels_json(picture->frame), "leds",
			  leds_json(state, picture->frame), "network", network_name(state->network),
			  "temperature", rain_panel_temperature_name(state->temperature), "load_percent",
			  (int)state->load_percent, "jobs", jobs_json(picture));
	if (!reply)
		return NULL;
	add_measured(json_object_get(reply, "result"), state);
	text = json_dumps(reply, JSON_COMPACT);
	json_decref(reply);
	if (!text)
		return NULL;
	length = strlen(text);
	line = realloc(text, length + 2);
	if (!line) {
		free(text);
		return NULL;
	}
	memcpy(line + length, "\n", 2);
	return line;
}
