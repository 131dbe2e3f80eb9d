/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/paneld.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"
#include "panel/caller.h"
#include "panel/listen.h"
#include "panel/request.h"

/* So many in one go; other work comes in between. */
#define REQUESTS_AT_ONCE 16
#define ANSWER_SIZE (sizeof(((struct rain_error *)NULL)->text) + 64)

int rain_paneld_user_open(const char *path, struct rain_error *err)
{
	int fd = rain_panel_listen_unix(path, SOCK_DGRAM, err);
	int one = 1;

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) < 0 ||
	    chmod(path, 0666) < 0) {
		rain_error_set(err, "can't let everybody write to %s: %s", path, strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

/* The job that the caller's process is in, if it is his and holds this node. */
static const struct rain_panel_job *job_of(const struct rain_panel_state *state,
					   const struct ucred *who, struct rain_error *err)
{
	uint32_t id = rain_panel_caller_job(who->pid, who->uid);
	const struct rain_panel_job *job = id ? rain_panel_state_find(state, id) : NULL;

	if (!id)
		rain_error_set(err, "this process belongs to no job: run it within one, for "
				    "example by srun");
	else if (!job || job->uid != who->uid)
		rain_error_set(err, "job %u is not known to this node's panel", id);
	else
		return job;
	return NULL;
}

/* 1 when the state changed, 0, or -1 with err. */
static int act(const char *text, size_t size, const struct ucred *who,
	       struct rain_panel_state *state, int64_t now_ms, struct rain_error *err)
{
	struct rain_panel_request request;
	const struct rain_panel_job *job;

	if (rain_panel_request_decode(text, size, &request, err) < 0)
		return -1;
	if (request.op == RAIN_PANEL_REQUEST_IDENTIFY) {
		if (who->uid != 0 && !job_of(state, who, err))
			return -1;
		state->identify_until_ms = now_ms + (int64_t)request.number * 1000;
		return 1;
	}
	job = job_of(state, who, err);
	if (!job)
		return -1;
	return rain_panel_state_drive(state, job->id, request.led, request.show, request.number,
				      now_ms, err);
}

/* Best effort: who doesn't read his answer doesn't get it. */
static void answer(int fd, const struct sockaddr_un *to, socklen_t length, int rc,
		   const struct rain_error *err)
{
	static const char refused[] = "{\"ok\":false,\"error\":\"";
	char text[ANSWER_SIZE];
	int size;

	if (length <= sizeof(sa_family_t))
		return;
	if (rc >= 0) {
		size = snprintf(text, sizeof(text), "{\"ok\":true}");
	} else {
		size = snprintf(text, sizeof(text), "%s%s\"}", refused, err->text);
		/* The sentences are ours; what they quote must not end the string. */
		for (int i = (int)sizeof(refused) - 1; i < size - 2; i++) {
			if (text[i] == '"' || text[i] == '\\' || (unsigned char)text[i] < ' ')
				text[i] = '\'';
		}
	}
	(void)!sendto(fd, text, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL,
		      (const struct sockaddr *)to, length);
}

bool rain_paneld_user_read(int fd, struct rain_panel_state *state, int64_t now_ms)
{
	bool changed = false;

	for (int i = 0; i < REQUESTS_AT_ONCE; i++) {
		char text[RAIN_PANEL_REQUEST_SIZE_MAX];
		struct rain_paneld_datagram from;
		struct rain_error err = {0};
		int rc = rain_paneld_receive(fd, text, sizeof(text), &from);

		if (rc < 0)
			break;
		if (rc == 0)
			continue;
		if (from.truncated)
			rc = rain_error_set(&err, "the request is longer than %d bytes",
					    RAIN_PANEL_REQUEST_SIZE_MAX);
		else
			rc = act(text, from.size, &from.who, state, now_ms, &err);
		if (rc < 0)
			rain_log_debug("refused: %s uid=%u", err.text, (unsigned)from.who.uid);
		answer(fd, &from.address, from.address_length, rc, &err);
		changed = changed || rc > 0;
	}
	return changed;
}
