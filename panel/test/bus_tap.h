/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_TEST_BUS_TAP_H
#define RAIN_PANEL_TEST_BUS_TAP_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Between a daemon and the kernel's I2C bus: sees every SMBus transfer of the
 * daemon (seccomp's user notification, so that the bus and its driver stay the
 * kernel's own) and can let transfers fail as they do when a plug is pulled.
 */

struct bus_tap_counts {
	unsigned int reads, writes, failed;
	unsigned int latch_writes; /* to OLAT */
};

/* Call in the child before exec: its transfers are tapped from now on. */
void bus_tap_enter(void);

/* Call in the parent before each fork. */
void bus_tap_open(void);

/* Lets the next `count` transfers fail with EREMOTEIO; -1: all, 0: none. */
void bus_tap_break(int count);

struct bus_tap_counts bus_tap_counts(void);

#endif
