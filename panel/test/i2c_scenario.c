/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The real rain-paneld on a real Linux I2C bus: i2c-stub, which keeps 256
 * registers at address 0x20.  Runs inside the small machine that test_kernel.sh
 * boots, as its only user program; run anywhere else it does nothing.
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
#include <linux/i2c-dev.h>
#include <linux/i2c.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/file.h"
#include "panel/test/bus_tap.h"
#include "panel/test/paneld_fixture.h"

#define IODIRA 0x00
#define GPPUA 0x0c
#define GPIOA 0x12
#define OLATA 0x14
#define SWITCH 0x20 /* A5 */
#define LEDS 0x1f   /* A0 to A4 */
#define BOOT 0x01
#define USER1 0x08
#define POWER_ON_DIRECTION 0xff

static int registers = -1; /* a second master, as a logic probe is one */

static int smbus(char direction, uint8_t command, int size, union i2c_smbus_data *data)
{
	struct i2c_smbus_ioctl_data request = {(__u8)direction, command, (__u32)size, data};

	return ioctl(registers, I2C_SMBUS, &request);
}

static uint8_t read_register(uint8_t number)
{
	union i2c_smbus_data data = {0};

	assert_return_code(smbus(I2C_SMBUS_READ, number, I2C_SMBUS_BYTE_DATA, &data), errno);
	return data.byte;
}

static void write_register(uint8_t number, uint8_t value)
{
	union i2c_smbus_data data = {.byte = value};

	assert_return_code(smbus(I2C_SMBUS_WRITE, number, I2C_SMBUS_BYTE_DATA, &data), errno);
}

static void probe_open(void)
{
	registers = open("/dev/i2c-0", O_RDWR | O_CLOEXEC);
	assert_true(registers >= 0);
	assert_return_code(ioctl(registers, I2C_SLAVE, 0x20), errno);
}

static void probe_close(void)
{
	close(registers);
	registers = -1;
}

/* As after its power came: all inputs, the switch open. */
static void power_on(void)
{
	for (unsigned i = 0; i < 0x16; i++)
		write_register((uint8_t)i, 0);
	write_register(IODIRA, POWER_ON_DIRECTION);
	write_register(IODIRA + 1, POWER_ON_DIRECTION);
	write_register(GPIOA, SWITCH);
}

static void wait_for(bool (*condition)(void), int within_ms)
{
	int64_t until = rain_clock_monotonic_ms() + within_ms;

	while (!condition()) {
		if (rain_clock_monotonic_ms() >= until)
			print_message("OLATA 0x%02x IODIRA 0x%02x\n", read_register(OLATA),
				      read_register(IODIRA));
		assert_true(rain_clock_monotonic_ms() < until);
		poll(NULL, 0, 2);
	}
}

static bool is_set_up(void) { return read_register(IODIRA) == 0xe0; }
static bool boot_is_lit(void) { return read_register(OLATA) & BOOT; }
static bool user1_is_lit(void) { return read_register(OLATA) & USER1; }
static bool user1_is_dark(void) { return !(read_register(OLATA) & USER1); }
static bool has_failed(void) { return bus_tap_counts().failed > 0; }

static int lines_of_log(const struct fixture *fixture, const char *words)
{
	char *text = rain_file_read(path_of(fixture, "log"), 1 << 20, NULL, NULL);
	int count = 0;

	for (const char *at = text; at && (at = strstr(at, words)); at++)
		count++;
	free(text);
	return count;
}

static void configure(struct fixture *fixture, const char *hardware)
{
	char text[1024];

	snprintf(text, sizeof(text),
		 "cluster { name = \"alpha\" }\n"
		 "panel { driver = \"mcp23017\" i2c-bus = 0 listen = \"127.0.0.1:%d\" port = %d\n"
		 "  socket = \"%s\" mode = \"status\" %s }\n",
		 fixture->port, fixture->port, path_of(fixture, "panel.sock"), hardware);
	write_file(fixture, "rain.conf", text, 0644);
}

static void begin(struct fixture *fixture)
{
	bus_tap_open();
	launch(fixture);
}

static int open_fixture(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	snprintf(fixture->directory, sizeof(fixture->directory), "/tmp/rain-i2c-XXXXXX");
	assert_non_null(mkdtemp(fixture->directory));
	snprintf(fixture->node, sizeof(fixture->node), "node1");
	fixture->port = 7248;
	fixture->in_child = bus_tap_enter;
	configure(fixture, "");
	write_file(fixture, "helper", "#!/bin/sh\necho '{\"done\":true}'\n", 0755);
	probe_open();
	power_on();
	*state = fixture;
	return 0;
}

static int close_fixture(void **state)
{
	struct fixture *fixture = *state;

	if (fixture->pid > 0)
		stop(fixture);
	if (registers >= 0)
		probe_close();
	free(fixture);
	return 0;
}

static void test_registers(void **state)
{
	struct fixture *fixture = *state;
	int status;

	write_register(OLATA, 0xc0); /* two pins that are nobody's business here */
	begin(fixture);
	wait_for(is_set_up, PATIENCE_MS);
	wait_for(boot_is_lit, PATIENCE_MS);
	assert_int_equal(read_register(GPPUA), SWITCH);
	assert_int_equal(read_register(OLATA) & 0xc0, 0xc0);
	assert_int_equal(read_register(IODIRA + 1), POWER_ON_DIRECTION);
	status = stop(fixture);
	assert_int_equal(status, 0);
	assert_int_equal(read_register(OLATA), 0xc0);
}

static void test_owner(void **state)
{
	struct fixture *fixture = *state;
	struct bus_tap_counts before, after;
	json_t *frame;

	begin(fixture);
	wait_for(boot_is_lit, PATIENCE_MS);
	for (int i = 0; i < 3; i++) {
		notify_job(fixture, RAIN_PANEL_START, 12, 20001, RAIN_PANEL_HOME);
		wait_for(user1_is_lit, PATIENCE_MS);
		wait_for(user1_is_dark, PATIENCE_MS);
		notify_job(fixture, RAIN_PANEL_END, 12, 20001, RAIN_PANEL_HOME);
		wait_for_job(fixture, 12, false);
		assert_true(user1_is_dark());
	}
	/* One write on the bus for each change of the LEDs. */
	before = bus_tap_counts();
	frame = frame_of(fixture);
	notify_job(fixture, RAIN_PANEL_START, 13, 20001, RAIN_PANEL_HOME);
	for (int i = 0; i < 2; i++) {
		wait_for(user1_is_lit, PATIENCE_MS);
		wait_for(user1_is_dark, PATIENCE_MS);
	}
	notify_job(fixture, RAIN_PANEL_END, 13, 20001, RAIN_PANEL_HOME);
	wait_for_job(fixture, 13, false);
	after = bus_tap_counts();
	before.latch_writes -= (unsigned)json_integer_value(json_object_get(frame, "writes"));
	json_decref(frame);
	frame = frame_of(fixture);
	after.latch_writes -= (unsigned)json_integer_value(json_object_get(frame, "writes"));
	json_decref(frame);
	assert_int_equal(after.latch_writes, before.latch_writes);
}

static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

/* From the register of the pins to the answer. */
static void test_switch(void **state)
{
	struct fixture *fixture = *state;
	struct talk *talk;
	int took[9];

	begin(fixture);
	wait_for(boot_is_lit, PATIENCE_MS);
	talk = talk_to(connect_tcp(fixture));
	say(talk, "{\"op\":\"watch\"}\n");
	json_decref(hear(talk));
	for (int i = 0; i < 9; i++) {
		const char *wanted = i % 2 ? "status" : "load";
		int64_t began = rain_clock_monotonic_ms();

		write_register(GPIOA, i % 2 ? SWITCH : 0);
		for (bool seen = false; !seen;) {
			json_t *line = hear(talk);
			const json_t *frame = json_object_get(line, "result");

			seen = strcmp(json_string_value(json_object_get(frame, "mode")), wanted) == 0;
			json_decref(line);
		}
		took[i] = (int)(rain_clock_monotonic_ms() - began);
	}
	hang_up(talk);
	qsort(took, 9, sizeof(took[0]), compare);
	print_message("switch answered in %d to %d ms, median %d ms, on an emulated machine\n", took[0], took[8], took[4]);
}

static void test_glitch(void **state)
{
	struct fixture *fixture = *state;

	begin(fixture);
	wait_for(boot_is_lit, PATIENCE_MS);
	bus_tap_break(1);
	wait_for(has_failed, PATIENCE_MS);
	notify_job(fixture, RAIN_PANEL_START, 12, 20001, RAIN_PANEL_HOME);
	wait_for(user1_is_lit, PATIENCE_MS);
	assert_int_equal(lines_of_log(fixture, "panel is dark"), 0);
}

/* The plug is pulled, the bus itself goes, and everything comes back. */
static void test_vanishes_and_returns(void **state)
{
	struct fixture *fixture = *state;
	struct bus_tap_counts before;
	int64_t until;

	begin(fixture);
	wait_for(boot_is_lit, PATIENCE_MS);
	bus_tap_break(-1);
	wait_for(has_failed, PATIENCE_MS);
	before = bus_tap_counts();
	until = rain_clock_monotonic_ms() + 3000;
	/* The node goes on: it answers, and takes jobs. */
	notify_job(fixture, RAIN_PANEL_START, 12, 20001, RAIN_PANEL_HOME);
	wait_for_job(fixture, 12, true);
	while (rain_clock_monotonic_ms() < until)
		json_decref(frame_of(fixture));
	print_message("%u transfers tried in 3 s without a panel\n",
		      bus_tap_counts().failed - before.failed);
	assert_true(bus_tap_counts().failed - before.failed <= 8);
	assert_int_equal(lines_of_log(fixture, "panel is dark"), 1);

	probe_close();
	assert_int_equal(system("rmmod i2c_stub"), 0);
	assert_int_equal(access("/dev/i2c-0", F_OK), -1);
	bus_tap_break(0);
	json_decref(frame_of(fixture));
	assert_int_equal(system("insmod /modules/i2c-stub.ko chip_addr=0x20"), 0);
	probe_open();
	power_on();
	wait_for(is_set_up, 2 * PATIENCE_MS);
	wait_for(user1_is_lit, PATIENCE_MS);
	wait_for(user1_is_dark, PATIENCE_MS);
	assert_int_equal(lines_of_log(fixture, "panel is dark"), 1);
	until = rain_clock_monotonic_ms() + PATIENCE_MS;
	while (lines_of_log(fixture, "panel is back") < 1)
		assert_true(rain_clock_monotonic_ms() < until);
}

/* Pulled and plugged so fast that no transfer failed. */
static void test_silent_replug(void **state)
{
	struct fixture *fixture = *state;

	begin(fixture);
	wait_for(boot_is_lit, PATIENCE_MS);
	power_on();
	wait_for(is_set_up, PATIENCE_MS);
	wait_for(boot_is_lit, PATIENCE_MS);
	assert_int_equal(read_register(GPPUA), SWITCH);
}

static void test_nothing_there(void **state)
{
	struct fixture *fixture = *state;
	int64_t until = rain_clock_monotonic_ms() + PATIENCE_MS;

	configure(fixture, "i2c-address = 0x21");
	begin(fixture);
	while (lines_of_log(fixture, "0x21 on I2C bus 0") < 1)
		assert_true(rain_clock_monotonic_ms() < until);
	notify_job(fixture, RAIN_PANEL_START, 12, 20001, RAIN_PANEL_HOME);
	wait_for_job(fixture, 12, true);
	stop(fixture);
	configure(fixture, "i2c-bus = 9");
	begin(fixture);
	while (lines_of_log(fixture, "/dev/i2c-9") < 1)
		assert_true(rain_clock_monotonic_ms() < until);
	wait_for_job(fixture, 12, false);
}

/* Both ports, lit when low, no switch: one write of a word for both. */
static void test_other_wiring(void **state)
{
	struct fixture *fixture = *state;
	union i2c_smbus_data data = {0};
	int64_t until = rain_clock_monotonic_ms() + PATIENCE_MS;

	configure(fixture, "led-pins = {\"B7\", \"A7\", \"B0\", \"A0\", \"\"} switch-pin = \"\"\n"
			   "led-active-low = true");
	begin(fixture);
	/* The boot LED is B7: lit when low, the other four are high. */
	do {
		assert_true(rain_clock_monotonic_ms() < until);
		data.word = 0;
		assert_return_code(smbus(I2C_SMBUS_READ, OLATA, I2C_SMBUS_WORD_DATA, &data), errno);
	} while (read_register(OLATA + 1) != 0x01 || (data.word & 0x81) != 0x81);
	assert_int_equal(read_register(IODIRA), 0x7e);
	assert_int_equal(read_register(IODIRA + 1), 0x7e);
	assert_int_equal(read_register(GPPUA), 0);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, open_fixture, close_fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_registers),	 TEST(test_owner),
		TEST(test_switch),	 TEST(test_glitch),
		TEST(test_silent_replug), TEST(test_vanishes_and_returns),
		TEST(test_nothing_there), TEST(test_other_wiring),
	};

	if (access("/modules/i2c-stub.ko", R_OK) < 0)
		return 77;
	return cmocka_run_group_tests_name("panel/i2c", tests, NULL, NULL);
}
