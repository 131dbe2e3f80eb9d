/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/driver.h"

#include <stdlib.h>
#include <string.h>

struct sim {
	uint8_t level[RAIN_LED_COUNT];
	enum rain_panel_mode toggle;
};

static void *sim_open(const struct rain_config *config, struct rain_error *err)
{
	struct sim *sim = calloc(1, sizeof(*sim));

	if (!sim) {
		rain_error_set(err, "out of memory");
		return NULL;
	}
	if (rain_panel_mode_parse(config->panel.mode, &sim->toggle) < 0) {
		rain_error_set(err, "panel.mode \"%s\" is neither \"status\" nor \"load\"",
			       config->panel.mode);
		free(sim);
		return NULL;
	}
	return sim;
}

static int sim_set(void *device, const uint8_t level[RAIN_LED_COUNT], struct rain_error *err)
{
	struct sim *sim = device;

	(void)err;
	memcpy(sim->level, level, sizeof(sim->level));
	return 0;
}

static int sim_read_switch(void *device, enum rain_panel_mode *mode, struct rain_error *err)
{
	const struct sim *sim = device;

	(void)err;
	*mode = sim->toggle;
	return 1;
}

static void sim_turn_switch(void *device, enum rain_panel_mode mode)
{
	struct sim *sim = device;

	sim->toggle = mode;
}

const struct rain_panel_driver rain_panel_driver_sim = {
	.name = "sim",
	.open = sim_open,
	.set = sim_set,
	.read_switch = sim_read_switch,
	.turn_switch = sim_turn_switch,
	.close = free,
};
