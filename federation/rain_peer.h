/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_RAIN_PEER_H
#define RAIN_FEDERATION_RAIN_PEER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/table.h"

enum rain_peer_form {
	RAIN_PEER_TABLE,
	RAIN_PEER_JSON,
	RAIN_PEER_METRICS, /* OpenMetrics */
};

/* rain peer list: prints; an exit code. `style` is the table's. */
int rain_peer_list(const char *socket_path, enum rain_peer_form form, enum rain_table_style style);

/* rain peer ban, unban, bans: likewise. `reason` may be NULL. */
int rain_peer_ban(const char *socket_path, const char *peer, const char *user, const char *reason);
int rain_peer_unban(const char *socket_path, const char *peer, const char *user);
int rain_peer_bans(const char *socket_path, bool json, enum rain_table_style style);

/* rain peer dispute, disputes: likewise. `verb`: "accept" or "withdraw". */
int rain_peer_dispute(const char *socket_path, const char *peer, const char *verb);
int rain_peer_disputes(const char *socket_path, bool json, enum rain_table_style style);

#endif
