/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_COMMON_CONFIG_LEND_H
#define RAIN_COMMON_CONFIG_LEND_H

#include <confuse.h>

#include "common/config.h"
#include "common/error.h"

/* The bounds of section `lend`, which each `peer` in it may have of its own; for
 * config.c only. */
#define RAIN_CONFIG_LEND_BOUNDS(nodes, minutes, percent)                                         \
	CFG_INT("max-nodes", nodes, CFGF_NONE), CFG_INT("max-minutes", minutes, CFGF_NONE),      \
		CFG_INT("max-cores", 0, CFGF_NONE), CFG_INT("price-percent", percent, CFGF_NONE), \
		CFG_STR_LIST("hours", "{}", CFGF_NONE)

extern cfg_opt_t rain_config_lend_peer_options[];

/* Reads and checks them. -1 with the key that is wrong and why. */
int rain_config_lend(cfg_t *section, struct rain_config *config, const char **key,
		     struct rain_error *why);
void rain_config_lend_release(struct rain_config *config);

#endif
