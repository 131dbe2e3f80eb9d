/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_REQUEST_H
#define RAIN_PANEL_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "panel/state.h"

/*
 * What a job's own programs ask of the panel of their node: one datagram with
 * one JSON object to RAIN_PANEL_USER_SOCKET; who sends it is what the kernel
 * says.  A sender that has an address of its own gets a datagram back:
 * {"ok":true} or {"ok":false,"error":"sentence"}.
 *
 *   {"v":1,"op":"led","led":"user1","show":"blink","number":2}
 *   {"v":1,"op":"identify","seconds":30}
 *
 * "show" is "on", "off", "blink" (number: 1 to 10 times a second), "code"
 * (number: 1 to 9 flashes) or "auto" (the owner's pattern again); number is 1
 * when it is not there.  "seconds" is 0 to 600; 0 ends it.
 */
#define RAIN_PANEL_USER_SOCKET_NAME "user.sock"
#define RAIN_PANEL_USER_SOCKET RAIN_RUNDIR "/panel/" RAIN_PANEL_USER_SOCKET_NAME
#define RAIN_PANEL_REQUEST_SIZE_MAX 256
#define RAIN_PANEL_IDENTIFY_MAX_S 600

enum rain_panel_request_op {
	RAIN_PANEL_REQUEST_LED,
	RAIN_PANEL_REQUEST_IDENTIFY,
};

struct rain_panel_request {
	enum rain_panel_request_op op;
	unsigned int led; /* 0: user1, 1: user2 */
	enum rain_panel_drive_show show;
	unsigned int number; /* for identify: seconds */
};

/* 0, or -1 with err naming what is wrong. */
int rain_panel_request_decode(const char *text, size_t size, struct rain_panel_request *request,
			      struct rain_error *err);

/* "auto", "off", "on", "blink", "code". */
const char *rain_panel_drive_name(enum rain_panel_drive_show show);

/* "user1" or "user2" to 0 or 1; -1 for anything else. */
int rain_panel_user_led(const char *name);

#endif
