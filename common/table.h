/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_COMMON_TABLE_H
#define RAIN_COMMON_TABLE_H

#include <stdio.h>

/* Text tables of commands: columns as wide as their content, like squeue's. */

enum rain_table_style {
	RAIN_TABLE_TEXT,      /* aligned, header underlined by a rule */
	RAIN_TABLE_CSV,	      /* RFC 4180 */
	RAIN_TABLE_PARSABLE2, /* '|' between fields, as in sacct --parsable2 */
};

struct rain_table;

/* `headers` is NULL-terminated; a header that starts with '>' makes its column
 * right-aligned (the mark isn't shown).  Those columns are never cut to fit a terminal,
 * nor are those whose header starts with '!'.  Copies everything. NULL: no memory. */
struct rain_table *rain_table_create(const char *const headers[]);

/* Adds a row of as many cells as there are headers, copied. 0 or -1. */
int rain_table_add(struct rain_table *table, const char *const cells[]);

/* Control characters in cells are shown as '?': text of strangers may be
 * printed. */
void rain_table_print(const struct rain_table *table, enum rain_table_style style, FILE *out);

/* Columns of the terminal, or 0 when `out` is none. */
size_t rain_table_terminal(FILE *out);

void rain_table_destroy(struct rain_table *table);

#endif
