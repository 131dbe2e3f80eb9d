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

/*
 * Heat and clock, from the files below `root` ("/sys").  *millidegrees gets the
 * hottest thermal zone and *clock_khz the slowest core's clock, 0 where no
 * sensor tells.
 *
 * Hot: a zone is at its own lowest passive or hot trip point (80 °C where it has
 * none), or the kernel holds the clock back as a means of cooling.
 * Slow: not hot, and the clock is limited to, or at a load of 80 % or more stays
 * at, less than nine tenths of what the processor can do.
 * Unknown: neither a zone nor a clock can be read.
 */
enum rain_panel_temperature rain_panel_sense_temperature(const char *root,
							 unsigned int load_percent,
							 int64_t *millidegrees,
							 int64_t *clock_khz);

/* Load of the last minute in percent of all cores; 0 when not known. */
unsigned int rain_panel_sense_load(void);

#endif
