/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/keeper.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "common/log.h"

#define HELPER_MS 30000
#define SAVE_MS 30000
#define ASK_EVERY_MS 2000
#define SAVED "saved"

static void read_kept(struct rain_panel_keeper *keeper, int64_t now_ms)
{
	struct rain_error err;
	size_t size;
	char *text;

	if (access(keeper->path, F_OK) < 0 && errno == ENOENT)
		return;
	text = rain_file_read(keeper->path, RAIN_CODEBOOK_TEXT_MAX, &size, &err);
	if (!text || rain_codebook_read(&keeper->book, text, size, now_ms, &err) < 0)
		rain_log_warning("the codes of owners are given out anew: %s: %s", keeper->path,
				 err.text);
	free(text);
}

void rain_panel_keeper_init(struct rain_panel_keeper *keeper, bool keeps, const char *helper,
			    const char *directory, const char *node, int64_t now_ms)
{
	memset(keeper, 0, sizeof(*keeper));
	keeper->keeps = keeps;
	keeper->helper = helper;
	rain_panel_child_init(&keeper->child, RAIN_CODEBOOK_LIST_MAX);
	if (!keeps || !*directory)
		return;
	if (asprintf(&keeper->path, "%s/%s.codes", directory, node) < 0) {
		keeper->path = NULL;
		return;
	}
	read_kept(keeper, now_ms);
}

int rain_panel_keeper_pattern(struct rain_panel_keeper *keeper, uid_t uid, int64_t now_ms)
{
	int pattern = rain_codebook_find(&keeper->book, uid, now_ms);

	if (pattern < 0)
		keeper->wanted = true;
	return pattern;
}

int rain_panel_keeper_code(struct rain_panel_keeper *keeper, uid_t uid, int64_t now_ms,
			   const char **code, struct rain_error *err)
{
	int pattern;

	if (!keeper->keeps)
		return rain_error_set(err, "this node gives out no codes (panel.code-keeper)");
	pattern = rain_panel_keeper_pattern(keeper, uid, now_ms);
	*code = pattern < 0 ? NULL : rain_pattern_code((unsigned int)pattern);
	return 0;
}

int rain_panel_keeper_fd(const struct rain_panel_keeper *keeper, int64_t *deadline_ms)
{
	if (keeper->phase != KEEPER_IDLE)
		*deadline_ms = keeper->child.deadline_ms;
	else
		*deadline_ms = keeper->wanted ? keeper->may_ask_ms : INT64_MAX;
	return keeper->child.fd;
}

static void ask(struct rain_panel_keeper *keeper, int64_t now_ms)
{
	char *argv[] = {(char *)keeper->helper, "--owners", NULL};
	struct rain_error err;

	keeper->wanted = false;
	keeper->may_ask_ms = now_ms + ASK_EVERY_MS;
	if (rain_panel_child_exec(&keeper->child, argv, now_ms + HELPER_MS, &err) < 0)
		rain_log_warning("can't ask Slurm who runs jobs: %s", err.text);
	else
		keeper->phase = KEEPER_ASKS;
}

static void save_in_child(int fd, const void *arg)
{
	const struct rain_panel_keeper *keeper = arg;
	char *text = rain_codebook_text(&keeper->next);
	struct rain_error err;

	if (!text)
		rain_error_set(&err, "out of memory");
	else if (rain_file_write(keeper->path, text, strlen(text), 0644, &err) == 0)
		rain_error_set(&err, SAVED);
	rain_file_write_fd(fd, err.text, strlen(err.text), NULL);
	free(text);
}

static void save(struct rain_panel_keeper *keeper, int64_t now_ms)
{
	struct rain_error err;

	if (!keeper->path) {
		keeper->book = keeper->next;
		return;
	}
	if (rain_panel_child_fork(&keeper->child, save_in_child, keeper, now_ms + SAVE_MS,
				  &err) == 0) {
		keeper->phase = KEEPER_SAVES;
		return;
	}
	rain_log_warning("the codes of owners aren't kept: %s", err.text);
	keeper->book = keeper->next;
}

static void take_owners(struct rain_panel_keeper *keeper, int64_t now_ms)
{
	uid_t running[RAIN_CODEBOOK_RUNNING_MAX];
	struct rain_error err;
	bool empty = keeper->child.size == 0; /* the helper has said why */
	size_t count;
	int rc;

	rc = rain_codebook_running(keeper->child.answer, keeper->child.size, running, &count, &err);
	rain_panel_child_release(&keeper->child);
	if (rc < 0) {
		rain_log_warning("Slurm can't be asked who runs jobs; owners play the codes they "
				 "have: %s", empty ? "no answer" : err.text);
		return;
	}
	keeper->next = keeper->book;
	if (rain_codebook_admit(&keeper->next, running, count, now_ms) > 0)
		save(keeper, now_ms);
	else
		keeper->book = keeper->next;
}

/* Whether it was kept or not: an owner without a code would be worse. */
static void take_saved(struct rain_panel_keeper *keeper, const char *trouble)
{
	if (!trouble && strcmp(keeper->child.answer, SAVED) != 0)
		trouble = keeper->child.answer;
	if (trouble)
		rain_log_warning("the codes of owners aren't kept: %s (panel.record in rain.conf)",
				 trouble);
	rain_panel_child_release(&keeper->child);
	keeper->book = keeper->next;
}

void rain_panel_keeper_progress(struct rain_panel_keeper *keeper, bool ready, int64_t now_ms)
{
	bool saves = keeper->phase == KEEPER_SAVES;
	struct rain_error err;
	int rc;

	if (keeper->phase == KEEPER_IDLE) {
		if (keeper->wanted && now_ms >= keeper->may_ask_ms)
			ask(keeper, now_ms);
		return;
	}
	if (!ready && now_ms < keeper->child.deadline_ms)
		return;
	rc = rain_panel_child_read(&keeper->child, now_ms, &err);
	if (rc == 0)
		return;
	keeper->phase = KEEPER_IDLE;
	if (saves)
		take_saved(keeper, rc < 0 ? err.text : NULL);
	else if (rc > 0)
		take_owners(keeper, now_ms);
	else
		rain_log_warning("can't ask Slurm who runs jobs: %s", err.text);
}

void rain_panel_keeper_release(struct rain_panel_keeper *keeper)
{
	rain_panel_child_release(&keeper->child);
	free(keeper->path);
	keeper->path = NULL;
}
