/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_LISTEN_H
#define RAIN_PANEL_LISTEN_H

#include <sys/types.h>

#include "common/error.h"

/* Listening sockets, all non-blocking and close-on-exec. -1 with err. */

/* TCP on HOST:PORT. */
int rain_panel_listen_tcp(const char *address, struct rain_error *err);

/* A Unix socket of `type` (SOCK_STREAM, SOCK_DGRAM) at `path` that only root
 * and this process' user may open.  Replaces a stale one; refuses when
 * another process listens there. */
int rain_panel_listen_unix(const char *path, int type, struct rain_error *err);

#endif
