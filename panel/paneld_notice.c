/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/paneld.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "panel/listen.h"

/* So many in one go; other work comes in between. */
#define NOTICES_AT_ONCE 64

int rain_paneld_notice_open(const char *path, struct rain_error *err)
{
	int fd = rain_panel_listen_unix(path, SOCK_DGRAM, err);
	int one = 1;

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) < 0) {
		rain_error_set(err, "can't ask who sends to %s: %s", path, strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

/* Who sent it, as the kernel knows. */
static bool sender(struct msghdr *message, struct ucred *who)
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part;
	     part = CMSG_NXTHDR(message, part)) {
		if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_CREDENTIALS &&
		    part->cmsg_len == CMSG_LEN(sizeof(*who))) {
			memcpy(who, CMSG_DATA(part), sizeof(*who));
			return true;
		}
	}
	return false;
}

static bool take(const char *text, size_t size, struct rain_panel_state *state, int64_t now_ms)
{
	struct rain_panel_notice notice;
	struct rain_error err;
	int rc;

	if (rain_panel_notice_decode(text, size, &notice, &err) < 0) {
		rain_log_warning("notice ignored: %s", err.text);
		return false;
	}
	if (notice.event == RAIN_PANEL_END)
		return rain_panel_state_end(state, notice.job, now_ms) > 0;
	rc = rain_panel_state_start(state, &notice, now_ms, now_ms, &err);
	if (rc < 0)
		rain_log_warning("%s", err.text);
	return rc > 0;
}

bool rain_paneld_notice_read(int fd, struct rain_panel_state *state, int64_t now_ms)
{
	bool changed = false;

	for (int i = 0; i < NOTICES_AT_ONCE; i++) {
		/* Room for no descriptor: the kernel closes what is sent along. */
		union {
			char bytes[CMSG_SPACE(sizeof(struct ucred))];
			struct cmsghdr align;
		} control;
		char text[RAIN_PANEL_NOTICE_MAX];
		struct iovec data = {.iov_base = text, .iov_len = sizeof(text)};
		struct msghdr message = {
			.msg_iov = &data,
			.msg_iovlen = 1,
			.msg_control = control.bytes,
			.msg_controllen = sizeof(control.bytes),
		};
		struct ucred who;
		ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			break;
		if (!sender(&message, &who) || (who.uid != 0 && who.uid != geteuid())) {
			rain_log_warning("notice ignored: it is not from root");
			continue;
		}
		if (message.msg_flags & MSG_TRUNC) {
			rain_log_warning("notice ignored: it is longer than %d bytes",
					 RAIN_PANEL_NOTICE_MAX);
			continue;
		}
		if (take(text, (size_t)got, state, now_ms))
			changed = true;
	}
	return changed;
}
