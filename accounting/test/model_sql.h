/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_TEST_MODEL_SQL_H
#define RAIN_ACCOUNTING_TEST_MODEL_SQL_H

#include <stddef.h>

#include "accounting/test/model.h"

enum { MODEL_SQL_MAX = 2048, MODEL_STATES = 6 };

extern const char *const model_names[ACCOUNTS];

/* The statement for a call, of at most MODEL_SQL_MAX bytes. */
void model_sql(char *sql, const struct op *op);

/* Gives the ledger in this database a clock that stands still: model.clock. */
extern const char *const model_clock_sql;

/* What is compared: a query with the accounts' names as $1, and the model's own answer. */
struct model_state {
	const char *what, *sql;
};
extern const struct model_state model_states[MODEL_STATES];
void model_state(const struct model *m, size_t which, char *text, size_t size);

#endif
