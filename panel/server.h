/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_SERVER_H
#define RAIN_PANEL_SERVER_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"

/*
 * Who wants to see the panel: TCP on panel.listen for everybody on the
 * cluster's network (read-only), and sim.sock beside the notice socket for
 * root and the daemon's own user.  JSON lines, answers as in common/rpc.h:
 *
 *   {"op":"frame"}               the present frame
 *   {"op":"watch"}               the same, and another line at every change
 *   {"op":"code","uid":20001}    the code of an owner, from the node that gives them
 *                                out (panel/keeper.h): {"uid":20001,"code":".-"}, or
 *                                without "code" when he has none yet
 *   {"op":"mode","mode":"load"}  turns the virtual switch; sim.sock only
 *   {"op":"record","since":S,"until":U,"step_hours":N}
 *                                heat, clock and throttling of that time, in epoch
 *                                seconds: the answer is in panel/record.h; N 0 (or
 *                                not there) for one sum of all
 *
 * (Programs of jobs speak with user.sock: panel/request.h.)
 *
 * A frame:
 *   {"node":"node1","driver":"sim","mode":"status","time_ms":…,"writes":…,
 *    "levels":[255,255,0,0,0],
 *    "leds":[{"name":"boot","level":255,"show":"on"},…],
 *    "network":"ok","temperature":"ok","load_percent":3,
 *    "millidegrees":54000,"clock_khz":1152000,
 *    "jobs":[{"job":12,"uid":20001,"kind":"home","since":…,"elapsed_ms":…,
 *             "code":".-"},…]}
 * time_ms (when the LEDs last changed) and since are of this node's clock,
 * which may be wrong; elapsed_ms is not.  Guests have "peer" when it is known,
 * a LED that a job's program drives has "job"; temperature is "unknown", "ok",
 * "hot" or "slow" (cool and slow all the same), and what no sensor tells is not
 * there.
 */

#define RAIN_PANEL_CLIENTS_MAX 32
#define RAIN_PANEL_REQUEST_MAX 256
/* What one client may have unread before it is dropped. */
#define RAIN_PANEL_BACKLOG_MAX 65536
/* One who asks nothing and watches nothing is dropped after this. */
#define RAIN_PANEL_SILENCE_MS 60000

struct rain_panel_client {
	int fd; /* -1: free */
	bool local;
	bool watches;
	int64_t heard_ms;
	size_t request_size;
	char request[RAIN_PANEL_REQUEST_MAX];
	char *backlog; /* owned; NULL when nothing waits */
	size_t backlog_size;
};

/* What the server needs from the daemon. */
struct rain_panel_server_calls {
	/* The frame's JSON, one line with its newline; the caller frees it. */
	char *(*frame)(void *arg);
	/* The record's answer, as the frame's. NULL with err. */
	char *(*record)(void *arg, int64_t since_s, int64_t until_s, int64_t step_hours,
			struct rain_error *err);
	/* The owner's code, or NULL in *code. -1 with err: this node gives out none. */
	int (*code)(void *arg, uid_t uid, const char **code, struct rain_error *err);
	/* Turns the virtual switch. -1 with err. */
	int (*turn_switch)(void *arg, const char *mode, struct rain_error *err);
	void *arg;
};

struct rain_panel_server {
	int tcp_fd;   /* -1: none */
	int local_fd; /* -1: none */
	char *local_path;
	struct rain_panel_server_calls calls;
	struct rain_panel_client clients[RAIN_PANEL_CLIENTS_MAX];
};

/* The most descriptors rain_panel_server_poll fills in. */
#define RAIN_PANEL_SERVER_FDS (RAIN_PANEL_CLIENTS_MAX + 2)

/* Listens on `listen` (HOST:PORT, "" for none) and at local_path. */
int rain_panel_server_init(struct rain_panel_server *server, const char *listen,
			   const char *local_path, const struct rain_panel_server_calls *calls,
			   struct rain_error *err);

/* Fills in what to wait for; returns how many. *deadline_ms is lowered to when
 * the next silent client goes. */
size_t rain_panel_server_poll(const struct rain_panel_server *server,
			      struct pollfd fds[static RAIN_PANEL_SERVER_FDS],
			      int64_t *deadline_ms);

/* Serves those that are ready. */
void rain_panel_server_serve(struct rain_panel_server *server, const struct pollfd *fds,
			     size_t count, int64_t now_ms);

/* True when anybody watches. */
bool rain_panel_server_is_watched(const struct rain_panel_server *server);

/* Sends a line to all who watch; those who don't keep up are dropped. */
void rain_panel_server_publish(struct rain_panel_server *server, const char *line);

void rain_panel_server_release(struct rain_panel_server *server);

#endif
