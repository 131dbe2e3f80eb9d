/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/view.h"

#include <string.h>

#include "common/config.h"
#include "common/json.h"

static int read_show(const char *name, enum rain_panel_show *show, struct rain_error *err)
{
	for (int i = RAIN_SHOW_OFF; i <= RAIN_SHOW_PATTERN; i++) {
		*show = (enum rain_panel_show)i;
		if (strcmp(rain_panel_show_name(*show), name) == 0)
			return 0;
	}
	return rain_error_set(err, "show is a word that is not known");
}

static int read_leds(struct rain_panel_view_node *node, const json_t *frame,
		     struct rain_error *err)
{
	json_t *leds;

	if (rain_json_array(frame, "leds", RAIN_LED_COUNT, &leds, err) < 0)
		return -1;
	if (json_array_size(leds) != RAIN_LED_COUNT)
		return rain_error_set(err, "leds has not %d items", RAIN_LED_COUNT);
	for (size_t i = 0; i < RAIN_LED_COUNT; i++) {
		const json_t *led = json_array_get(leds, i);
		const char *show;
		int64_t level;

		if (rain_json_int(led, "level", RAIN_LED_DARK, RAIN_LED_FULL, &level, err) < 0 ||
		    rain_json_string(led, "show", 16, &show, err) < 0 ||
		    read_show(show, &node->show[i], err) < 0)
			return -1;
		node->level[i] = (uint8_t)level;
	}
	return 0;
}

static int read_job(struct rain_panel_view_job *job, const json_t *object,
		    struct rain_error *err)
{
	const char *kind, *peer, *code;
	int64_t id, uid;

	memset(job, 0, sizeof(*job));
	if (rain_json_int(object, "job", 1, UINT32_MAX, &id, err) < 0 ||
	    rain_json_int(object, "uid", 0, UINT32_MAX, &uid, err) < 0 ||
	    rain_json_int(object, "elapsed_ms", 0, INT64_MAX / 2, &job->elapsed_ms, err) < 0 ||
	    rain_json_string(object, "kind", 16, &kind, err) < 0 ||
	    rain_json_string(object, "code", RAIN_PATTERN_CODE_MAX, &code, err) < 0 ||
	    rain_json_string_or(object, "peer", RAIN_PANEL_PEER_MAX, "", &peer, err) < 0)
		return -1;
	if (*peer && !rain_config_name_is_valid(peer))
		return rain_error_set(err, "peer is not a name of a peer");
	if (strspn(code, ".-") != strlen(code))
		return rain_error_set(err, "code is not made of . and -");
	job->id = (uint32_t)id;
	job->uid = (uid_t)uid;
	job->kind = strcmp(kind, "guest") == 0 ? RAIN_PANEL_GUEST : RAIN_PANEL_HOME;
	memcpy(job->peer, peer, strlen(peer) + 1);
	memcpy(job->code, code, strlen(code) + 1);
	return 0;
}

int rain_panel_view_node_read(struct rain_panel_view_node *node, const json_t *frame,
			      int64_t now_ms, struct rain_error *err)
{
	struct rain_panel_view_node fresh = {.name = node->name, .received_ms = now_ms};
	const char *mode;
	json_t *jobs;

	if (rain_json_string(frame, "mode", 16, &mode, err) < 0)
		return -1;
	if (rain_panel_mode_parse(mode, &fresh.mode) < 0)
		return rain_error_set(err, "mode is neither \"status\" nor \"load\"");
	if (read_leds(&fresh, frame, err) < 0 ||
	    rain_json_array(frame, "jobs", RAIN_PANEL_JOBS_MAX, &jobs, err) < 0)
		return -1;
	for (size_t i = 0; i < json_array_size(jobs); i++) {
		if (read_job(&fresh.jobs[i], json_array_get(jobs, i), err) < 0)
			return -1;
	}
	fresh.job_count = json_array_size(jobs);
	fresh.answered = true;
	*node = fresh;
	return 0;
}
