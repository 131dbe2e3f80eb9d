/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_INTAKE_H
#define RAIN_ACCOUNTING_INTAKE_H

#include <stdbool.h>
#include <stddef.h>

#include "accounting/store.h"
#include "common/config.h"
#include "common/error.h"

/* From the spool to the ledger: reads what waits, prices it, books it in one
 * transaction, and deletes the files only after that.  A crash at any point
 * leaves a file that is booked again to no effect. */

/* Records in one transaction. */
#define RAIN_INTAKE_BATCH 500

struct rain_intake_result {
	size_t recorded; /* files booked and deleted */
	size_t rejected; /* files put aside, each told to the log */
	bool more;	 /* more files may wait: call again */
};

/* Handles one batch.  -1 with err when the spool or the database can't be used
 * now: nothing is lost, try again later. */
int rain_intake_run(const struct rain_config *config, struct rain_ledger *store,
		    struct rain_intake_result *result, struct rain_error *err);

#endif
