/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_SHOW_H
#define RAIN_ACCOUNTING_SHOW_H

#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/table.h"

/* How the commands of the ledger show rows: as a table that fits the terminal,
 * as JSON, or for programs. */
struct rain_show {
	const char *config;
	bool json, utc;
	enum rain_table_style style;
};

/* The options that all of them have, for getopt_long, and their help. */
#define RAIN_SHOW_LETTERS "jPUc:"
#define RAIN_SHOW_OPTIONS                                                                  \
	{"json", no_argument, NULL, 'j'}, {"csv", no_argument, NULL, 'C'},                 \
	{"parsable2", no_argument, NULL, 'P'}, {"utc", no_argument, NULL, 'U'},            \
	{"config", required_argument, NULL, 'c'}, {NULL, 0, NULL, 0}
#define RAIN_SHOW_HELP                                                                     \
	"  -j, --json         JSON; amounts in micro-tokens, times in epoch seconds\n"     \
	"      --csv          comma-separated values\n"                                    \
	"  -P, --parsable2    '|' between the fields\n"                                    \
	"  -U, --utc          read and show times in UTC, not in local time\n"             \
	"  -c, --config FILE  configuration of RAIN\n"                                     \
	"  -h, --help         show this text\n"                                            \
	"  -V, --version      show the version\n"
#define RAIN_SHOW_EXIT                                                                     \
	"\nExit codes: 0 fine, 1 refused or failed, 2 wrong usage, 3 rain-ledgerd can't\n" \
	"be reached.\n"
#define RAIN_SHOW_TIMES                                                                    \
	"\nTIME: YYYY-MM-DD, YYYY-MM-DDTHH:MM[:SS][Z|+HHMM], now, today, yesterday, month\n" \
	"(its first day), -12h, -7d, -4w; in the local time zone, or in UTC with --utc.\n"

/* Takes one of these options; --utc sets the time zone of the whole program.  False when it
 * is another. */
bool rain_show_option(struct rain_show *show, int option, const char *argument);

/* Reads a period; call it when all options are known. -1 with err. */
int rain_show_period(const char *since_text, const char *until_text, int64_t *since,
		     int64_t *until, struct rain_error *err);

/* "WHAT from … until …", on a table for people only. */
void rain_show_heading(const struct rain_show *show, const char *what, int64_t since,
		       int64_t until);

enum rain_column_kind {
	RAIN_COLUMN_PLAIN,
	RAIN_COLUMN_NUMBER, /* to the right */
	RAIN_COLUMN_TOKENS,
	RAIN_COLUMN_HOURS,   /* core-milliseconds as core-hours */
	RAIN_COLUMN_TIME,    /* epoch seconds */
	RAIN_COLUMN_WHEN,    /* the same, below a heading that tells people the time zone */
	RAIN_COLUMN_PERCENT, /* key is "part/whole" */
	RAIN_COLUMN_MEAN,    /* key is "sum/count", in seconds, shown as [D-]HH:MM:SS */
	RAIN_COLUMN_BAR,     /* of the key's share in the largest; on a terminal only */
};

/* A list of columns ends with a NULL header. */
struct rain_column {
	const char *header, *key;
	enum rain_column_kind kind;
	size_t terminal; /* left out of a table on a terminal with fewer columns than this */
};

/* "WHAT: DONE" on stderr when that is a terminal; `what` NULL: it is over, clear it. */
void rain_show_progress(const char *what, int64_t done);

/* Prints answer[rows_key] and the notes; with --json the whole answer, which may
 * be NULL-safe extended by the caller before. Returns the exit code. */
int rain_show_rows(const struct rain_show *show, const struct rain_column columns[],
		   const json_t *answer, const char *rows_key);

/* Calls the ledger for an answer with a "sentence": prints that, or JSON. Steals request.
 * Returns the exit code. */
int rain_show_call(const struct rain_show *show, json_t *request);

/* The same for what moves tokens (rain_client_order()). */
int rain_show_order(const struct rain_show *show, json_t *request, const char *key);

#endif
