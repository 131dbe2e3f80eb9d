// SPDX-License-Identifier: GPL-2.0-or-later
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "accounting/client.h"
#include "common/cli.h"
#include "common/tokens.h"

static const char help[] =
	"Usage: rain grant [OPTION]... USER AMOUNT\n"
	"Gives tokens to a user (or to system:commons). For administrators of RAIN.\n"
	"AMOUNT is in tokens, with at most six decimals: 10 or 2.5\n"
	"\n"
	"  -r, --reason TEXT  why, kept in the ledger\n"
	"  -k, --key UUID     makes the grant repeatable: the same key again grants\n"
	"                     nothing more (default: a fresh one)\n"
	"  -j, --json         JSON; amounts in micro-tokens\n"
	"  -c, --config FILE  configuration of RAIN\n"
	"  -h, --help         show this text\n"
	"  -V, --version      show the version\n"
	"\n"
	"Exit codes: 0 granted, 1 refused or failed, 2 wrong usage, 3 rain-ledgerd\n"
	"can't be reached.\n";

static void print(const json_t *answer, int64_t amount)
{
	const json_t *account = json_array_get(json_object_get(answer, "accounts"), 0);
	struct rain_cells cells = {0};
	char text[RAIN_TOKENS_TEXT_SIZE];

	if (json_is_true(json_object_get(answer, "again")))
		printf("This grant had been made before; nothing is added.\n");
	else
		printf("%s tokens granted to %s.\n", rain_tokens_format(amount, text),
		       rain_cell_plain(&cells, account, "account"));
	printf("%s has %s tokens.\n", rain_cell_plain(&cells, account, "account"),
	       rain_cell_tokens(&cells, account, "balance_utok"));
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {
		{"reason", required_argument, NULL, 'r'}, {"key", required_argument, NULL, 'k'},
		{"json", no_argument, NULL, 'j'},	  {"config", required_argument, NULL, 'c'},
		{NULL, 0, NULL, 0},
	};
	const char *config = NULL, *reason = "", *key = NULL;
	char fresh[RAIN_CLIENT_KEY_SIZE];
	struct rain_error err;
	bool json = false;
	int64_t amount;
	int option, code;
	json_t *answer;

	rain_cli_standard_options(argc, argv, help);
	while ((option = getopt_long(argc, argv, "r:k:jc:", options, NULL)) != -1) {
		switch (option) {
		case 'r': reason = optarg; break;
		case 'k': key = optarg; break;
		case 'j': json = true; break;
		case 'c': config = optarg; break;
		default: return rain_cli_usage("wrong option");
		}
	}
	if (argc - optind != 2)
		return rain_cli_usage("a user and an amount are needed");
	if (rain_tokens_parse(argv[optind + 1], &amount, &err) < 0)
		return rain_cli_usage("%s", err.text);
	if (amount == 0)
		return rain_cli_usage("an amount above 0 is needed");
	if (!key && rain_client_key(fresh, &err) < 0)
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	answer = rain_client_call(config,
				  json_pack("{s:s s:s s:I s:s s:s}", "op", "grant", "account",
					    argv[optind], "amount_utok", (json_int_t)amount,
					    "reason", reason, "idem", key ? key : fresh),
				  &code, &err);
	if (!answer)
		return rain_cli_fail(code, &err);
	if (json)
		rain_cli_print_json(answer);
	else
		print(answer, amount);
	json_decref(answer);
	return RAIN_EXIT_OK;
}
