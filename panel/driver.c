/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/driver.h"

#include <stdio.h>
#include <string.h>

static const struct rain_panel_driver *const drivers[] = {
	&rain_panel_driver_mcp23017,
	&rain_panel_driver_leds,
	&rain_panel_driver_sim,
};

const struct rain_panel_driver *rain_panel_driver_find(const char *name, struct rain_error *err)
{
	char known[128] = "";

	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		size_t used = strlen(known);

		if (strcmp(drivers[i]->name, name) == 0)
			return drivers[i];
		snprintf(known + used, sizeof(known) - used, "%s\"%s\"", i ? ", " : "",
			 drivers[i]->name);
	}
	rain_error_set(err, "panel.driver \"%s\" is unknown: allowed are %s", name, known);
	return NULL;
}
