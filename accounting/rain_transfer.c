// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/show.h"
#include "common/cli.h"
#include "common/tokens.h"

static const char help[] =
	"Usage: rain transfer [OPTION]... TO AMOUNT\n"
	"Moves tokens from your account to another: a user, or project:NAME.\n"
	"AMOUNT is in tokens, with at most six decimals: 10 or 2.5\n"
	"\n"
	"  -f, --from ACCOUNT from this account: of a project you coordinate, or, for\n"
	"                     administrators, any user's or project's\n"
	"  -r, --reason TEXT  why, kept in the ledger\n"
	"  -k, --key UUID     makes the transfer repeatable: the same key again moves\n"
	"                     nothing more (default: a fresh one, which you are told when\n"
	"                     nobody knows whether the tokens were moved)\n"
	RAIN_SHOW_HELP RAIN_SHOW_EXIT;

int main(int argc, char *argv[])
{
	static const struct option options[] = {{"from", required_argument, NULL, 'f'},
						{"reason", required_argument, NULL, 'r'},
						{"key", required_argument, NULL, 'k'},
						RAIN_SHOW_OPTIONS};
	struct rain_show show = {.style = RAIN_TABLE_TEXT};
	const char *from = NULL, *reason = "", *key = NULL;
	struct rain_error err;
	int64_t amount;
	int option;

	rain_cli_standard_options(argc, argv, help);
	while ((option = getopt_long(argc, argv, "f:r:k:" RAIN_SHOW_LETTERS, options, NULL)) != -1) {
		switch (option) {
		case 'f': from = optarg; break;
		case 'r': reason = optarg; break;
		case 'k': key = optarg; break;
		default:
			if (!rain_show_option(&show, option, optarg))
				return rain_cli_usage("wrong option");
		}
	}
	if (argc - optind != 2)
		return rain_cli_usage("an account and an amount are needed");
	if (rain_tokens_parse(argv[optind + 1], &amount, &err) < 0)
		return rain_cli_usage("%s", err.text);
	if (amount == 0)
		return rain_cli_usage("an amount above 0 is needed");
	return rain_show_order(&show,
			       json_pack("{s:s s:s* s:s s:I s:s}", "op", "transfer", "from", from,
					 "to", argv[optind], "amount_utok", (json_int_t)amount,
					 "reason", reason),
			       key);
}
