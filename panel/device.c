/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/device.h"

#include <string.h>

#include "common/clock.h"
#include "common/log.h"

#define RETRY_MS 10000

static void fail(struct rain_panel_device *device, const struct rain_error *err, int64_t now_ms)
{
	if (!device->complained)
		rain_log_warning("panel is dark, trying again every %d s: %s driver=%s",
				 RETRY_MS / 1000, err->text, device->driver->name);
	device->complained = true;
	device->driver->close(device->handle);
	device->handle = NULL;
	device->shown = false;
	device->retry_ms = now_ms + RETRY_MS;
}

static void open_device(struct rain_panel_device *device, int64_t now_ms)
{
	struct rain_error err = {0};

	device->handle = device->driver->open(device->config, &err);
	if (!device->handle) {
		fail(device, &err, now_ms);
		return;
	}
	if (device->complained)
		rain_log_info("panel is back driver=%s", device->driver->name);
	device->complained = false;
}

int rain_panel_device_init(struct rain_panel_device *device, const struct rain_config *config,
			   int64_t now_ms, struct rain_error *err)
{
	memset(device, 0, sizeof(*device));
	device->config = config;
	device->driver = rain_panel_driver_find(config->panel.driver, err);
	if (!device->driver)
		return -1;
	open_device(device, now_ms);
	return 0;
}

bool rain_panel_device_show(struct rain_panel_device *device,
			    const uint8_t level[RAIN_LED_COUNT], int64_t now_ms)
{
	struct rain_error err = {0};

	if (device->shown && memcmp(device->level, level, sizeof(device->level)) == 0)
		return false;
	if (!device->handle)
		return false;
	if (device->driver->set(device->handle, level, &err) < 0) {
		fail(device, &err, now_ms);
		return false;
	}
	memcpy(device->level, level, sizeof(device->level));
	device->shown = true;
	device->shown_ms = rain_clock_realtime_ms();
	device->writes++;
	return true;
}

bool rain_panel_device_read_switch(struct rain_panel_device *device, enum rain_panel_mode *mode,
				   int64_t now_ms)
{
	struct rain_error err = {0};
	enum rain_panel_mode raw;
	int rc;

	if (!device->handle)
		return false;
	rc = device->driver->read_switch(device->handle, &raw, &err);
	if (rc < 0)
		fail(device, &err, now_ms);
	if (rc <= 0)
		return false;
	if (raw == *mode) {
		device->candidate_pending = false;
		return false;
	}
	/* Contacts bounce for some milliseconds: the next look must agree. */
	if (device->driver->switch_poll_ms > 0 &&
	    !(device->candidate_pending && device->candidate == raw &&
	      now_ms - device->candidate_ms >= device->driver->switch_poll_ms)) {
		if (!device->candidate_pending || device->candidate != raw)
			device->candidate_ms = now_ms;
		device->candidate = raw;
		device->candidate_pending = true;
		return false;
	}
	device->candidate_pending = false;
	*mode = raw;
	return true;
}

int64_t rain_panel_device_deadline(const struct rain_panel_device *device, int64_t now_ms)
{
	if (!device->handle)
		return device->retry_ms;
	if (device->driver->switch_poll_ms > 0)
		return now_ms + device->driver->switch_poll_ms;
	return INT64_MAX;
}

void rain_panel_device_tick(struct rain_panel_device *device, int64_t now_ms)
{
	if (!device->handle && now_ms >= device->retry_ms)
		open_device(device, now_ms);
}

void rain_panel_device_release(struct rain_panel_device *device)
{
	const uint8_t dark[RAIN_LED_COUNT] = {RAIN_LED_DARK};

	if (!device->driver)
		return;
	rain_panel_device_show(device, dark, rain_clock_monotonic_ms());
	device->driver->close(device->handle);
	device->handle = NULL;
}
