/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/device.h"

#include <string.h>

#include "common/clock.h"
#include "common/log.h"

static int64_t retry_after_ms(unsigned int failures)
{
	int64_t wait_ms = RAIN_PANEL_RETRY_FIRST_MS;

	while (--failures > 0 && wait_ms < RAIN_PANEL_RETRY_MAX_MS)
		wait_ms *= 2;
	return wait_ms < RAIN_PANEL_RETRY_MAX_MS ? wait_ms : RAIN_PANEL_RETRY_MAX_MS;
}

/* A single failure is a glitch and not worth a line. */
static void fail(struct rain_panel_device *device, const struct rain_error *err, int64_t now_ms)
{
	device->failures++;
	if (device->failures > 1 && !device->complained) {
		rain_log_warning("panel is dark, trying again at least every %d s: %s driver=%s",
				 RAIN_PANEL_RETRY_MAX_MS / 1000, err->text, device->driver->name);
		device->complained = true;
	}
	device->driver->close(device->handle);
	device->handle = NULL;
	device->shown = false;
	device->retry_ms = now_ms + retry_after_ms(device->failures);
}

static void open_device(struct rain_panel_device *device, int64_t now_ms)
{
	struct rain_error err = {0};

	device->handle = device->driver->open(device->config, &err);
	if (!device->handle) {
		fail(device, &err, now_ms);
		return;
	}
	device->has_switch = true;
	device->turned = false;
	device->look_ms = now_ms;
	device->check_ms = device->driver->check ? now_ms + RAIN_PANEL_CHECK_MS : INT64_MAX;
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
	int poll_ms = device->driver->switch_poll_ms;
	struct rain_error err = {0};
	enum rain_panel_mode raw;
	int rc;

	if (!device->handle || !device->has_switch || (poll_ms > 0 && now_ms < device->look_ms))
		return false;
	rc = device->driver->read_switch(device->handle, &raw, &err);
	device->look_ms = now_ms + poll_ms;
	if (rc < 0)
		fail(device, &err, now_ms);
	else if (rc == 0)
		device->has_switch = false;
	if (rc <= 0)
		return false;
	if (raw == *mode) {
		device->turned = false;
		return false;
	}
	if (poll_ms > 0 && !device->turned) {
		device->turned = true;
		device->turned_ms = now_ms;
	}
	if (poll_ms > 0 && now_ms < device->turned_ms + RAIN_PANEL_SETTLE_MS) {
		device->look_ms = device->turned_ms + RAIN_PANEL_SETTLE_MS;
		return false;
	}
	device->turned = false;
	*mode = raw;
	return true;
}

int64_t rain_panel_device_deadline(const struct rain_panel_device *device)
{
	bool polled = device->driver->switch_poll_ms > 0 && device->has_switch;

	if (!device->handle)
		return device->retry_ms;
	return polled && device->look_ms < device->check_ms ? device->look_ms : device->check_ms;
}

static void check(struct rain_panel_device *device, int64_t now_ms)
{
	struct rain_error err = {0};

	device->check_ms = now_ms + RAIN_PANEL_CHECK_MS;
	if (device->driver->check(device->handle, &err) < 0) {
		fail(device, &err, now_ms);
		return;
	}
	if (device->complained)
		rain_log_info("panel is back driver=%s", device->driver->name);
	device->complained = false;
	device->failures = 0;
}

void rain_panel_device_tick(struct rain_panel_device *device, int64_t now_ms)
{
	if (!device->handle && now_ms >= device->retry_ms)
		open_device(device, now_ms);
	else if (device->handle && now_ms >= device->check_ms)
		check(device, now_ms);
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
