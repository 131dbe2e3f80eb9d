// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/show.h"

#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "accounting/client.h"
#include "accounting/period.h"
#include "common/cli.h"
#include "common/clock.h"

#define COLUMNS_MAX RAIN_CELLS_MAX
#define BAR_WIDTH 20

bool rain_show_option(struct rain_show *show, int option, const char *argument)
{
	switch (option) {
	case 'j': show->json = true; return true;
	case 'C': show->style = RAIN_TABLE_CSV; return true;
	case 'P': show->style = RAIN_TABLE_PARSABLE2; return true;
	case 'U':
		show->utc = true;
		setenv("TZ", "UTC0", 1);
		tzset();
		return true;
	case 'c': show->config = argument; return true;
	default: return false;
	}
}

int rain_show_period(const char *since_text, const char *until_text, int64_t *since,
		     int64_t *until, struct rain_error *err)
{
	int64_t now = rain_clock_realtime_ms() / 1000;

	if (rain_period_parse(since_text, now, since, err) < 0)
		return rain_error_prefix(err, "--since");
	/* What happened within this very second is before now. */
	if (rain_period_parse(until_text, now + 1, until, err) < 0)
		return rain_error_prefix(err, "--until");
	if (*until <= *since)
		return rain_error_set(err, "the time ends before it begins");
	return 0;
}

void rain_show_heading(const struct rain_show *show, const char *what, int64_t since,
		       int64_t until)
{
	char from[RAIN_PERIOD_TEXT_SIZE], to[RAIN_PERIOD_TEXT_SIZE];

	if (!show->json && show->style == RAIN_TABLE_TEXT)
		printf("%s from %s until %s\n\n", what, rain_period_format(since, from),
		       rain_period_format(until, to));
}

static int64_t number(const json_t *row, const char *key, size_t length)
{
	char name[64];

	snprintf(name, sizeof(name), "%.*s", (int)length, key);
	return (int64_t)json_integer_value(json_object_get(row, name));
}

/* "part/whole": both numbers. */
static void ratio(const json_t *row, const char *key, int64_t *part, int64_t *whole)
{
	size_t length = strcspn(key, "/");

	*part = number(row, key, length);
	*whole = number(row, key + length + 1, strlen(key + length + 1));
}

static const char *percent(char *text, size_t size, const json_t *row, const char *key)
{
	int64_t part, whole;

	ratio(row, key, &part, &whole);
	if (whole <= 0)
		return "-";
	snprintf(text, size, "%.1f", 100.0 * (double)part / (double)whole);
	return text;
}

static const char *mean(char *text, size_t size, const json_t *row, const char *key)
{
	int64_t sum, count, s;

	ratio(row, key, &sum, &count);
	if (count <= 0)
		return "-";
	s = sum / count;
	if (s >= 86400)
		snprintf(text, size, "%" PRId64 "-%02d:%02d:%02d", s / 86400, (int)(s / 3600 % 24),
			 (int)(s / 60 % 60), (int)(s % 60));
	else
		snprintf(text, size, "%02d:%02d:%02d", (int)(s / 3600), (int)(s / 60 % 60),
			 (int)(s % 60));
	return text;
}

static const char *bar(char *text, size_t size, int64_t value, int64_t most)
{
	static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
	bool utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	int64_t parts = most > 0 && value > 0
				? (int64_t)((double)value / (double)most * BAR_WIDTH * 8 + 0.5)
				: 0;
	size_t used = 0;

	text[0] = '\0';
	for (; parts >= 8 && used + 4 < size; parts -= 8)
		used += (size_t)snprintf(text + used, size - used, "%s", utf8 ? "█" : "#");
	if (utf8 && used + 4 < size)
		snprintf(text + used, size - used, "%s", eighths[parts > 7 ? 0 : parts]);
	return text;
}

static const char *when(char *text, size_t size, int64_t at)
{
	time_t seconds = (time_t)at;
	struct tm moment;

	localtime_r(&seconds, &moment);
	strftime(text, size, "%Y-%m-%d %H:%M:%S", &moment);
	return text;
}

static int64_t most_of(const json_t *rows, const char *key)
{
	int64_t most = 0;
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		int64_t value = number(row, key, strlen(key));

		most = value > most ? value : most;
	}
	return most;
}

/* The columns that this style has: bars are for eyes. */
static size_t choose(const struct rain_show *show, const struct rain_column columns[],
		     const struct rain_column *chosen[static COLUMNS_MAX])
{
	bool eyes = show->style == RAIN_TABLE_TEXT && isatty(STDOUT_FILENO);
	size_t count = 0, width = eyes ? rain_table_terminal(stdout) : 0;

	for (; columns->header && count < COLUMNS_MAX; columns++)
		if ((columns->kind != RAIN_COLUMN_BAR || eyes) && (width == 0 || width >= columns->terminal))
			chosen[count++] = columns;
	return count;
}

static bool is_right(enum rain_column_kind kind)
{
	return kind == RAIN_COLUMN_NUMBER || kind == RAIN_COLUMN_TOKENS ||
	       kind == RAIN_COLUMN_HOURS || kind == RAIN_COLUMN_PERCENT ||
	       kind == RAIN_COLUMN_MEAN;
}

static bool is_time(enum rain_column_kind kind)
{
	return kind == RAIN_COLUMN_TIME || kind == RAIN_COLUMN_WHEN;
}

static struct rain_table *make_table(const struct rain_column *const columns[], size_t count)
{
	char texts[COLUMNS_MAX][32];
	const char *headers[COLUMNS_MAX + 1] = {NULL};

	for (size_t i = 0; i < count; i++) {
		snprintf(texts[i], sizeof(texts[i]), "%s%s", is_right(columns[i]->kind) ? ">"
			 : is_time(columns[i]->kind) ? "!" : "", columns[i]->header);
		headers[i] = texts[i];
	}
	return rain_table_create(headers);
}

/* most: the largest of a column of bars */
static const char *cell(const struct rain_show *show, const struct rain_column *column,
			const json_t *row, int64_t most, struct rain_cells *cells, char *text, size_t size)
{
	switch (column->kind) {
	case RAIN_COLUMN_TOKENS: return rain_cell_tokens(cells, row, column->key);
	case RAIN_COLUMN_HOURS: return rain_cell_core_hours(cells, row, column->key);
	case RAIN_COLUMN_WHEN:
		if (show->style == RAIN_TABLE_TEXT && json_is_integer(json_object_get(row, column->key)))
			return when(text, size, number(row, column->key, strlen(column->key)));
		/* fall through */
	case RAIN_COLUMN_TIME:
		return json_is_integer(json_object_get(row, column->key))
			       ? rain_cell_time(cells, row, column->key) : "-";
	case RAIN_COLUMN_PERCENT: return percent(text, size, row, column->key);
	case RAIN_COLUMN_MEAN: return mean(text, size, row, column->key);
	case RAIN_COLUMN_BAR:
		return bar(text, size, number(row, column->key, strlen(column->key)), most);
	case RAIN_COLUMN_PLAIN:
	case RAIN_COLUMN_NUMBER: break;
	}
	return rain_cell_plain(cells, row, column->key);
}

static int print_table(const struct rain_show *show, const struct rain_column columns[],
		       const json_t *rows)
{
	const struct rain_column *chosen[COLUMNS_MAX];
	size_t count = choose(show, columns, chosen), i;
	struct rain_table *table = make_table(chosen, count);
	struct rain_cells cells = {0};
	int64_t most[COLUMNS_MAX];
	const json_t *row;
	int rc = table ? 0 : -1;

	for (size_t k = 0; k < count; k++)
		most[k] = chosen[k]->kind == RAIN_COLUMN_BAR ? most_of(rows, chosen[k]->key) : 0;
	json_array_foreach(rows, i, row) {
		char texts[COLUMNS_MAX][4 * BAR_WIDTH + 8];
		const char *line[COLUMNS_MAX];

		for (size_t k = 0; k < count; k++)
			line[k] = cell(show, chosen[k], row, most[k], &cells, texts[k], sizeof(texts[k]));
		if (rc == 0)
			rc = rain_table_add(table, line);
		rain_cells_reset(&cells);
	}
	if (rc == 0)
		rain_table_print(table, show->style, stdout);
	rain_table_destroy(table);
	return rc;
}

int rain_show_rows(const struct rain_show *show, const struct rain_column columns[],
		   const json_t *answer, const char *rows_key)
{
	struct rain_error err;

	if (show->json) {
		rain_cli_print_json(answer);
		return RAIN_EXIT_OK;
	}
	setlocale(LC_CTYPE, "");
	if (print_table(show, columns, json_object_get(answer, rows_key)) < 0) {
		rain_error_set(&err, "no memory for the table");
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	}
	rain_client_print_notes(answer);
	return RAIN_EXIT_OK;
}

void rain_show_progress(const char *what, int64_t done)
{
	if (!isatty(STDERR_FILENO))
		return;
	if (what)
		fprintf(stderr, "\r%s: %" PRId64 "\033[K", what, done);
	else
		fputs("\r\033[K", stderr);
}

/* Steals answer. */
static int show_sentence(const struct rain_show *show, json_t *answer, int code,
			 const struct rain_error *err)
{
	const char *sentence = json_string_value(json_object_get(answer, "sentence"));

	if (!answer)
		return rain_cli_fail(code, err);
	if (show->json)
		rain_cli_print_json(answer);
	else
		puts(sentence ? sentence : "Done.");
	json_decref(answer);
	return RAIN_EXIT_OK;
}

int rain_show_call(const struct rain_show *show, json_t *request)
{
	struct rain_error err;
	int code;
	json_t *answer = rain_client_call(show->config, request, &code, &err);

	return show_sentence(show, answer, code, &err);
}

int rain_show_order(const struct rain_show *show, json_t *request, const char *key)
{
	struct rain_error err;
	int code;
	json_t *answer = rain_client_order(show->config, request, key, &code, &err);

	return show_sentence(show, answer, code, &err);
}
