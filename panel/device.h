/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_DEVICE_H
#define RAIN_PANEL_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "panel/driver.h"

/* The panel of this node in good and bad days: one write per change, and a
 * device that fails is opened again, slowly, with one clear line in the log. */
struct rain_panel_device {
	const struct rain_panel_driver *driver;
	const struct rain_config *config; /* borrowed */
	void *handle;			  /* NULL: not open at present */
	bool shown;			  /* `level` is what the LEDs show */
	uint8_t level[RAIN_LED_COUNT];
	int64_t shown_ms;  /* when `level` was written, realtime */
	uint64_t writes;   /* since the start */
	int64_t retry_ms;  /* when to open it again, monotonic */
	bool complained;
	enum rain_panel_mode candidate; /* last raw position of the switch */
	int64_t candidate_ms;
	bool candidate_pending;
};

/* Finds the driver and opens the device.  A device that can't be opened now is
 * no error; an unknown driver is. */
int rain_panel_device_init(struct rain_panel_device *device, const struct rain_config *config,
			   int64_t now_ms, struct rain_error *err);

/* Shows the levels, writing only when they changed. True when the LEDs show
 * them for the first time. */
bool rain_panel_device_show(struct rain_panel_device *device,
			    const uint8_t level[RAIN_LED_COUNT], int64_t now_ms);

/* The mode the switch asks for, debounced: a change of *mode counts when two
 * looks agree (drivers that are not polled: at once). True when it changed. */
bool rain_panel_device_read_switch(struct rain_panel_device *device, enum rain_panel_mode *mode,
				   int64_t now_ms);

/* When it must be called again without a change: to look at the switch or to
 * open the device again. INT64_MAX: never. Monotonic. */
int64_t rain_panel_device_deadline(const struct rain_panel_device *device, int64_t now_ms);

/* Opens the device again when it is time. */
void rain_panel_device_tick(struct rain_panel_device *device, int64_t now_ms);

/* All LEDs off, and closed. */
void rain_panel_device_release(struct rain_panel_device *device);

#endif
