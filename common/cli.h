/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_COMMON_CLI_H
#define RAIN_COMMON_CLI_H

#include <jansson.h>

#include "common/error.h"

/* What the commands and daemons of RAIN share in talking to people. */

/* Exit codes, the same everywhere. */
enum rain_exit {
	RAIN_EXIT_OK = 0,
	RAIN_EXIT_FAILURE = 1, /* it was understood and did not work */
	RAIN_EXIT_USAGE = 2,   /* the command line is wrong */
	RAIN_EXIT_UNAVAILABLE = 3, /* a daemon or the database can't be reached */
};

/* Prints "rain-x: sentence" on stderr and returns `code`. */
int rain_cli_fail(int code, const struct rain_error *err);

/* Prints "rain-x: sentence" and "Try 'rain-x --help'." and returns
 * RAIN_EXIT_USAGE. */
int rain_cli_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Prints value as indented JSON and a newline on stdout. */
void rain_cli_print_json(const json_t *value);

/* Handles the options every program has.  Call it first in main(): prints the
 * help or the version and exits with 0 when `--help`, `-h`, `--version` or
 * `-V` comes before a "--" or the first word that is no option. */
void rain_cli_standard_options(int argc, char *argv[], const char *help);

#endif
