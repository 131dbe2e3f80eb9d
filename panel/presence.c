/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/presence.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/config.h"
#include "common/json.h"

#define DOUBT_MS 10000
#define DOUBT_MAX_MS 300000
#define ANSWER_LINE_MAX 256

/* Num RefCount Protocol Flags Type St Inode Path */
#define FIELD_FLAGS 3
#define FIELD_PATH 7
#define FLAG_LISTENS 0x10000

static const char *skip_field(const char *text)
{
	text += strcspn(text, " ");
	return text + strspn(text, " ");
}

uint32_t rain_panel_presence_line(const char *line, const char *node)
{
	const char *path = line + strspn(line, " ");
	size_t node_length = strlen(node);
	unsigned long flags = 0, job;
	const char *name;
	char *end;

	for (int field = 0; field < FIELD_PATH; field++) {
		if (field == FIELD_FLAGS)
			flags = strtoul(path, NULL, 16);
		path = skip_field(path);
	}
	/* A user may give a socket any name, but an abstract one is surely his. */
	if (!(flags & FLAG_LISTENS) || *path != '/')
		return 0;
	name = strrchr(path, '/') + 1;
	if (strncmp(name, node, node_length) != 0 || name[node_length] != '_')
		return 0;
	name += node_length + 1;
	if (*name < '1' || *name > '9')
		return 0;
	errno = 0;
	job = strtoul(name, &end, 10);
	if (errno != 0 || job >= UINT32_MAX || *end != '.' || end[1] < '0' || end[1] > '9')
		return 0;
	return (uint32_t)job;
}

static bool contains(const uint32_t *jobs, size_t count, uint32_t job)
{
	for (size_t i = 0; i < count; i++) {
		if (jobs[i] == job)
			return true;
	}
	return false;
}

bool rain_panel_presence_doubts(const struct rain_panel_presence *presence, uint32_t job)
{
	for (size_t i = 0; i < presence->count; i++) {
		if (presence->question[i].job == job)
			return true;
	}
	return false;
}

static void open_question(struct rain_panel_presence *presence, uint32_t job, int64_t ask_ms)
{
	if (rain_panel_presence_doubts(presence, job))
		return;
	if (presence->count == RAIN_PANEL_QUESTIONS_MAX)
		return; /* there will be room at a later comparison */
	presence->question[presence->count].job = job;
	presence->question[presence->count].ask_ms = ask_ms;
	presence->question[presence->count].wait_ms = DOUBT_MS;
	presence->count++;
}

void rain_panel_presence_update(struct rain_panel_presence *presence,
				const struct rain_panel_state *state, const uint32_t *running,
				size_t running_count, int64_t now_ms)
{
	/* A question is over when notices and steps agree about its job. */
	for (size_t i = presence->count; i-- > 0;) {
		uint32_t job = presence->question[i].job;
		bool known = rain_panel_state_find(state, job) != NULL;

		if (known == contains(running, running_count, job))
			presence->question[i] = presence->question[--presence->count];
	}
	for (size_t i = 0; i < state->job_count; i++) {
		if (!contains(running, running_count, state->jobs[i].id))
			open_question(presence, state->jobs[i].id, now_ms + DOUBT_MS);
	}
	for (size_t i = 0; i < running_count; i++) {
		if (!rain_panel_state_find(state, running[i]))
			open_question(presence, running[i], now_ms);
	}
}

size_t rain_panel_presence_due(struct rain_panel_presence *presence, int64_t now_ms,
			       uint32_t jobs[static RAIN_PANEL_QUESTIONS_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < presence->count; i++) {
		if (now_ms < presence->question[i].ask_ms)
			continue;
		jobs[count++] = presence->question[i].job;
		presence->question[i].ask_ms = now_ms + presence->question[i].wait_ms;
		presence->question[i].wait_ms *= 2;
		if (presence->question[i].wait_ms > DOUBT_MAX_MS)
			presence->question[i].wait_ms = DOUBT_MAX_MS;
	}
	return count;
}

static int read_peer(const json_t *object, struct rain_panel_answer *answer,
		     struct rain_error *err)
{
	const char *peer;

	if (rain_json_string_or(object, "peer", RAIN_PANEL_PEER_MAX, "", &peer, err) < 0)
		return -1;
	if (*peer && !rain_config_name_is_valid(peer))
		return rain_error_set(err, "peer is not a name of a peer");
	memcpy(answer->peer, peer, strlen(peer) + 1);
	return 0;
}

int rain_panel_presence_answer(const char *line, struct rain_panel_answer *answer,
			       struct rain_error *err)
{
	json_t *object = rain_json_parse(line, strlen(line), ANSWER_LINE_MAX, err);
	int64_t job, uid, elapsed;
	int here, rc = -1;

	memset(answer, 0, sizeof(*answer));
	if (!object)
		return -1;
	if (json_is_true(json_object_get(object, "done"))) {
		answer->done = true;
		rc = 0;
	} else if (rain_json_int(object, "job", 1, UINT32_MAX - 1, &job, err) == 0 &&
		   rain_json_bool(object, "here", &here, err) == 0) {
		answer->job = (uint32_t)job;
		answer->here = here;
		if (!here) {
			rc = 0;
		} else if (rain_json_int(object, "uid", 0, UINT32_MAX - 1, &uid, err) == 0 &&
			   rain_json_int(object, "elapsed", 0, INT32_MAX, &elapsed, err) == 0) {
			answer->uid = (uid_t)uid;
			answer->elapsed_s = elapsed;
			rc = read_peer(object, answer, err);
		}
	}
	json_decref(object);
	return rc;
}
