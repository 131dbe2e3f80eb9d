/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_RAIN_PEER_H
#define RAIN_FEDERATION_RAIN_PEER_H

#include <stdbool.h>

#include "common/table.h"

/* rain peer list: prints; an exit code. */
int rain_peer_list(const char *socket_path, bool json, enum rain_table_style style);

/* rain peer ban, unban, bans: likewise. `reason` may be NULL. */
int rain_peer_ban(const char *socket_path, const char *peer, const char *user, const char *reason);
int rain_peer_unban(const char *socket_path, const char *peer, const char *user);
int rain_peer_bans(const char *socket_path, bool json, enum rain_table_style style);

#endif
