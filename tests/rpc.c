/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks a daemon of this host one or more questions, for tests and people:
 *   rain-rpc SOCKET '{"op":"queue"}' … */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cli.h"
#include "common/json.h"
#include "common/rpc.h"

static const char help[] =
	"Usage: rain-rpc [--timeout=MS] SOCKET REQUEST...\n"
	"\n"
	"Sends each REQUEST (a JSON object) to the daemon at SOCKET and prints each\n"
	"result as JSON.\n"
	"\n"
	"Exit status: 0 all answered, 1 the daemon refused one or can't be reached,\n"
	"2 wrong usage.\n";

int main(int argc, char *argv[])
{
	struct rain_error err;
	int timeout_ms = 30000, first = 1;

	rain_cli_standard_options(argc, argv, help);
	if (argc > 1 && strncmp(argv[1], "--timeout=", 10) == 0) {
		timeout_ms = atoi(argv[1] + 10);
		first = 2;
	}
	if (argc - first < 2 || timeout_ms <= 0)
		return rain_cli_usage("a socket and a request are needed");
	for (int i = first + 1; i < argc; i++) {
		json_t *request, *result;

		request = rain_json_parse(argv[i], strlen(argv[i]), RAIN_RPC_LINE_MAX, &err);
		if (!request)
			return rain_cli_usage("%s", err.text);
		result = rain_rpc_call(argv[first], request, timeout_ms, &err);
		json_decref(request);
		if (!result)
			return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
		rain_cli_print_json(result);
		json_decref(result);
	}
	return RAIN_EXIT_OK;
}
