// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/submit_config.h"

#include "common/config.h"

/* The settings borrow its strings. */
static struct rain_config *config;

int rain_submit_config_load(const char *path, struct rain_submit_settings *settings,
			    struct rain_error *err)
{
	/* The pool that rain.conf(5) proposes: with no file to read, it is safer
	 * to refuse these users than to let guests submit. */
	*settings = (struct rain_submit_settings){
		.overflow_partition = "overflow",
		.guest_partition = "guest",
		.guest_uid_min = 61000,
		.guest_uid_max = 61015,
	};
	rain_submit_config_release();
	config = rain_config_load(path, err);
	if (!config)
		return -1;
	settings->overflow_partition = config->gateway.overflow_partition;
	settings->guest_partition = config->lend.partition;
	settings->guest_uid_min = config->lend.guest_uid_min;
	settings->guest_uid_max = config->lend.guest_uid_max;
	return 0;
}

void rain_submit_config_release(void)
{
	rain_config_destroy(config);
	config = NULL;
}
