/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_RAIN_PEER_H
#define RAIN_FEDERATION_RAIN_PEER_H

#include <stdbool.h>

#include "common/table.h"

/* rain peer list: prints; an exit code. */
int rain_peer_list(const char *socket_path, bool json, enum rain_table_style style);

#endif
