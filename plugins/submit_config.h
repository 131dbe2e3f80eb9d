/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PLUGINS_SUBMIT_CONFIG_H
#define RAIN_PLUGINS_SUBMIT_CONFIG_H

#include "plugins/submit_rules.h"

/* The settings of the rules from rain.conf (path NULL: the usual one), read
 * once.  When the file can't be used the defaults hold, -1 is returned and err
 * says why: slurmctld must start in any case.  *settings is always usable and
 * is released with rain_submit_config_release. */
int rain_submit_config_load(const char *path, struct rain_submit_settings *settings,
			    struct rain_error *err);

void rain_submit_config_release(void);

#endif
