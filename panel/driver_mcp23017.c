/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/driver.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/i2c-dev.h>
#include <linux/i2c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Registers with IOCON.BANK = 0; those of port B follow those of port A. */
#define IODIR 0x00 /* 1: input */
#define IPOL 0x02
#define GPINTEN 0x04
#define IOCON 0x0a
#define GPPU 0x0c
#define GPIO 0x12
#define OLAT 0x14
/* Where IOCON is with BANK = 1; with BANK = 0 this is GPINTENB. */
#define IOCON_OF_BANK_1 0x05

#define PORTS 2
#define BITS 8
#define SWITCH_POLL_MS 30
/* Tens of milliseconds: a transfer takes less than one. */
#define BUS_TIMEOUT 10
#define BUS_RETRIES 1

struct expander {
	int fd;
	int bus, address;
	int pin[RAIN_LED_COUNT];
	int switch_pin;
	bool leds_active_low, switch_active_low, pull_up;
	uint8_t outputs[PORTS]; /* bits that drive our LEDs */
	uint8_t direction[PORTS], latch[PORTS];
};

static int transfer(struct expander *expander, char direction, uint8_t command, int size,
		    union i2c_smbus_data *data, struct rain_error *err)
{
	struct i2c_smbus_ioctl_data request = {
		.read_write = (__u8)direction, .command = command, .size = (__u32)size, .data = data};

	if (ioctl(expander->fd, I2C_SMBUS, &request) >= 0)
		return 0;
	return rain_error_set(err, "the expander at 0x%02x on I2C bus %d does not answer: %s",
			      expander->address, expander->bus, strerror(errno));
}

static int read_byte(struct expander *expander, uint8_t command, uint8_t *value,
		     struct rain_error *err)
{
	union i2c_smbus_data data = {0};

	if (transfer(expander, I2C_SMBUS_READ, command, I2C_SMBUS_BYTE_DATA, &data, err) < 0)
		return -1;
	*value = data.byte;
	return 0;
}

static int write_byte(struct expander *expander, uint8_t command, uint8_t value,
		      struct rain_error *err)
{
	union i2c_smbus_data data = {.byte = value};

	return transfer(expander, I2C_SMBUS_WRITE, command, I2C_SMBUS_BYTE_DATA, &data, err);
}

/* Sets the bits of `mask` to `bits` and leaves the others. */
static int change_bits(struct expander *expander, uint8_t command, uint8_t mask, uint8_t bits,
		       uint8_t *result, struct rain_error *err)
{
	if (read_byte(expander, command, result, err) < 0)
		return -1;
	*result = (uint8_t)((*result & ~mask) | (bits & mask));
	return write_byte(expander, command, *result, err);
}

static uint8_t pin_mask(int pin, int port)
{
	return pin != RAIN_CONFIG_NO_PIN && pin / BITS == port ? (uint8_t)(1u << pin % BITS) : 0;
}

static int set_up_port(struct expander *expander, int port, struct rain_error *err)
{
	uint8_t outputs = expander->outputs[port];
	uint8_t input = pin_mask(expander->switch_pin, port);
	uint8_t ours = outputs | input, ignored, kept;

	if (!ours)
		return 0;
	/* The latch before the direction, or the LEDs would flash. */
	if (change_bits(expander, OLAT + port, outputs, expander->leds_active_low ? 0xff : 0,
			&expander->latch[port], err) < 0 ||
	    change_bits(expander, IPOL + port, input, 0, &ignored, err) < 0 ||
	    change_bits(expander, GPINTEN + port, input, 0, &ignored, err) < 0 ||
	    change_bits(expander, GPPU + port, input, expander->pull_up ? 0xff : 0, &ignored,
			err) < 0 ||
	    change_bits(expander, IODIR + port, ours, input, &expander->direction[port], err) < 0 ||
	    read_byte(expander, IODIR + port, &kept, err) < 0)
		return -1;
	if ((kept & ours) != input)
		return rain_error_set(err, "what answers at 0x%02x on I2C bus %d does not keep its "
					   "settings: is it an MCP23017?",
				      expander->address, expander->bus);
	return 0;
}

static int set_up(struct expander *expander, struct rain_error *err)
{
	/* Into BANK 0 from wherever it is; then no mirroring, no open drain. */
	if (write_byte(expander, IOCON_OF_BANK_1, 0, err) < 0 ||
	    write_byte(expander, IOCON, 0, err) < 0)
		return -1;
	for (int port = 0; port < PORTS; port++) {
		if (set_up_port(expander, port, err) < 0)
			return -1;
	}
	return 0;
}

static int open_bus(struct expander *expander, struct rain_error *err)
{
	unsigned long functions = 0;
	char path[32];

	snprintf(path, sizeof(path), "/dev/i2c-%d", expander->bus);
	expander->fd = open(path, O_RDWR | O_CLOEXEC);
	if (expander->fd < 0)
		return rain_error_set(err, "can't open %s: %s%s", path, strerror(errno),
				      errno == ENOENT   ? " (is module i2c-dev loaded, and panel.i2c-bus right?)"
				      : errno == EACCES ? " (is rain-panel in group i2c?)"
							: "");
	if (ioctl(expander->fd, I2C_FUNCS, &functions) < 0 ||
	    !(functions & I2C_FUNC_SMBUS_BYTE_DATA))
		return rain_error_set(err, "%s can't transfer bytes to registers", path);
	if (ioctl(expander->fd, I2C_SLAVE, expander->address) < 0)
		return rain_error_set(err, "can't use address 0x%02x on %s: %s%s",
				      expander->address, path, strerror(errno),
				      errno == EBUSY ? " (a driver of the kernel has it; then use "
						       "panel.driver \"leds\")"
						     : "");
	/* Bounds for a stuck bus; not every adapter has them. */
	(void)!ioctl(expander->fd, I2C_TIMEOUT, BUS_TIMEOUT);
	(void)!ioctl(expander->fd, I2C_RETRIES, BUS_RETRIES);
	return 0;
}

static void mcp23017_close(void *device)
{
	struct expander *expander = device;

	if (expander && expander->fd >= 0)
		close(expander->fd);
	free(expander);
}

static void *mcp23017_open(const struct rain_config *config, struct rain_error *err)
{
	struct expander *expander = calloc(1, sizeof(*expander));

	if (!expander) {
		rain_error_set(err, "out of memory");
		return NULL;
	}
	expander->fd = -1;
	expander->bus = (int)config->panel.i2c_bus;
	expander->address = (int)config->panel.i2c_address;
	expander->switch_pin = config->panel.switch_pin;
	expander->leds_active_low = config->panel.leds_active_low;
	expander->switch_active_low = config->panel.switch_active_low;
	expander->pull_up = config->panel.switch_pull_up;
	for (int i = 0; i < RAIN_LED_COUNT; i++) {
		expander->pin[i] = config->panel.led_pins[i];
		for (int port = 0; port < PORTS; port++)
			expander->outputs[port] |= pin_mask(expander->pin[i], port);
	}
	if (open_bus(expander, err) < 0 || set_up(expander, err) < 0) {
		mcp23017_close(expander);
		return NULL;
	}
	return expander;
}

/* One write, of both ports together where both change. */
static int mcp23017_set(void *device, const uint8_t level[RAIN_LED_COUNT], struct rain_error *err)
{
	struct expander *expander = device;
	uint8_t latch[PORTS];
	int rc = 0;

	for (int port = 0; port < PORTS; port++) {
		uint8_t high = 0;

		for (int i = 0; i < RAIN_LED_COUNT; i++) {
			if ((level[i] != RAIN_LED_DARK) != expander->leds_active_low)
				high |= pin_mask(expander->pin[i], port);
		}
		latch[port] = (uint8_t)((expander->latch[port] & ~expander->outputs[port]) | high);
	}
	if (latch[0] != expander->latch[0] && latch[1] != expander->latch[1]) {
		union i2c_smbus_data data = {.word = (__u16)(latch[0] | latch[1] << BITS)};

		rc = transfer(expander, I2C_SMBUS_WRITE, OLAT, I2C_SMBUS_WORD_DATA, &data, err);
	} else if (latch[0] != expander->latch[0]) {
		rc = write_byte(expander, OLAT, latch[0], err);
	} else if (latch[1] != expander->latch[1]) {
		rc = write_byte(expander, OLAT + 1, latch[1], err);
	}
	if (rc == 0)
		memcpy(expander->latch, latch, sizeof(latch));
	return rc;
}

static int mcp23017_read_switch(void *device, enum rain_panel_mode *mode, struct rain_error *err)
{
	struct expander *expander = device;
	int port = expander->switch_pin / BITS;
	uint8_t pins;
	bool high;

	if (expander->switch_pin == RAIN_CONFIG_NO_PIN)
		return 0;
	if (read_byte(expander, (uint8_t)(GPIO + port), &pins, err) < 0)
		return -1;
	high = pins & pin_mask(expander->switch_pin, port);
	*mode = high != expander->switch_active_low ? RAIN_PANEL_LOAD : RAIN_PANEL_STATUS;
	return 1;
}

/* After a loss of power all pins are inputs. */
static int mcp23017_check(void *device, struct rain_error *err)
{
	struct expander *expander = device;

	for (int port = 0; port < PORTS; port++) {
		uint8_t direction;

		if (!expander->outputs[port])
			continue;
		if (read_byte(expander, (uint8_t)(IODIR + port), &direction, err) < 0)
			return -1;
		if (direction != expander->direction[port])
			return rain_error_set(err, "the expander at 0x%02x on I2C bus %d has lost "
						   "its settings",
					      expander->address, expander->bus);
	}
	return 0;
}

const struct rain_panel_driver rain_panel_driver_mcp23017 = {
	.name = "mcp23017",
	.switch_poll_ms = SWITCH_POLL_MS,
	.open = mcp23017_open,
	.set = mcp23017_set,
	.read_switch = mcp23017_read_switch,
	.check = mcp23017_check,
	.close = mcp23017_close,
};
