/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_INTAKE_H
#define RAIN_ACCOUNTING_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "accounting/store.h"
#include "common/config.h"
#include "common/error.h"

/* From the spool to the ledger: reads what waits, prices it, books it by
 * transactions, and deletes the files of each only after it.  While the database
 * is busy with one the next is read.  A crash at any point leaves files that are
 * booked again to no effect. */
struct rain_intake;

#define RAIN_INTAKE_TRANSACTION 500 /* records in one transaction */
#define RAIN_INTAKE_TRANSACTIONS 4  /* of one run */
#define RAIN_INTAKE_BATCH (RAIN_INTAKE_TRANSACTION * RAIN_INTAKE_TRANSACTIONS)

struct rain_intake_result {
	size_t recorded; /* files booked and deleted */
	size_t rejected; /* files put aside, each told to the log */
	size_t stuck;	 /* files that could be neither; they stay */
	bool more;	 /* more files may wait: call again */
	size_t commits;	 /* transactions that were made, which took … */
	int64_t commit_us[RAIN_INTAKE_TRANSACTIONS];
};

struct rain_intake *rain_intake_create(void);
void rain_intake_destroy(struct rain_intake *intake);

/* Looks at the spool from its beginning at the next run. */
void rain_intake_restart(struct rain_intake *intake);

/* Reads the rates again before the next run: they have changed. */
void rain_intake_reprice(struct rain_intake *intake);

/* Handles at most RAIN_INTAKE_BATCH records.  -1 with err when the spool or the database can't be used
 * now: nothing is lost, try again later. */
int rain_intake_run(struct rain_intake *intake, const struct rain_config *config,
		    struct rain_ledger *store, struct rain_intake_result *result,
		    struct rain_error *err);

#endif
