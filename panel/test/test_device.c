/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The panel in good and bad days, with a driver that does as it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "panel/device.h"

static struct fake {
	bool present, settings_kept;
	enum rain_panel_mode position;
	int has_switch, opens, sets, looks;
} fake;

static void *fake_open(const struct rain_config *config, struct rain_error *err)
{
	(void)config;
	fake.opens++;
	fake.settings_kept = true;
	if (fake.present)
		return &fake;
	rain_error_set(err, "nothing there");
	return NULL;
}

static int answer(struct rain_error *err)
{
	return fake.present ? 0 : rain_error_set(err, "no answer");
}

static int fake_set(void *device, const uint8_t level[RAIN_LED_COUNT], struct rain_error *err)
{
	(void)device, (void)level;
	fake.sets++;
	return answer(err);
}

static int fake_read_switch(void *device, enum rain_panel_mode *mode, struct rain_error *err)
{
	(void)device;
	fake.looks++;
	*mode = fake.position;
	return answer(err) < 0 ? -1 : fake.has_switch;
}

static int fake_check(void *device, struct rain_error *err)
{
	(void)device;
	return fake.settings_kept ? answer(err) : rain_error_set(err, "settings lost");
}

static void fake_close(void *device) { (void)device; }

static const struct rain_panel_driver driver = {
	.name = "fake", .switch_poll_ms = 30, .open = fake_open, .set = fake_set,
	.read_switch = fake_read_switch, .check = fake_check, .close = fake_close,
};

const struct rain_panel_driver *rain_panel_driver_find(const char *name, struct rain_error *err)
{
	(void)name, (void)err;
	return &driver;
}

static struct rain_panel_device open_at(int64_t now_ms)
{
	static struct rain_config config;
	struct rain_panel_device device;

	assert_int_equal(rain_panel_device_init(&device, &config, now_ms, NULL), 0);
	return device;
}

static int reset(void **state)
{
	(void)state;
	fake = (struct fake){.present = true, .has_switch = 1};
	return 0;
}

/* Runs the daemon's part until end_ms; returns how often it woke. */
static int live(struct rain_panel_device *device, enum rain_panel_mode *mode, int64_t *now_ms,
		int64_t end_ms)
{
	int wakes = 0;

	for (;;) {
		int64_t next_ms = rain_panel_device_deadline(device);

		assert_true(next_ms > *now_ms);
		if (next_ms > end_ms)
			break;
		*now_ms = next_ms;
		rain_panel_device_tick(device, *now_ms);
		rain_panel_device_read_switch(device, mode, *now_ms);
		wakes++;
	}
	*now_ms = end_ms;
	return wakes;
}

/* Whenever it is turned, the switch is answered within 50 ms. */
static void test_switch_is_answered_in_time(void **state)
{
	(void)state;
	for (int64_t turned_ms = 1000; turned_ms < 1100; turned_ms++) {
		enum rain_panel_mode mode = RAIN_PANEL_STATUS;
		struct rain_panel_device device = open_at(0);
		int64_t now_ms = -1;

		fake.position = RAIN_PANEL_STATUS;
		live(&device, &mode, &now_ms, turned_ms);
		fake.position = RAIN_PANEL_LOAD;
		live(&device, &mode, &now_ms, turned_ms + 45);
		assert_int_equal(mode, RAIN_PANEL_LOAD);
	}
}

/* A contact that bounces for less than 8 ms turns nothing. */
static void test_bounce(void **state)
{
	enum rain_panel_mode mode = RAIN_PANEL_STATUS;
	struct rain_panel_device device = open_at(0);

	(void)state;
	fake.position = RAIN_PANEL_STATUS;
	rain_panel_device_read_switch(&device, &mode, 0);
	fake.position = RAIN_PANEL_LOAD;
	assert_false(rain_panel_device_read_switch(&device, &mode, 30));
	assert_int_equal(rain_panel_device_deadline(&device), 30 + RAIN_PANEL_SETTLE_MS);
	/* Other work wakes the daemon meanwhile: that is no look. */
	assert_false(rain_panel_device_read_switch(&device, &mode, 33));
	fake.position = RAIN_PANEL_STATUS;
	assert_false(rain_panel_device_read_switch(&device, &mode, 30 + RAIN_PANEL_SETTLE_MS));
	assert_int_equal(mode, RAIN_PANEL_STATUS);
	assert_int_equal(fake.looks, 3);
}

static void test_no_switch_no_waking(void **state)
{
	enum rain_panel_mode mode = RAIN_PANEL_STATUS;
	struct rain_panel_device device = open_at(0);
	int64_t now_ms = -1;

	(void)state;
	fake.has_switch = 0;
	assert_true(live(&device, &mode, &now_ms, 10000) <= 11); /* the checks alone */
	assert_int_equal(fake.looks, 1);
}

static void test_absent_panel_is_not_hammered(void **state)
{
	enum rain_panel_mode mode = RAIN_PANEL_STATUS;
	struct rain_panel_device device;
	int64_t now_ms = 0;

	(void)state;
	fake.present = false;
	device = open_at(0);
	live(&device, &mode, &now_ms, 3600 * 1000);
	assert_true(fake.opens <= 3600 / 10 + 10);
	assert_true(fake.opens >= 3600 / 10 - 10);
	fake.present = true;
	live(&device, &mode, &now_ms, 3600 * 1000 + RAIN_PANEL_RETRY_MAX_MS);
	assert_non_null(device.handle);
}

/* What the LEDs show is written again after every return. */
static void test_shows_again(void **state)
{
	const uint8_t level[RAIN_LED_COUNT] = {255, 0, 255, 0, 0};
	enum rain_panel_mode mode = RAIN_PANEL_STATUS;
	struct rain_panel_device device = open_at(0);
	int64_t now_ms = -1;

	(void)state;
	assert_true(rain_panel_device_show(&device, level, 0));
	assert_false(rain_panel_device_show(&device, level, 5));
	assert_int_equal(fake.sets, 1);
	fake.settings_kept = false; /* replugged between two writes */
	live(&device, &mode, &now_ms, 2 * RAIN_PANEL_CHECK_MS);
	assert_non_null(device.handle);
	assert_true(rain_panel_device_show(&device, level, now_ms));
	assert_int_equal(fake.sets, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_switch_is_answered_in_time, reset),
		cmocka_unit_test_setup(test_bounce, reset),
		cmocka_unit_test_setup(test_no_switch_no_waking, reset),
		cmocka_unit_test_setup(test_absent_panel_is_not_hammered, reset),
		cmocka_unit_test_setup(test_shows_again, reset),
	};

	return cmocka_run_group_tests_name("panel/device", tests, NULL, NULL);
}
