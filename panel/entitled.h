/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_ENTITLED_H
#define RAIN_PANEL_ENTITLED_H

#include <stdbool.h>

#include "common/config.h"

/* Whether the other end of a TCP connection is a process of root or of one of
 * ledger.administrators on this very machine: the kernel lists the owner of each
 * of its own connections.  False for everybody from elsewhere, and in doubt. */
bool rain_panel_is_administrator(int fd, const struct rain_config *config);

/* Whether an HTTP Host header names this machine by address or as "localhost";
 * on a loopback address nothing else does, so that no foreign page reads ours
 * through a name of its own.  `listen` is HOST:PORT. */
bool rain_panel_host_is_ours(const char *host, const char *listen);

#endif
