/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_DRIVER_H
#define RAIN_PANEL_DRIVER_H

#include <stdint.h>

#include "common/config.h"
#include "common/error.h"
#include "panel/frame.h"
#include "panel/state.h"

/*
 * A driver is this small table: it lights the LEDs of one kind of hardware and
 * reads its switch.  It may touch the device, never sleeps and never retries:
 * after an error the caller closes it and opens it again later.
 */
struct rain_panel_driver {
	const char *name; /* the word for panel.driver in rain.conf */
	/* Milliseconds between two looks at the switch; 0: looking costs nothing. */
	int switch_poll_ms;

	/* Returns the device, or NULL with err. */
	void *(*open)(const struct rain_config *config, struct rain_error *err);
	/* Shows the levels (RAIN_LED_DARK…RAIN_LED_FULL), all five in one write
	 * where the hardware can. 0, or -1 with err. */
	int (*set)(void *device, const uint8_t level[RAIN_LED_COUNT], struct rain_error *err);
	/* 1 with *mode, 0 when there is no switch, -1 with err. Not debounced. */
	int (*read_switch)(void *device, enum rain_panel_mode *mode, struct rain_error *err);
	/* Whether the device still is as open left it: -1 with err when it lost its
	 * settings or does not answer.  NULL where it can't lose them. */
	int (*check)(void *device, struct rain_error *err);
	/* Turns a virtual switch; NULL where only fingers can. */
	void (*turn_switch)(void *device, enum rain_panel_mode mode);
	/* Leaves the LEDs as they are. NULL device is fine. */
	void (*close)(void *device);
};

/* No hardware: keeps the levels, and has a virtual switch that stands on
 * panel.mode at first.  What it shows is seen through rain-paneld's sockets. */
extern const struct rain_panel_driver rain_panel_driver_sim;

/* The MCP23017 expander of a Mark II board, over /dev/i2c-BUS; also with the
 * switch.  Bits of the expander that the config does not name are left as they
 * are. */
extern const struct rain_panel_driver rain_panel_driver_mcp23017;

/* Lights of Linux' LED class, by name.  One that a kernel trigger drives is left
 * to the kernel. */
extern const struct rain_panel_driver rain_panel_driver_leds;

/* NULL with err, which lists the known names. */
const struct rain_panel_driver *rain_panel_driver_find(const char *name, struct rain_error *err);

#endif
