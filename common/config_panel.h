/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_COMMON_CONFIG_PANEL_H
#define RAIN_COMMON_CONFIG_PANEL_H

#include <confuse.h>

#include "common/config.h"
#include "common/error.h"

/* The part of section `panel` that describes hardware, page and the keeper of codes; for
 * config.c only. */
#define RAIN_CONFIG_PANEL_HARDWARE                                                     \
	CFG_INT("i2c-bus", 1, CFGF_NONE), CFG_INT("i2c-address", 0x20, CFGF_NONE),     \
		CFG_STR_LIST("led-pins", "{A0, A1, A2, A3, A4}", CFGF_NONE),           \
		CFG_BOOL("led-active-low", cfg_false, CFGF_NONE),                      \
		CFG_STR("switch-pin", "A5", CFGF_NONE),                                \
		CFG_BOOL("switch-active-low", cfg_true, CFGF_NONE),                    \
		CFG_BOOL("switch-pull-up", cfg_true, CFGF_NONE),                       \
		CFG_STR_LIST("led-names", "{}", CFGF_NONE),                            \
		CFG_STR("web-listen", "127.0.0.1:7249", CFGF_NONE),                    \
		CFG_STR("web-names", "administrators", CFGF_NONE),                     \
		CFG_STR("code-keeper", "", CFGF_NONE)

/* Reads and checks it, after panel.nodes. -1 with the key that is wrong and why. */
int rain_config_panel_hardware(cfg_t *section, struct rain_config *config, const char **key,
			       struct rain_error *why);

#endif
