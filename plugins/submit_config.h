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

/* Completes a submission with what `owner` can spend, from the snapshot that
 * rain-ledgerd publishes: no waiting, and no more than memory is read unless the
 * snapshot has to be looked for. */
void rain_submit_balance_read(struct rain_submission *submission, uid_t owner);

void rain_submit_config_release(void);

#endif
