/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_COMMON_CONFIG_PRIORITY_H
#define RAIN_COMMON_CONFIG_PRIORITY_H

#include <confuse.h>

#include "common/config.h"
#include "common/error.h"

/* Sections `priority` and `estimate`; for config.c only. */
#define RAIN_CONFIG_PRIORITY                                                              \
	CFG_STR("order", "off", CFGF_NONE), CFG_INT("patience", 5, CFGF_NONE),            \
		CFG_INT("max-wait-hours", 24, CFGF_NONE),                                 \
		CFG_STR("contribution-reference", "100", CFGF_NONE)
#define RAIN_CONFIG_ESTIMATE CFG_STR("at-submission", "burst", CFGF_NONE)

/* Read and check. -1 with the key that is wrong and why. */
int rain_config_priority(cfg_t *section, struct rain_config *config, const char **key,
			 struct rain_error *why);
int rain_config_estimate(cfg_t *section, struct rain_config *config, const char **key,
			 struct rain_error *why);

#endif
