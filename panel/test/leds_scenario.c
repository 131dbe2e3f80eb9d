/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The real rain-paneld on Linux' real LED class.  The LEDs are those of a
 * keyboard that exists in the kernel only (uinput): what the class does to them
 * comes back here, as it would reach the keyboard.  Runs inside the small
 * machine that test_i2c.sh boots; run anywhere else it does nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/uinput.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/file.h"
#include "panel/test/paneld_fixture.h"

/* As the class names them; the kernel gives capslock's LED a trigger of its own. */
static const char *const leds[] = {
	[LED_CAPSL] = "capslock", [LED_COMPOSE] = "compose", [LED_SLEEP] = "sleep",
	[LED_SUSPEND] = "suspend", [LED_MUTE] = "mute", [LED_MISC] = "misc", [LED_MAIL] = "mail",
};
#define LEDS (sizeof(leds) / sizeof(leds[0]))

static int keyboard = -1;
static char input[32]; /* "input7" */
static struct {
	bool lit;
	unsigned int changes;
} seen[LEDS];

/* What reached the keyboard up to now. */
static void look(void)
{
	struct input_event event;

	while (read(keyboard, &event, sizeof(event)) == sizeof(event)) {
		if (event.type != EV_LED || event.code >= LEDS)
			continue;
		seen[event.code].lit = event.value != 0;
		seen[event.code].changes++;
	}
}

static const char *sys_file(int led, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "/sys/class/leds/%s::%s/%s", input, leds[led], name);
	return path;
}

static void plug(void)
{
	struct uinput_setup setup = {.id = {.bustype = BUS_VIRTUAL}, .name = "lights"};
	int64_t until = rain_clock_monotonic_ms() + PATIENCE_MS;

	keyboard = open("/dev/uinput", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_true(keyboard >= 0);
	assert_return_code(ioctl(keyboard, UI_SET_EVBIT, EV_LED), errno);
	for (size_t i = 0; i < LEDS; i++) {
		if (leds[i])
			assert_return_code(ioctl(keyboard, UI_SET_LEDBIT, i), errno);
	}
	assert_return_code(ioctl(keyboard, UI_DEV_SETUP, &setup), errno);
	assert_return_code(ioctl(keyboard, UI_DEV_CREATE), errno);
	assert_return_code(ioctl(keyboard, UI_GET_SYSNAME(sizeof(input)), input), errno);
	while (access(sys_file(LED_MAIL, "brightness"), W_OK) < 0) {
		assert_true(rain_clock_monotonic_ms() < until);
		poll(NULL, 0, 2);
	}
	memset(seen, 0, sizeof(seen));
}

static void unplug(void)
{
	if (keyboard >= 0)
		close(keyboard);
	keyboard = -1;
}

static void set_trigger(int led, const char *trigger)
{
	int fd = open(sys_file(led, "trigger"), O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, trigger, strlen(trigger)), strlen(trigger));
	close(fd);
}

static bool has_trigger(int led, const char *trigger)
{
	char *text = rain_file_read(sys_file(led, "trigger"), 65536, NULL, NULL), wanted[64];
	bool has;

	assert_non_null(text);
	snprintf(wanted, sizeof(wanted), "[%s]", trigger);
	has = strstr(text, wanted) != NULL;
	free(text);
	return has;
}

static void wait_lit(int led, bool lit)
{
	int64_t until = rain_clock_monotonic_ms() + PATIENCE_MS;

	for (look(); seen[led].lit != lit; look()) {
		assert_true(rain_clock_monotonic_ms() < until);
		poll(NULL, 0, 2);
	}
}

static bool log_has(const struct fixture *fixture, const char *words)
{
	char *text = rain_file_read(path_of(fixture, "log"), 1 << 20, NULL, NULL);
	bool has = text && strstr(text, words);

	free(text);
	return has;
}

static void wait_log(const struct fixture *fixture, const char *words)
{
	int64_t until = rain_clock_monotonic_ms() + 2 * PATIENCE_MS;

	while (!log_has(fixture, words)) {
		assert_true(rain_clock_monotonic_ms() < until);
		poll(NULL, 0, 10);
	}
}

/* boot, network, temp, user1 and user2 are these. */
static void configure(struct fixture *fixture, const int led[static 5])
{
	char names[5][64], text[1024];

	for (int i = 0; i < 5; i++)
		snprintf(names[i], sizeof(names[i]), "%s::%s", input, leds[led[i]]);
	snprintf(text, sizeof(text),
		 "cluster { name = \"alpha\" }\n"
		 "panel { driver = \"leds\" listen = \"127.0.0.1:%d\" port = %d\n"
		 "  led-names = {\"%s\", \"%s\", \"%s\", \"%s\", \"%s\"}\n"
		 "  socket = \"%s\" mode = \"status\" }\n",
		 fixture->port, fixture->port, names[0], names[1], names[2], names[3], names[4],
		 path_of(fixture, "panel.sock"));
	write_file(fixture, "rain.conf", text, 0644);
}

static const int plain[5] = {LED_SLEEP, LED_SUSPEND, LED_MUTE, LED_MISC, LED_MAIL};
static const int with_kernels[5] = {LED_SLEEP, LED_CAPSL, LED_MUTE, LED_MISC, LED_MAIL};

static int open_fixture(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	snprintf(fixture->directory, sizeof(fixture->directory), "/tmp/rain-leds-XXXXXX");
	assert_non_null(mkdtemp(fixture->directory));
	snprintf(fixture->node, sizeof(fixture->node), "node1");
	fixture->port = 7248;
	write_file(fixture, "helper", "#!/bin/sh\necho '{\"done\":true}'\n", 0755);
	plug();
	configure(fixture, plain);
	*state = fixture;
	return 0;
}

static int close_fixture(void **state)
{
	struct fixture *fixture = *state;

	if (fixture->pid > 0)
		stop(fixture);
	unplug();
	free(fixture);
	return 0;
}

static void test_jobs(void **state)
{
	struct fixture *fixture = *state;

	launch(fixture);
	wait_lit(LED_SLEEP, true);
	notify_job(fixture, RAIN_PANEL_START, 12, 20001, RAIN_PANEL_HOME);
	notify_job(fixture, RAIN_PANEL_START, 13, 61001, RAIN_PANEL_GUEST);
	for (int i = 0; i < 2; i++) {
		wait_lit(LED_MISC, true);
		wait_lit(LED_MISC, false);
		wait_lit(LED_MAIL, true);
		wait_lit(LED_MAIL, false);
	}
	notify_job(fixture, RAIN_PANEL_END, 12, 20001, RAIN_PANEL_HOME);
	notify_job(fixture, RAIN_PANEL_END, 13, 61001, RAIN_PANEL_GUEST);
	wait_for_job(fixture, 13, false);
	wait_lit(LED_MISC, false);
	wait_lit(LED_MAIL, false);
	assert_int_equal(seen[LED_COMPOSE].changes + seen[LED_CAPSL].changes, 0);
	assert_int_equal(stop(fixture), 0);
	look();
	for (int i = 0; i < 5; i++)
		assert_false(seen[plain[i]].lit);
}

/* One LED has the kernel's own trigger, another one gets and loses one while
 * the daemon wants to play a pattern on it. */
static void test_triggers_left_alone(void **state)
{
	struct fixture *fixture = *state;
	unsigned int changes;

	configure(fixture, with_kernels);
	assert_true(has_trigger(LED_CAPSL, "kbd-capslock"));
	launch(fixture);
	wait_lit(LED_SLEEP, true);
	notify_job(fixture, RAIN_PANEL_START, 13, 61001, RAIN_PANEL_GUEST);
	wait_lit(LED_MAIL, true);
	wait_lit(LED_MAIL, false);

	set_trigger(LED_MAIL, "timer"); /* half a second each */
	changes = seen[LED_MAIL].changes;
	for (int i = 0; i < 3; i++) {
		wait_lit(LED_MAIL, true);
		wait_lit(LED_MAIL, false);
	}
	assert_true(has_trigger(LED_MAIL, "timer"));
	assert_true(seen[LED_MAIL].changes >= changes + 6);
	notify_job(fixture, RAIN_PANEL_END, 13, 61001, RAIN_PANEL_GUEST);
	wait_for_job(fixture, 13, false);
	assert_true(has_trigger(LED_MAIL, "timer"));
	notify_job(fixture, RAIN_PANEL_START, 14, 61001, RAIN_PANEL_GUEST);
	wait_for_job(fixture, 14, true);

	set_trigger(LED_MAIL, "none"); /* and it is the daemon's again */
	for (int i = 0; i < 2; i++) {
		wait_lit(LED_MAIL, true);
		wait_lit(LED_MAIL, false);
	}
	set_trigger(LED_MAIL, "timer");
	assert_int_equal(stop(fixture), 0);
	assert_true(has_trigger(LED_MAIL, "timer"));
	assert_true(has_trigger(LED_CAPSL, "kbd-capslock"));
	look();
	assert_int_equal(seen[LED_CAPSL].changes, 0);
	assert_false(log_has(fixture, "panel is dark"));
}

/* A steady light, too, comes back when its trigger goes. */
static void test_steady_light_after_a_trigger(void **state)
{
	struct fixture *fixture = *state;

	launch(fixture);
	wait_lit(LED_SLEEP, true);
	set_trigger(LED_SLEEP, "timer");
	wait_lit(LED_SLEEP, false);
	wait_lit(LED_SLEEP, true);
	set_trigger(LED_SLEEP, "none");
	wait_lit(LED_SLEEP, false);
	wait_lit(LED_SLEEP, true);
	assert_true(has_trigger(LED_SLEEP, "none"));
}

/* The plug is pulled; the node goes on, and the panel comes back under the
 * name that the kernel gives it then. */
static void test_replugged(void **state)
{
	struct fixture *fixture = *state;

	launch(fixture);
	wait_lit(LED_SLEEP, true);
	unplug();
	notify_job(fixture, RAIN_PANEL_START, 12, 20001, RAIN_PANEL_HOME);
	wait_for_job(fixture, 12, true);
	wait_log(fixture, "panel is dark");
	plug();
	configure(fixture, plain);
	kill(fixture->pid, SIGHUP);
	wait_lit(LED_SLEEP, true);
	wait_lit(LED_MISC, true);
	wait_lit(LED_MISC, false);
	wait_log(fixture, "panel is back");
}

static void test_wrong_name(void **state)
{
	struct fixture *fixture = *state;

	snprintf(input, sizeof(input), "input99");
	configure(fixture, plain);
	launch(fixture);
	wait_log(fixture, "can't use LED input99::sleep for boot");
	notify_job(fixture, RAIN_PANEL_START, 12, 20001, RAIN_PANEL_HOME);
	wait_for_job(fixture, 12, true);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, open_fixture, close_fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_jobs),      TEST(test_triggers_left_alone),
		TEST(test_steady_light_after_a_trigger),
		TEST(test_replugged), TEST(test_wrong_name),
	};

	if (access("/modules/uinput.ko", R_OK) < 0)
		return 77;
	return cmocka_run_group_tests_name("panel/leds-class", tests, NULL, NULL);
}
