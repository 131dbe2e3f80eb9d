/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_PAST_H
#define RAIN_PANEL_PAST_H

#include <jansson.h>

#include "common/config.h"

/* What rain-panelweb's plots show; each a new reference, null when it can't be had. */

/* How accounts moved in the last 30 days, or since there are transfers: what
 * rain-ledgerd's "history" answers. */
json_t *rain_past_accounts(const struct rain_config *config);

/* Of each node, in the order of panel.nodes:
 *
 *   {"node":"node1","answered":true,"sensors":true,"kept":true,
 *    "hottest":[54.0,null,…],"mhz":[1152,null,…],
 *    "throttles":2,"hot_s":60,"slow_s":0,
 *    "events":[{"at":…,"kind":"hot","lasted_s":60,"over":true},…]}
 *
 * for the last RAIN_PAST_HOURS hours, the present one last; null is an hour of which
 * nothing is known.  Only the last events are there. */
#define RAIN_PAST_HOURS 24
json_t *rain_past_heat(const struct rain_config *config);

#endif
