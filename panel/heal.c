/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/heal.h"

#include <stdio.h>
#include <string.h>

#include "common/log.h"

#define HELPER_MS 30000
#define FIND_WAIT_MS 10000
#define FIND_WAIT_MAX_MS 300000
#define LINE_MAX_SIZE 256
#define ANSWERS_MAX 16384

void rain_panel_heal_init(struct rain_panel_heal *heal, const char *node, const char *helper)
{
	memset(heal, 0, sizeof(*heal));
	heal->node = node;
	heal->helper = helper;
	heal->find_wait_ms = FIND_WAIT_MS;
	rain_panel_child_init(&heal->child, ANSWERS_MAX);
}

/* The jobs with a living step here, each once. -1 when it can't be known. */
static int read_running(const char *node, uint32_t running[static RAIN_PANEL_JOBS_MAX])
{
	FILE *list = fopen("/proc/net/unix", "re");
	char line[LINE_MAX_SIZE];
	bool continued = false;
	int count = 0;

	if (!list)
		return -1;
	while (fgets(line, sizeof(line), list)) {
		size_t length = strcspn(line, "\n");
		bool whole = line[length] == '\n' && !continued;
		uint32_t job;
		bool known = false;

		continued = line[length] != '\n';
		line[length] = '\0';
		/* Longer than a path can be: not slurmstepd's. */
		if (!whole)
			continue;
		job = rain_panel_presence_line(line, node);
		for (int i = 0; i < count; i++)
			known = known || running[i] == job;
		if (job != 0 && !known && count < RAIN_PANEL_JOBS_MAX)
			running[count++] = job;
	}
	fclose(list);
	return count;
}

static void ask(struct rain_panel_heal *heal, const uint32_t *jobs, size_t count, int64_t now_ms)
{
	char text[RAIN_PANEL_QUESTIONS_MAX][12];
	char *argv[RAIN_PANEL_QUESTIONS_MAX + 3];
	struct rain_error err;
	size_t argc = 0;

	argv[argc++] = (char *)heal->helper;
	argv[argc++] = (char *)heal->node;
	for (size_t i = 0; i < count; i++) {
		snprintf(text[i], sizeof(text[i]), "%u", jobs[i]);
		argv[argc++] = text[i];
	}
	argv[argc] = NULL;
	heal->asked_ms = now_ms;
	heal->asks_for_all = count == 0;
	if (rain_panel_child_exec(&heal->child, argv, now_ms + HELPER_MS, &err) < 0)
		rain_log_warning("can't ask Slurm which jobs are here: %s", err.text);
}

void rain_panel_heal_sweep(struct rain_panel_heal *heal, const struct rain_panel_state *state,
			   int64_t now_ms)
{
	uint32_t running[RAIN_PANEL_JOBS_MAX], due[RAIN_PANEL_QUESTIONS_MAX];
	size_t due_count;
	int count;

	if (heal->child.pid > 0)
		return;
	if (!heal->found && now_ms >= heal->find_ms) {
		heal->find_ms = now_ms + heal->find_wait_ms;
		heal->find_wait_ms *= 2;
		if (heal->find_wait_ms > FIND_WAIT_MAX_MS)
			heal->find_wait_ms = FIND_WAIT_MAX_MS;
		ask(heal, NULL, 0, now_ms);
		return;
	}
	count = read_running(heal->node, running);
	if (count < 0)
		return; /* not known is not gone */
	rain_panel_presence_update(&heal->presence, state, running, (size_t)count, now_ms);
	due_count = rain_panel_presence_due(&heal->presence, now_ms, due);
	if (due_count > 0)
		ask(heal, due, due_count, now_ms);
}

int rain_panel_heal_fd(const struct rain_panel_heal *heal, int64_t *deadline_ms)
{
	*deadline_ms = heal->child.pid > 0 ? heal->child.deadline_ms : INT64_MAX;
	return heal->child.fd;
}

static bool apply(struct rain_panel_heal *heal, struct rain_panel_state *state,
		  const struct rain_panel_answer *answer, int64_t now_ms)
{
	const struct rain_panel_job *job = rain_panel_state_find(state, answer->job);
	struct rain_panel_notice notice = {.job = answer->job, .uid = answer->uid};
	struct rain_error err;
	int rc;

	if (!answer->here) {
		/* It came back, by notice, while we asked. */
		if (!job || job->since_ms >= heal->asked_ms ||
		    !rain_panel_presence_doubts(&heal->presence, answer->job))
			return false;
		rain_log_info("job is gone without notice job=%u", answer->job);
		return rain_panel_state_end(state, answer->job, now_ms) > 0;
	}
	/* The notice knows better whose it is. */
	if (job)
		return false;
	if (heal->guest_uid_max > 0 && answer->uid >= heal->guest_uid_min &&
	    answer->uid <= heal->guest_uid_max)
		notice.kind = RAIN_PANEL_GUEST;
	if (notice.kind == RAIN_PANEL_GUEST)
		memcpy(notice.peer, answer->peer, sizeof(notice.peer));
	rc = rain_panel_state_start(state, &notice, now_ms - answer->elapsed_s * 1000, now_ms,
				    &err);
	if (rc < 0)
		rain_log_warning("%s", err.text);
	else
		rain_log_info("job is here without notice job=%u", answer->job);
	return rc > 0;
}

/* An answer without its last line may be half of one: what it says of single
 * jobs is true all the same. */
static bool take_answers(struct rain_panel_heal *heal, struct rain_panel_state *state,
			 int64_t now_ms)
{
	char *next = heal->child.answer, *line;
	bool changed = false, done = false;

	while ((line = strsep(&next, "\n"))) {
		struct rain_panel_answer answer;
		struct rain_error err;

		if (!*line)
			continue;
		if (rain_panel_presence_answer(line, &answer, &err) < 0) {
			rain_log_warning("%s said what it should not: %s", heal->helper, err.text);
			break;
		}
		done = done || answer.done;
		if (!answer.done && apply(heal, state, &answer, now_ms))
			changed = true;
	}
	if (done && heal->asks_for_all)
		heal->found = true;
	if (!done)
		rain_log_warning("Slurm can't be asked which jobs are here; the lights stay as "
				 "they are node=%s",
				 heal->node);
	return changed;
}

bool rain_panel_heal_progress(struct rain_panel_heal *heal, struct rain_panel_state *state,
			      bool ready, int64_t now_ms)
{
	struct rain_error err;
	bool changed = false;
	int rc;

	if (heal->child.pid == 0 || (!ready && now_ms < heal->child.deadline_ms))
		return false;
	rc = rain_panel_child_read(&heal->child, now_ms, &err);
	if (rc == 0)
		return false;
	if (rc < 0)
		rain_log_warning("can't ask Slurm which jobs are here: %s", err.text);
	else
		changed = take_answers(heal, state, now_ms);
	rain_panel_child_release(&heal->child);
	return changed;
}

void rain_panel_heal_release(struct rain_panel_heal *heal)
{
	rain_panel_child_release(&heal->child);
}
