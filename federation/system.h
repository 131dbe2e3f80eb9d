/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_SYSTEM_H
#define RAIN_FEDERATION_SYSTEM_H

#include "federation/mind.h"

/* What the card says of the machine: doc/protocol.txt, 7. Versions of libraries are those
 * on the head; RAIN takes it that the nodes have the same. */

/* Begins to look for libraries, in a process of its own. -1 with err. */
int rain_system_start(struct rain_gateway *gateway, struct rain_error *err);
void rain_system_stop(struct rain_gateway *gateway);

/* The broker's word on the nodes that guests may have. True: it was another before. */
bool rain_system_seen(struct rain_gateway *gateway, const json_t *capacity);

/* card.capabilities.system; a new reference. */
json_t *rain_system_card(const struct rain_gateway *gateway);

#endif
