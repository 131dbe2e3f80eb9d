/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/state.h"

#include <string.h>

void rain_panel_state_init(struct rain_panel_state *state, enum rain_panel_mode mode)
{
	memset(state, 0, sizeof(*state));
	state->mode = mode;
}

const struct rain_panel_job *rain_panel_state_find(const struct rain_panel_state *state,
						   uint32_t job)
{
	for (size_t i = 0; i < state->job_count; i++) {
		if (state->jobs[i].id == job)
			return &state->jobs[i];
	}
	return NULL;
}

static bool plays(const struct rain_panel_state *state, uid_t uid, enum rain_panel_kind kind)
{
	for (size_t i = 0; i < state->job_count; i++) {
		if (state->jobs[i].uid == uid && state->jobs[i].kind == kind)
			return true;
	}
	return false;
}

bool rain_panel_state_question(const struct rain_panel_state *state, uid_t *uid, int64_t *at_ms)
{
	*at_ms = INT64_MAX;
	for (size_t i = 0; i < state->job_count; i++) {
		int64_t ask_ms = rain_pattern_ask_ms(&state->owners, state->jobs[i].uid);

		if (ask_ms < *at_ms) {
			*at_ms = ask_ms;
			*uid = state->jobs[i].uid;
		}
	}
	return *at_ms < INT64_MAX;
}

bool rain_panel_state_learn(struct rain_panel_state *state, uid_t uid, unsigned int pattern,
			    int64_t now_ms)
{
	bool changed = false;

	rain_pattern_learn(&state->owners, uid, pattern, now_ms);
	for (size_t i = 0; i < state->job_count; i++) {
		struct rain_panel_job *job = &state->jobs[i];
		unsigned int plays_now = rain_pattern_of_owner(&state->owners, job->uid);

		if (plays_now == job->pattern)
			continue;
		job->pattern = plays_now;
		state->epoch_ms[job->kind] = now_ms;
		changed = true;
	}
	return changed;
}

/* Asking for the patterns of those who are here makes them the last ones to
 * lose theirs to a newcomer. */
static unsigned int choose_pattern(struct rain_panel_state *state, uid_t uid)
{
	for (size_t i = 0; i < state->job_count; i++)
		rain_pattern_of_owner(&state->owners, state->jobs[i].uid);
	return rain_pattern_of_owner(&state->owners, uid);
}

int rain_panel_state_start(struct rain_panel_state *state, const struct rain_panel_notice *notice,
			   int64_t since_ms, int64_t now_ms, struct rain_error *err)
{
	const struct rain_panel_job *known = rain_panel_state_find(state, notice->job);
	struct rain_panel_job *job;

	if (known && known->uid == notice->uid && known->kind == notice->kind) {
		job = &state->jobs[known - state->jobs];
		if (notice->peer[0] == '\0' || strcmp(job->peer, notice->peer) == 0)
			return 0;
		memcpy(job->peer, notice->peer, sizeof(job->peer));
		return 1;
	}
	if (known)
		rain_panel_state_end(state, notice->job, now_ms);
	if (state->job_count == RAIN_PANEL_JOBS_MAX)
		return rain_error_set(err, "job %u is not shown: the panel already has %d jobs",
				      notice->job, RAIN_PANEL_JOBS_MAX);
	if (!plays(state, notice->uid, notice->kind)) {
		state->epoch_ms[notice->kind] = now_ms;
		rain_pattern_begins(&state->owners, notice->uid);
	}
	job = &state->jobs[state->job_count];
	memset(job, 0, sizeof(*job));
	job->id = notice->job;
	job->uid = notice->uid;
	job->kind = notice->kind;
	job->since_ms = since_ms;
	job->pattern = choose_pattern(state, notice->uid);
	memcpy(job->peer, notice->peer, sizeof(job->peer));
	state->job_count++;
	return 1;
}

int rain_panel_state_end(struct rain_panel_state *state, uint32_t job, int64_t now_ms)
{
	const struct rain_panel_job *found = rain_panel_state_find(state, job);
	struct rain_panel_job gone;
	size_t at;

	if (!found)
		return 0;
	gone = *found;
	at = (size_t)(found - state->jobs);
	state->job_count--;
	memmove(&state->jobs[at], &state->jobs[at + 1],
		(state->job_count - at) * sizeof(state->jobs[0]));
	if (!plays(state, gone.uid, gone.kind))
		state->epoch_ms[gone.kind] = now_ms;
	return 1;
}

static int check_number(enum rain_panel_drive_show show, unsigned int number,
			struct rain_error *err)
{
	if (show == RAIN_DRIVE_BLINK && (number < 1 || number > RAIN_DRIVE_RATE_MAX))
		return rain_error_set(err, "it can blink 1 to %d times a second, not %u",
				      RAIN_DRIVE_RATE_MAX, number);
	if (show == RAIN_DRIVE_CODE && (number < 1 || number > RAIN_DRIVE_CODE_MAX))
		return rain_error_set(err, "a code is 1 to %d flashes, not %u",
				      RAIN_DRIVE_CODE_MAX, number);
	return 0;
}

int rain_panel_state_drive(struct rain_panel_state *state, uint32_t job, unsigned int led,
			   enum rain_panel_drive_show show, unsigned int number, int64_t now_ms,
			   struct rain_error *err)
{
	const struct rain_panel_job *found = rain_panel_state_find(state, job);
	struct rain_panel_drive *drive;

	if (!found || led > 1)
		return rain_error_set(err, "job %u is not on this node", job);
	if (check_number(show, number, err) < 0)
		return -1;
	if (show != RAIN_DRIVE_BLINK && show != RAIN_DRIVE_CODE)
		number = 0;
	drive = &state->jobs[found - state->jobs].drive[led];
	if (drive->show == show && drive->number == number &&
	    (show == RAIN_DRIVE_AUTO || rain_panel_state_driver(state, led) == found))
		return 0;
	*drive = (struct rain_panel_drive){show, number, now_ms, ++state->drive_order};
	return 1;
}

const struct rain_panel_job *rain_panel_state_driver(const struct rain_panel_state *state,
						     unsigned int led)
{
	const struct rain_panel_job *last = NULL;

	for (size_t i = 0; i < state->job_count; i++) {
		const struct rain_panel_job *job = &state->jobs[i];

		if (job->drive[led].show != RAIN_DRIVE_AUTO &&
		    (!last || job->drive[led].order > last->drive[led].order))
			last = job;
	}
	return last;
}

const char *rain_panel_mode_name(enum rain_panel_mode mode)
{
	return mode == RAIN_PANEL_LOAD ? "load" : "status";
}

int rain_panel_mode_parse(const char *name, enum rain_panel_mode *mode)
{
	if (strcmp(name, "status") == 0)
		*mode = RAIN_PANEL_STATUS;
	else if (strcmp(name, "load") == 0)
		*mode = RAIN_PANEL_LOAD;
	else
		return -1;
	return 0;
}

const char *rain_panel_temperature_name(enum rain_panel_temperature temperature)
{
	static const char *const names[] = {"unknown", "ok", "hot", "slow"};

	return names[temperature];
}
