/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_COMMAND_H
#define RAIN_FEDERATION_COMMAND_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/table.h"

/* What the commands that ask rain-gatewayd share. */

/* Asks the gateway on its control socket (steals request).  NULL when it has
 * complained on stderr and set *code to the exit code; the caller owns the result. */
json_t *rain_command_ask(const char *socket_path, json_t *request, int *code);

/* Asks for `what` and prints the array of that name in the answer: as JSON, or a table
 * with a row for each, made by add_row.  An exit code. */
int rain_command_list(const char *socket_path, const char *what, const char *const headers[],
		      void (*add_row)(struct rain_table *table, const json_t *item), bool json,
		      enum rain_table_style style);

/* Borrowed; "" and 0 where there is nothing. */
const char *rain_command_text(const json_t *object, const char *key);
int64_t rain_command_number(const json_t *object, const char *key);

/* "90", "90s", "30m", "1h", "2d", at most 30 days. -1: it is no time. */
int rain_command_time(const char *text, int64_t *seconds);

#endif
