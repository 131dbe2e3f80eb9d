/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_CHILD_H
#define RAIN_PANEL_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"

/*
 * A short-lived child that may block where the daemon must not (name service,
 * slurmctld), and whose memory goes away with it.  It writes its answer on a
 * pipe; the daemon polls `fd` and calls _read when it is readable or past the
 * deadline.  All zero with fd -1 is an idle one.
 */
struct rain_panel_child {
	pid_t pid; /* 0: none */
	int fd;	   /* -1: none */
	int64_t deadline_ms;
	char *answer; /* NUL-terminated once it is complete */
	size_t size, most; /* bytes of it, and how many there may be */
};

/* `most` bytes of an answer are taken, its end included. */
void rain_panel_child_init(struct rain_panel_child *child, size_t most);

/* Starts the program argv[0] (absolute path, never a shell), with /dev/null as
 * its stdin and no descriptor of ours but stderr. 0, or -1 with err. */
int rain_panel_child_exec(struct rain_panel_child *child, char *const argv[],
			  int64_t deadline_ms, struct rain_error *err);

/* Starts `run` in a copy of this process; it writes its answer to fd and
 * returns. 0, or -1 with err. */
int rain_panel_child_fork(struct rain_panel_child *child, void (*run)(int fd, const void *arg),
			  const void *arg, int64_t deadline_ms, struct rain_error *err);

/* Reads what is there without waiting.  Returns 1 when the answer is complete
 * (child->answer, until the next start or release), 0 when there is more to
 * come, -1 with err when it took too long or said too much. */
int rain_panel_child_read(struct rain_panel_child *child, int64_t now_ms,
			  struct rain_error *err);

/* Ends a running child, frees the answer, and leaves an idle one. */
void rain_panel_child_release(struct rain_panel_child *child);

#endif
