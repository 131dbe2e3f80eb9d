/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_INTAKE_H
#define RAIN_ACCOUNTING_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "accounting/store.h"
#include "common/config.h"
#include "common/error.h"

/* From the spool to the ledger: reads what waits, prices it and books it by transactions; a
 * segment of the spool is deleted after the last of its records is booked or put aside.
 * While the database is busy with one transaction the next is read.  A crash at any point
 * leaves records that are booked again to no effect. */
struct rain_intake;

#define RAIN_INTAKE_TRANSACTION 500 /* records in one transaction */
#define RAIN_INTAKE_BYTES (2 * 1024 * 1024) /* of them */

struct rain_intake_result {
	size_t recorded; /* records booked */
	size_t rejected; /* records put aside, each told to the log */
	size_t stuck;	 /* records that could be neither; they stay */
	bool more;	 /* a transaction is under way: call again at once */
	bool backlog;	 /* and more waits than one takes */
	int64_t commit_us; /* that a transaction took that has ended; 0: none has */
};

/* NULL: no memory. */
struct rain_intake *rain_intake_create(void);
void rain_intake_destroy(struct rain_intake *intake);

/* Looks at the spool from its beginning at the next run, with the configuration of then. */
void rain_intake_restart(struct rain_intake *intake);

/* Reads the rates again before the next run: they have changed. */
void rain_intake_reprice(struct rain_intake *intake);

/* Reads one transaction's records, waits for the transaction that is under way (on a
 * connection of its own), and begins the next.  -1 with err when the spool or the database
 * can't be used now: nothing is lost, try again later. `store` is asked for the rates. */
int rain_intake_run(struct rain_intake *intake, const struct rain_config *config,
		    struct rain_ledger *store, struct rain_intake_result *result,
		    struct rain_error *err);

/* How many records wait in the spool, and since when the oldest does (epoch ms; 0: none
 * waits). -1 with err. */
int rain_intake_depth(struct rain_intake *intake, const struct rain_config *config, int64_t *count,
		      int64_t *oldest_ms, struct rain_error *err);

#endif
