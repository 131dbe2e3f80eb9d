/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_SENSE_H
#define RAIN_PANEL_SENSE_H

#include <stdbool.h>

#include "panel/state.h"

/* What the kernel says about this node.  Nothing here blocks, and whatever is
 * missing on a board is simply not known. */

/* True when an interface other than loopback has a link and an address that is
 * not link-local. */
bool rain_panel_sense_network(void);

/* A netlink socket that becomes readable when links or addresses change, -1
 * where there is none; and reading away what it says. */
int rain_panel_sense_network_open(void);
void rain_panel_sense_network_drain(int fd);

/* The hottest of the thermal zones below `root` ("/sys/class/thermal") against
 * its own lowest passive or hot trip point, or 80 °C where it has none.
 * Unknown without a readable zone. */
enum rain_panel_temperature rain_panel_sense_temperature(const char *root);

/* Load of the last minute in percent of all cores; 0 when not known. */
unsigned int rain_panel_sense_load(void);

#endif
