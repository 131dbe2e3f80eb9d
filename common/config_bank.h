/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_COMMON_CONFIG_BANK_H
#define RAIN_COMMON_CONFIG_BANK_H

#include <confuse.h>

#include "common/config.h"
#include "common/error.h"

/* The part of section `ledger` that says who gets tokens for what; for config.c only. */
#define RAIN_CONFIG_BANK_POLICIES                                                         \
	CFG_STR("own-use-reward", "0", CFGF_NONE), CFG_STR("own-use-cap", "0", CFGF_NONE), \
		CFG_STR("share-commons", "none", CFGF_NONE),                              \
		CFG_INT("share-days", 7, CFGF_NONE), CFG_STR_LIST("shares", "{}", CFGF_NONE)

/* Reads and checks it. -1 with the key that is wrong and why. */
int rain_config_bank(cfg_t *section, struct rain_config *config, const char **key,
		     struct rain_error *why);

void rain_config_bank_release(struct rain_config *config);

#endif
