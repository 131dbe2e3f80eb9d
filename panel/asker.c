/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/asker.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/file.h"
#include "common/log.h"

#define ANSWER_MS 5000

static int connect_keeper(const struct rain_panel_asker *asker)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct timeval patience = {.tv_sec = ANSWER_MS / 1000};
	struct addrinfo *found;
	int fd = -1;

	if (getaddrinfo(asker->host, asker->port, &hints, &found) != 0)
		return -1;
	for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
		if (connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(found);
	return fd;
}

/* Hands on the keeper's line; no line is the answer when there is none. */
static void ask_in_child(int fd, const void *arg)
{
	const struct rain_panel_asker *asker = arg;
	int keeper = connect_keeper(asker);
	char line[RAIN_CODEBOOK_ANSWER_MAX], question[64];
	size_t size = 0;
	ssize_t got;
	int length;

	if (keeper < 0)
		return;
	length = snprintf(question, sizeof(question), "{\"op\":\"code\",\"uid\":%u}\n",
			  (unsigned int)asker->uid);
	if (send(keeper, question, (size_t)length, MSG_NOSIGNAL) != length)
		return;
	do {
		got = recv(keeper, line + size, sizeof(line) - size, 0);
		if (got > 0)
			size += (size_t)got;
	} while (got > 0 && size < sizeof(line) && line[size - 1] != '\n');
	if (size > 0 && line[size - 1] == '\n')
		rain_file_write_fd(fd, line, size, NULL);
	close(keeper);
}

int rain_panel_asker_init(struct rain_panel_asker *asker, const struct rain_config *config,
			  const char *node, struct rain_error *err)
{
	const char *keeper = config->panel.code_keeper;

	memset(asker, 0, sizeof(*asker));
	rain_panel_child_init(&asker->child, RAIN_CODEBOOK_ANSWER_MAX + 1);
	snprintf(asker->port, sizeof(asker->port), "%lld", (long long)config->panel.port);
	if (!*keeper || strcmp(keeper, node) == 0)
		return 0;
	asker->host = strdup(keeper);
	return asker->host ? 0 : rain_error_set(err, "out of memory");
}

int rain_panel_asker_fd(const struct rain_panel_asker *asker,
			const struct rain_panel_keeper *keeper,
			const struct rain_panel_state *state, int64_t *deadline_ms)
{
	uid_t uid;

	*deadline_ms = INT64_MAX;
	if (asker->child.pid > 0)
		*deadline_ms = asker->child.deadline_ms;
	else if (asker->host || keeper->keeps)
		rain_panel_state_question(state, &uid, deadline_ms);
	return asker->child.fd;
}

static bool learn(struct rain_panel_state *state, uid_t uid, int pattern, int64_t now_ms)
{
	if (pattern >= 0)
		return rain_panel_state_learn(state, uid, (unsigned int)pattern, now_ms);
	rain_pattern_unanswered(&state->owners, uid, now_ms);
	return false;
}

static bool take_answer(struct rain_panel_asker *asker, struct rain_panel_state *state,
			int64_t now_ms)
{
	struct rain_error err = {0};
	int rc = rain_panel_child_read(&asker->child, now_ms, &err);
	int pattern = -1;

	if (rc == 0)
		return false;
	if (rc > 0)
		pattern = rain_codebook_answer(asker->child.answer, asker->child.size, asker->uid,
					       &err);
	rain_panel_child_release(&asker->child);
	/* Once for each time that it goes away. */
	if (*err.text && !asker->silent)
		rain_log_warning("owners play codes of this node's own choice: can't ask %s port %s "
				 "(panel.code-keeper): %s", asker->host, asker->port, err.text);
	else if (!*err.text && asker->silent)
		rain_log_info("%s gives out the codes of owners again", asker->host);
	asker->silent = *err.text != '\0';
	return learn(state, asker->uid, pattern, now_ms);
}

bool rain_panel_asker_progress(struct rain_panel_asker *asker, struct rain_panel_keeper *keeper,
			       struct rain_panel_state *state, bool ready, int64_t now_ms)
{
	struct rain_error err;
	int64_t at_ms;
	uid_t uid;

	if (asker->child.pid > 0)
		return (ready || now_ms >= asker->child.deadline_ms) &&
		       take_answer(asker, state, now_ms);
	if (!rain_panel_state_question(state, &uid, &at_ms) || now_ms < at_ms)
		return false;
	if (keeper->keeps)
		return learn(state, uid, rain_panel_keeper_pattern(keeper, uid, now_ms), now_ms);
	if (!asker->host)
		return false;
	asker->uid = uid;
	if (rain_panel_child_fork(&asker->child, ask_in_child, asker, now_ms + ANSWER_MS, &err) < 0) {
		rain_log_warning("can't ask for the code of an owner: %s", err.text);
		return learn(state, uid, -1, now_ms);
	}
	return false;
}

void rain_panel_asker_release(struct rain_panel_asker *asker)
{
	rain_panel_child_release(&asker->child);
	free(asker->host);
	asker->host = NULL;
}
