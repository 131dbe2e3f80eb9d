/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Driver "leds" on files that look like Linux' LED class. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/file.h"
#include "panel/driver.h"

static char *names[RAIN_LED_COUNT] = {"green:boot", "", "red:temp", "", "kernels"};

static const char *file_of(const char *light, const char *file)
{
	static char path[256];

	snprintf(path, sizeof(path), RAIN_PANEL_LEDS_ROOT "/%s/%s", light, file);
	return path;
}

static void put(const char *light, const char *file, const char *text)
{
	assert_int_equal(rain_file_write(file_of(light, file), text, strlen(text), 0644, NULL), 0);
}

static int brightness(const char *light)
{
	char *text = rain_file_read(file_of(light, "brightness"), 64, NULL, NULL);
	int value = text ? atoi(text) : -1;

	free(text);
	return value;
}

static void make_light(const char *light, const char *max, const char *trigger)
{
	mkdir(file_of(light, ""), 0755);
	put(light, "brightness", "7\n");
	put(light, "max_brightness", max);
	put(light, "trigger", trigger);
}

static int set_up_lights(void **state)
{
	(void)state;
	mkdir(RAIN_PANEL_LEDS_ROOT, 0755);
	make_light("green:boot", "1\n", "[none] timer heartbeat\n");
	make_light("red:temp", "100\n", "[none] timer heartbeat\n");
	make_light("kernels", "255\n", "none timer [heartbeat]\n");
	return 0;
}

static int tear_down_lights(void **state)
{
	static const char *const files[] = {"brightness", "max_brightness", "trigger", ""};
	static const char *const lights[] = {"green:boot", "red:temp", "kernels"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		for (size_t k = 0; k < 3; k++)
			unlink(file_of(lights[i], files[k]));
		rmdir(file_of(lights[i], ""));
	}
	return rmdir(RAIN_PANEL_LEDS_ROOT);
}

static struct rain_config config_of_names(void)
{
	struct rain_config config = {0};

	memcpy(config.panel.led_names, names, sizeof(names));
	return config;
}

static void test_lights(void **state)
{
	const struct rain_panel_driver *driver = &rain_panel_driver_leds;
	uint8_t level[RAIN_LED_COUNT] = {255, 255, 255, 255, 255};
	struct rain_config config = config_of_names();
	struct rain_error err;
	enum rain_panel_mode mode;
	void *device = driver->open(&config, &err);

	(void)state;
	assert_non_null(device);
	assert_int_equal(driver->read_switch(device, &mode, &err), 0);
	assert_int_equal(driver->set(device, level, &err), 0);
	assert_int_equal(brightness("green:boot"), 1);
	assert_int_equal(brightness("red:temp"), 100);
	assert_int_equal(brightness("kernels"), 7); /* left alone */
	memset(level, 0, sizeof(level));
	assert_int_equal(driver->set(device, level, &err), 0);
	assert_int_equal(brightness("green:boot"), 0);
	assert_int_equal(brightness("red:temp"), 0);
	assert_int_equal(brightness("kernels"), 7);
	driver->close(device);
}

/* As the kernel does it: in the file that is open already. */
static void set(const char *light, const char *file, const char *text)
{
	int fd = open(file_of(light, file), O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* While a trigger is in charge the light is left alone; when it goes, the light
 * comes back as it should be by then. */
static void test_triggers_come_and_go(void **state)
{
	const struct rain_panel_driver *driver = &rain_panel_driver_leds;
	uint8_t level[RAIN_LED_COUNT] = {255, 255, 255, 255, 255};
	struct rain_config config = config_of_names();
	struct rain_error err;
	void *device = driver->open(&config, &err);

	(void)state;
	assert_non_null(device);
	assert_int_equal(driver->set(device, level, &err), 0);
	assert_int_equal(driver->check(device, &err), 0);
	set("green:boot", "trigger", "none [timer] heartbeat\n");
	assert_int_equal(driver->check(device, &err), 0);
	set("green:boot", "brightness", "5\n");
	level[RAIN_LED_BOOT] = 0;
	assert_int_equal(driver->set(device, level, &err), 0);
	level[RAIN_LED_BOOT] = 255;
	assert_int_equal(driver->set(device, level, &err), 0);
	assert_int_equal(driver->check(device, &err), 0);
	assert_int_equal(brightness("green:boot"), 5);
	set("green:boot", "trigger", "[none] timer heartbeat\n");
	assert_int_equal(driver->check(device, &err), 0);
	assert_int_equal(brightness("green:boot"), 1);
	set("kernels", "trigger", "[none] timer heartbeat\n");
	assert_int_equal(driver->check(device, &err), 0);
	assert_int_not_equal(brightness("kernels"), 7);
	set("kernels", "trigger", "none timer [heartbeat]\n");
	driver->close(device);
}

static void test_wrong_names(void **state)
{
	struct rain_config config = config_of_names();
	struct rain_error err;

	(void)state;
	config.panel.led_names[1] = "blue:net";
	assert_null(rain_panel_driver_leds.open(&config, &err));
	assert_non_null(strstr(err.text, "LED blue:net for network"));
	for (int i = 0; i < RAIN_LED_COUNT; i++)
		config.panel.led_names[i] = "";
	assert_null(rain_panel_driver_leds.open(&config, &err));
	assert_non_null(strstr(err.text, "led-names"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lights),
		cmocka_unit_test(test_triggers_come_and_go),
		cmocka_unit_test(test_wrong_names),
	};

	return cmocka_run_group_tests_name("panel/leds", tests, set_up_lights, tear_down_lights);
}
