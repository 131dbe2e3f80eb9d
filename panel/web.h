/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_WEB_H
#define RAIN_PANEL_WEB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/config.h"
#include "common/error.h"

/*
 * The HTTP face of rain-panelweb, on libmicrohttpd in its own epoll set, driven
 * from the program's loop.  Read-only: GET / is the page, GET /events the stream
 * of server-sent events.  Each event has two wordings, one with the names of
 * users and jobs and one without; which one a viewer gets is decided once, when
 * he connects, by the configuration and by who he is.
 */

#define RAIN_WEB_VIEWERS_MAX 64
/* What a viewer may have unread before he is dropped; his browser comes again. */
#define RAIN_WEB_UNREAD_MAX 262144

struct rain_web;

/* An event in both wordings; borrowed. */
struct rain_web_event {
	const char *named, *nameless;
};

/* Puts the events a new viewer begins with into `add` (rain_web_add). */
typedef void (*rain_web_greeter)(void *arg, bool named, struct rain_web *web, void *viewer);

/* `page` (the HTML, of `size` bytes) is borrowed. NULL with err. */
struct rain_web *rain_web_create(const struct rain_config *config, const char *page, size_t size,
				 rain_web_greeter greet, void *arg, struct rain_error *err);

/* The descriptor to poll for reading, and the milliseconds until it must be run
 * all the same (-1: none). */
int rain_web_fd(const struct rain_web *web);
int64_t rain_web_timeout_ms(const struct rain_web *web);
void rain_web_run(struct rain_web *web);

/* To one new viewer; to all. The text is one line of JSON. */
void rain_web_add(void *viewer, const char *event, const char *text);
void rain_web_publish(struct rain_web *web, const char *event, const struct rain_web_event *both);

size_t rain_web_viewers(const struct rain_web *web);

void rain_web_destroy(struct rain_web *web);

#endif
