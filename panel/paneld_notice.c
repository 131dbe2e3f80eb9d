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

int rain_paneld_receive(int fd, char *text, size_t size, struct rain_paneld_datagram *from)
{
	/* Room for no descriptor: the kernel closes what is sent along. */
	union {
		char bytes[CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} control;
	struct iovec data = {.iov_base = text, .iov_len = size};
	struct msghdr message = {
		.msg_name = &from->address,
		.msg_namelen = sizeof(from->address),
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (got < 0)
		return errno == EINTR ? 0 : -1;
	if (!sender(&message, &from->who))
		return 0;
	from->size = (size_t)got;
	from->truncated = (message.msg_flags & MSG_TRUNC) != 0;
	from->address_length = message.msg_namelen;
	return 1;
}

bool rain_paneld_notice_read(int fd, struct rain_panel_state *state, int64_t now_ms)
{
	bool changed = false;

	for (int i = 0; i < NOTICES_AT_ONCE; i++) {
		char text[RAIN_PANEL_NOTICE_MAX];
		struct rain_paneld_datagram from;
		int rc = rain_paneld_receive(fd, text, sizeof(text), &from);

		if (rc < 0)
			break;
		if (rc == 0)
			continue;
		if (from.who.uid != 0 && from.who.uid != geteuid())
			rain_log_warning("notice ignored: it is not from root");
		else if (from.truncated)
			rain_log_warning("notice ignored: it is longer than %d bytes",
					 RAIN_PANEL_NOTICE_MAX);
		else if (take(text, from.size, state, now_ms))
			changed = true;
	}
	return changed;
}
