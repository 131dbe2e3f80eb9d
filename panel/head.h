/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_HEAD_H
#define RAIN_PANEL_HEAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/error.h"
#include "panel/child.h"

/*
 * Whether the head answers: a TCP connection to panel.head, begun and ended
 * without a byte.  A refused connection is an answer as well, so any port will
 * do, best one whose daemon keeps quiet about callers who say nothing.
 * Never blocks: a name is resolved in a child, and only when it is not known
 * or no longer right.
 */
struct rain_panel_head {
	char *host, *port; /* NULL: there is no head to look for */
	struct sockaddr_storage address;
	socklen_t address_length; /* 0: not resolved */
	struct rain_panel_child resolver;
	int fd; /* connecting, or -1 */
	int64_t deadline_ms;
	bool known; /* `reachable` was measured */
	bool reachable;
};

/* `address` is HOST:PORT; NULL or "" for none (always reachable). */
int rain_panel_head_init(struct rain_panel_head *head, const char *address,
			 struct rain_error *err);

/* Begins a check unless one is under way. */
void rain_panel_head_check(struct rain_panel_head *head, int64_t now_ms);

/* What to poll: a descriptor with its events, or -1; and until when. */
int rain_panel_head_fd(const struct rain_panel_head *head, short *events, int64_t *deadline_ms);

/* To be called when that descriptor is ready or the time has passed. True when
 * a check ended, whatever it found. */
bool rain_panel_head_progress(struct rain_panel_head *head, bool ready, int64_t now_ms);

void rain_panel_head_release(struct rain_panel_head *head);

#endif
