/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PLUGINS_SPANK_SETTINGS_H
#define RAIN_PLUGINS_SPANK_SETTINGS_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/error.h"

/* The arguments of the plugin's line in plugstack.conf. */
struct rain_spank_settings {
	char overflow_partition[64]; /* overflow_partition=NAME; default "overflow" */
	bool has_guests;	     /* guest_uids=MIN-MAX; default: no guests */
	uid_t guest_uid_min, guest_uid_max;
};

/* Reads the arguments. An argument that isn't known or can't be read is an
 * error that names it: guessing would run guests outside the sandbox. */
int rain_spank_settings_parse(int argc, char *const argv[], struct rain_spank_settings *settings,
			      struct rain_error *err);

bool rain_spank_settings_is_guest(const struct rain_spank_settings *settings, uid_t uid);

#endif
