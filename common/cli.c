// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rain_config.h"

int rain_cli_fail(int code, const struct rain_error *err)
{
	fprintf(stderr, "%s: %s\n", program_invocation_short_name, err->text);
	return code;
}

int rain_cli_usage(const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, "\nTry '%s --help'.\n", program_invocation_short_name);
	return RAIN_EXIT_USAGE;
}

void rain_cli_print_json(const json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(2) | JSON_SORT_KEYS);
	fputc('\n', stdout);
}

void rain_cli_standard_options(int argc, char *argv[], const char *help)
{
	for (int i = 1; i < argc && argv[i][0] == '-' && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			fputs(help, stdout);
			exit(RAIN_EXIT_OK);
		}
		if (strcmp(argv[i], "--version") == 0 || strcmp(argv[i], "-V") == 0) {
			printf("%s (RAIN) %s\n", program_invocation_short_name, PACKAGE_VERSION);
			exit(RAIN_EXIT_OK);
		}
	}
}
