/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_PANELD_H
#define RAIN_PANEL_PANELD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/config.h"
#include "common/error.h"
#include "panel/asker.h"
#include "panel/device.h"
#include "panel/frame.h"
#include "panel/head.h"
#include "panel/heal.h"
#include "panel/keeper.h"
#include "panel/record.h"
#include "panel/server.h"
#include "panel/state.h"

/* Everything of one rain-paneld. */
struct rain_paneld {
	const char *config_path; /* NULL: the usual one */
	const char *node;
	const char *helper;
	struct rain_config *config;

	struct rain_panel_state state;
	struct rain_panel_frame frame; /* as it is now */
	int64_t frame_changed_ms;      /* realtime */
	bool changed;		       /* those who watch don't know it yet */
	int64_t told_millidegrees, told_khz; /* what they do know */

	struct rain_panel_device device;
	struct rain_panel_server server;
	struct rain_panel_heal heal;
	struct rain_panel_keeper keeper;
	struct rain_panel_asker asker;
	struct rain_panel_head head;
	struct rain_record record;
	int notice_fd;
	int user_fd;
	char *user_path;
	int network_fd;
	int signal_fd;
	int64_t tick_ms; /* when to look around next */
	bool stop;
};

/* Loads the config and opens everything. -1 with err; release it either way. */
int rain_paneld_init(struct rain_paneld *daemon, const char *config_path, const char *node,
		     const char *helper, struct rain_error *err);

/* Runs until SIGTERM or SIGINT. -1 with err when it can't go on. */
int rain_paneld_run(struct rain_paneld *daemon, struct rain_error *err);

/* All LEDs off, all sockets gone. */
void rain_paneld_release(struct rain_paneld *daemon);

/* A datagram and who sent it, as the kernel knows. */
struct rain_paneld_datagram {
	size_t size;
	bool truncated;
	struct ucred who;
	struct sockaddr_un address;
	socklen_t address_length;
};

/* 1 with *from; 0: there was one, but not for us; -1: none waits. */
int rain_paneld_receive(int fd, char *text, size_t size, struct rain_paneld_datagram *from);

/* The socket of jobs' programs, panel/request.h (paneld_user.c). */
int rain_paneld_user_open(const char *path, struct rain_error *err);
bool rain_paneld_user_read(int fd, struct rain_panel_state *state, int64_t now_ms);

/* The notice socket (paneld_notice.c). */
int rain_paneld_notice_open(const char *path, struct rain_error *err);
/* Takes the datagrams that wait. True when the state changed. */
bool rain_paneld_notice_read(int fd, struct rain_panel_state *state, int64_t now_ms);

#endif
