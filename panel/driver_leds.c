/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/driver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef RAIN_PANEL_LEDS_ROOT
#define RAIN_PANEL_LEDS_ROOT "/sys/class/leds"
#endif

/* The list of a kernel's triggers; the one in brackets is in charge. */
#define TRIGGERS_SIZE 4096

struct lights {
	struct {
		bool ours; /* it has a name */
		int brightness_fd, trigger_fd; /* trigger_fd -1: it has none */
		long max;
		int shown; /* level; -1: not known, or another's */
		uint8_t due; /* the level that it should have */
	} light[RAIN_LED_COUNT];
};

static int open_file(const char *name, const char *file, int flags)
{
	char path[sizeof(RAIN_PANEL_LEDS_ROOT) + 128];

	snprintf(path, sizeof(path), "%s/%s/%s", RAIN_PANEL_LEDS_ROOT, name, file);
	return open(path, flags | O_CLOEXEC);
}

static long read_max(const char *name)
{
	int fd = open_file(name, "max_brightness", O_RDONLY);
	char text[32] = "";
	long max;

	if (fd < 0)
		return 1;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	max = strtol(text, NULL, 10);
	return max > 0 ? max : 1;
}

/* Whether a trigger is in charge: 1, 0, or -1 when the LED is gone.  The kernel
 * ends a trigger when somebody writes 0, so that must not be tried. */
static int kernel_drives(int trigger_fd)
{
	char text[TRIGGERS_SIZE];
	ssize_t got;

	if (trigger_fd < 0)
		return 0;
	got = pread(trigger_fd, text, sizeof(text) - 1, 0);
	if (got < 0)
		return -1;
	text[got] = '\0';
	return got > 0 && strstr(text, "[none]") == NULL;
}

static int fail(int i, struct rain_error *err)
{
	return rain_error_set(err, "can't set the LED for %s: %s",
			      rain_panel_led_name((enum rain_panel_led)i), strerror(errno));
}

static void leds_close(void *device)
{
	struct lights *lights = device;

	for (int i = 0; lights && i < RAIN_LED_COUNT; i++) {
		if (lights->light[i].brightness_fd >= 0)
			close(lights->light[i].brightness_fd);
		if (lights->light[i].trigger_fd >= 0)
			close(lights->light[i].trigger_fd);
	}
	free(lights);
}

static int open_light(struct lights *lights, int i, const char *name, struct rain_error *err)
{
	lights->light[i].brightness_fd = open_file(name, "brightness", O_WRONLY);
	if (lights->light[i].brightness_fd < 0)
		return rain_error_set(err, "can't use LED %s for %s: %s%s", name,
				      rain_panel_led_name((enum rain_panel_led)i), strerror(errno),
				      errno == ENOENT ? " (see panel.led-names and ls "
							RAIN_PANEL_LEDS_ROOT ")"
						      : "");
	lights->light[i].trigger_fd = open_file(name, "trigger", O_RDONLY);
	lights->light[i].max = read_max(name);
	lights->light[i].ours = true;
	return 0;
}

static void *leds_open(const struct rain_config *config, struct rain_error *err)
{
	struct lights *lights = calloc(1, sizeof(*lights));
	int count = 0;

	if (!lights) {
		rain_error_set(err, "out of memory");
		return NULL;
	}
	for (int i = 0; i < RAIN_LED_COUNT; i++) {
		lights->light[i].brightness_fd = lights->light[i].trigger_fd = -1;
		lights->light[i].shown = -1;
	}
	for (int i = 0; i < RAIN_LED_COUNT; i++) {
		const char *name = config->panel.led_names[i];

		if (!*name)
			continue;
		if (open_light(lights, i, name, err) < 0) {
			leds_close(lights);
			return NULL;
		}
		count++;
	}
	if (count == 0) {
		rain_error_set(err, "panel.led-names names no LED");
		leds_close(lights);
		return NULL;
	}
	return lights;
}

/* Gives the light what it should have, unless a trigger is in charge. */
static int show(struct lights *lights, int i, struct rain_error *err)
{
	char text[24];
	int length, kernels = kernel_drives(lights->light[i].trigger_fd);

	if (kernels < 0)
		return fail(i, err);
	if (kernels)
		lights->light[i].shown = -1;
	if (kernels || lights->light[i].shown == lights->light[i].due)
		return 0;
	length = snprintf(text, sizeof(text), "%ld\n",
			  lights->light[i].due * lights->light[i].max / RAIN_LED_FULL);
	if (pwrite(lights->light[i].brightness_fd, text, (size_t)length, 0) != length)
		return fail(i, err);
	lights->light[i].shown = lights->light[i].due;
	return 0;
}

static int leds_set(void *device, const uint8_t level[RAIN_LED_COUNT], struct rain_error *err)
{
	struct lights *lights = device;

	for (int i = 0; i < RAIN_LED_COUNT; i++) {
		lights->light[i].due = level[i];
		if (lights->light[i].ours && lights->light[i].shown != level[i] &&
		    show(lights, i, err) < 0)
			return -1;
	}
	return 0;
}

/* An LED may be unplugged, which is an error, and given to a trigger or taken from
 * one at any time: it is lit as it should be then. */
static int leds_check(void *device, struct rain_error *err)
{
	struct lights *lights = device;

	for (int i = 0; i < RAIN_LED_COUNT; i++) {
		if (lights->light[i].ours && show(lights, i, err) < 0)
			return -1;
	}
	return 0;
}

static int leds_read_switch(void *device, enum rain_panel_mode *mode, struct rain_error *err)
{
	(void)device, (void)mode, (void)err;
	return 0;
}

const struct rain_panel_driver rain_panel_driver_leds = {
	.name = "leds",
	.open = leds_open,
	.set = leds_set,
	.read_switch = leds_read_switch,
	.check = leds_check,
	.close = leds_close,
};
