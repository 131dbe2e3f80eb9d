// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/table.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* No column is made narrower than this to fit a terminal. */
#define NARROWEST 8

struct rain_table {
	size_t columns;
	char **headers;
	bool *right, *whole;
	size_t rows, capacity;
	char **cells; /* rows x columns */
};

/* A copy without control characters. */
static char *clean_copy(const char *text)
{
	char *copy = strdup(text ? text : "");

	for (char *c = copy; c && *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return copy;
}

/* Columns on the screen: UTF-8 continuation bytes take none. */
static size_t width(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

struct rain_table *rain_table_create(const char *const headers[])
{
	struct rain_table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	while (headers[table->columns])
		table->columns++;
	table->headers = calloc(table->columns, sizeof(*table->headers));
	table->right = calloc(table->columns, sizeof(*table->right));
	table->whole = calloc(table->columns, sizeof(*table->whole));
	if (!table->headers || !table->right || !table->whole)
		goto fail;
	for (size_t i = 0; i < table->columns; i++) {
		table->right[i] = headers[i][0] == '>';
		table->whole[i] = table->right[i] || headers[i][0] == '!';
		table->headers[i] = clean_copy(headers[i] + table->whole[i]);
		if (!table->headers[i])
			goto fail;
	}
	return table;
fail:
	rain_table_destroy(table);
	return NULL;
}

int rain_table_add(struct rain_table *table, const char *const cells[])
{
	char **row;

	if (table->rows == table->capacity) {
		size_t capacity = table->capacity ? table->capacity * 2 : 16;
		char **larger = realloc(table->cells,
					capacity * table->columns * sizeof(*larger));

		if (!larger)
			return -1;
		table->cells = larger;
		table->capacity = capacity;
	}
	row = table->cells + table->rows * table->columns;
	for (size_t i = 0; i < table->columns; i++) {
		row[i] = clean_copy(cells[i]);
		if (!row[i]) {
			while (i > 0)
				free(row[--i]);
			return -1;
		}
	}
	table->rows++;
	return 0;
}

static void print_padded(const char *text, size_t wide, bool right, bool last, FILE *out)
{
	size_t used = width(text);
	int pad = used < wide ? (int)(wide - used) : 0;

	if (right)
		fprintf(out, "%*s%s", pad, "", text);
	else if (last)
		fputs(text, out);
	else
		fprintf(out, "%s%*s", text, pad, "");
}

size_t rain_table_terminal(FILE *out)
{
	struct winsize size;

	if (!isatty(fileno(out)) || ioctl(fileno(out), TIOCGWINSZ, &size) < 0)
		return 0;
	return size.ws_col;
}

/* Takes from the widest text columns what the terminal lacks; figures stay whole. */
static void fit(const struct rain_table *table, size_t *widths, size_t most)
{
	for (;;) {
		size_t sum = (table->columns - 1) * 2, widest = table->columns;

		for (size_t i = 0; i < table->columns; i++) {
			sum += widths[i];
			if (!table->whole[i] && widths[i] > NARROWEST &&
			    (widest == table->columns || widths[i] > widths[widest]))
				widest = i;
		}
		if (sum <= most || widest == table->columns)
			return;
		widths[widest]--;
	}
}

/* The bytes of the first `columns` columns. */
static size_t bytes_of(const char *text, size_t columns)
{
	const char *p = text;

	for (; *p; p++) {
		if (((unsigned char)*p & 0xc0) == 0x80)
			continue;
		if (columns == 0)
			break;
		columns--;
	}
	return (size_t)(p - text);
}

static void print_cell(const char *text, size_t wide, bool right, bool last, FILE *out)
{
	if (width(text) <= wide) {
		print_padded(text, wide, right, last, out);
		return;
	}
	/* '+' tells, as in squeue, that there is more. */
	fprintf(out, "%.*s+", (int)bytes_of(text, wide - 1), text);
}

static void print_text(const struct rain_table *table, FILE *out)
{
	size_t *widths = calloc(table->columns + 1, sizeof(*widths)), most = rain_table_terminal(out);

	/* Without memory every column is as wide as its cell: ugly and right. */
	for (size_t i = 0; widths && i < table->columns; i++) {
		widths[i] = width(table->headers[i]);
		for (size_t r = 0; r < table->rows; r++) {
			size_t w = width(table->cells[r * table->columns + i]);

			widths[i] = w > widths[i] ? w : widths[i];
		}
	}
	if (widths && most > 0)
		fit(table, widths, most);
	for (size_t line = 0; line < table->rows + 2; line++) {
		for (size_t i = 0; i < table->columns; i++) {
			const char *text = line == 0 ? table->headers[i]
					   : line > 1 ? table->cells[(line - 2) * table->columns + i]
						      : "";
			size_t wide = widths ? widths[i] : width(text);

			if (i > 0)
				fputs("  ", out);
			if (line == 1)
				for (size_t k = 0; k < wide; k++)
					fputc('-', out);
			else
				print_cell(text, wide, table->right[i], i + 1 == table->columns, out);
		}
		fputc('\n', out);
	}
	free(widths);
}

static void print_csv_cell(const char *text, FILE *out)
{
	if (!strpbrk(text, ",\"")) {
		fputs(text, out);
		return;
	}
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static void print_separated(const struct rain_table *table, enum rain_table_style style,
			    FILE *out)
{
	for (size_t line = 0; line <= table->rows; line++) {
		char **row = line == 0 ? table->headers
				       : table->cells + (line - 1) * table->columns;

		for (size_t i = 0; i < table->columns; i++) {
			if (i > 0)
				fputc(style == RAIN_TABLE_CSV ? ',' : '|', out);
			if (style == RAIN_TABLE_CSV)
				print_csv_cell(row[i], out);
			else
				fputs(row[i], out);
		}
		fputc('\n', out);
	}
}

void rain_table_print(const struct rain_table *table, enum rain_table_style style, FILE *out)
{
	if (style == RAIN_TABLE_TEXT)
		print_text(table, out);
	else
		print_separated(table, style, out);
}

void rain_table_destroy(struct rain_table *table)
{
	if (!table)
		return;
	for (size_t i = 0; table->headers && i < table->columns; i++)
		free(table->headers[i]);
	for (size_t i = 0; i < table->rows * table->columns; i++)
		free(table->cells[i]);
	free(table->headers);
	free(table->right);
	free(table->whole);
	free(table->cells);
	free(table);
}
