/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_POLICIES_H
#define RAIN_ACCOUNTING_POLICIES_H

#include <stdbool.h>
#include <stdint.h>

#include "accounting/store.h"
#include "common/config.h"

/* What the configuration gives tokens out for: own use, and shares of the commons
 * (accounting/sql/0087-policies.sql does each exactly once). All zero at first. */
struct rain_policies {
	int64_t due_ms;
	bool reward_failed, share_failed; /* and it is said */
};

/* Looks what is due at now_ms (monotonic), does a bite of it, and returns the time
 * until it wants to be called again. */
int64_t rain_policies_run(struct rain_policies *policies, const struct rain_config *config,
			  struct rain_ledger *store, int64_t now_ms);

#endif
