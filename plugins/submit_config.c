// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/submit_config.h"

#include <stdatomic.h>

#include "accounting/snapshot_file.h"
#include "common/clock.h"
#include "common/config.h"
#include "plugins/snapshot_follower.h"

/* The settings borrow its strings. */
static struct rain_config *config;
static struct rain_snapshot_follower *balances;
/* Slurm newer than 22.05 may ask job_submit of several threads; the copy is for one. */
static atomic_flag reading = ATOMIC_FLAG_INIT;

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
	balances = rain_snapshot_follower_create(config->ledger.spool, RAIN_SNAPSHOT_BALANCES, err);
	return balances ? 0 : -1;
}

void rain_submit_balance_read(struct rain_submission *submission, uid_t owner)
{
	struct rain_snapshot_copy *copy = rain_snapshot_follower_copy(balances);
	struct rain_snapshot_entry entry;

	submission->balance_known = false;
	if (copy && !atomic_flag_test_and_set(&reading)) {
		submission->balance_known = rain_snapshot_copy_find(copy, rain_snapshot_user(owner),
								    rain_clock_monotonic_ms(), &entry);
		atomic_flag_clear(&reading);
	}
	submission->available_utok = submission->balance_known ? entry.available_utok : 0;
}

void rain_submit_config_release(void)
{
	rain_snapshot_follower_destroy(balances);
	balances = NULL;
	rain_config_destroy(config);
	config = NULL;
}
