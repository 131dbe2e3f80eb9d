/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_DEVICE_H
#define RAIN_PANEL_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "panel/driver.h"

/* The panel of this node in good and bad days: one write per change, and a
 * device that fails is opened again: at once for a glitch of the bus, then ever
 * more slowly, with one clear line in the log. */
#define RAIN_PANEL_RETRY_FIRST_MS 100
#define RAIN_PANEL_RETRY_MAX_MS 10000
/* A panel that was pulled and plugged between two writes gives no error; the
 * driver looks so often whether its settings are still there. */
#define RAIN_PANEL_CHECK_MS 1000
/* Contacts bounce for some milliseconds: after a look at the switch that found
 * it turned, another one after this time must agree. */
#define RAIN_PANEL_SETTLE_MS 8

struct rain_panel_device {
	const struct rain_panel_driver *driver;
	const struct rain_config *config; /* borrowed */
	void *handle;			  /* NULL: not open at present */
	bool shown;			  /* `level` is what the LEDs show */
	uint8_t level[RAIN_LED_COUNT];
	int64_t shown_ms;  /* when `level` was written, realtime */
	uint64_t writes;   /* since the start */
	unsigned int failures; /* since it last worked for a check's time */
	bool complained;
	int64_t retry_ms;  /* when to open it again, monotonic */
	int64_t check_ms;  /* when to check it */
	bool has_switch;
	int64_t look_ms;   /* when to look at the switch */
	bool turned;	   /* the last look found it turned, at turned_ms */
	int64_t turned_ms;
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

/* When it must be called again without a change: to look at the switch, to
 * check the device or to open it again. INT64_MAX: never. Monotonic. */
int64_t rain_panel_device_deadline(const struct rain_panel_device *device);

/* Checks the device, or opens it again, when it is time. */
void rain_panel_device_tick(struct rain_panel_device *device, int64_t now_ms);

/* All LEDs off, and closed. */
void rain_panel_device_release(struct rain_panel_device *device);

#endif
