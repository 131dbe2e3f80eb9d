/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_CLIENT_H
#define RAIN_ACCOUNTING_CLIENT_H

#include <jansson.h>
#include <stddef.h>

#include "common/error.h"

/* How the commands of the ledger ask rain-ledgerd. */

/* Calls rain-ledgerd by the socket that the configuration names (`config` NULL:
 * the usual file).  Steals `request`.  The result is a new reference; on NULL
 * *code gets the exit code. */
json_t *rain_client_call(const char *config, json_t *request, int *code, struct rain_error *err);

/* The same, waiting for the answer at most timeout_ms. */
json_t *rain_client_call_within(const char *config, json_t *request, int timeout_ms, int *code,
				struct rain_error *err);

/* The same for an order that moves tokens, made repeatable by a key: `key`, or when that is
 * NULL a fresh one.  The answer has it ("key").  Where nobody knows whether it was done (no
 * answer, or the caller is interrupted), stderr gets the key to repeat it with. */
json_t *rain_client_order(const char *config, json_t *request, const char *key, int *code,
			  struct rain_error *err);

/* Text of a cell, kept until rain_cells_reset(). */
#define RAIN_CELLS_MAX 16
struct rain_cells {
	char texts[RAIN_CELLS_MAX][40];
	size_t used;
};

/* row[key] as it is: a string is borrowed, a number written out. "" when null. */
const char *rain_cell_plain(struct rain_cells *cells, const json_t *row, const char *key);

/* row[key] micro-tokens as "12.345678"; "-" when null. */
const char *rain_cell_tokens(struct rain_cells *cells, const json_t *row, const char *key);

/* row[key] core-milliseconds as core-hours, "12.3400". */
const char *rain_cell_core_hours(struct rain_cells *cells, const json_t *row, const char *key);

/* row[key] epoch seconds as local time, "2024-03-01T08:00:00+0100". */
const char *rain_cell_time(struct rain_cells *cells, const json_t *row, const char *key);

void rain_cells_reset(struct rain_cells *cells);

/* Prints answer["notes"] on stderr, one sentence a line. */
void rain_client_print_notes(const json_t *answer);

#endif
