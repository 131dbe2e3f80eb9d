// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>

#include "accounting/client.h"
#include "accounting/show.h"
#include "common/cli.h"

static const char help[] =
	"Usage: rain balance [OPTION]... [ACCOUNT]\n"
	"Shows how many tokens you have. Administrators may name any account (a user,\n"
	"project:NAME, peer:NAME, system:NAME) or say --all; others their projects.\n"
	"\n"
	"  BALANCE    what is booked\n"
	"  HELD       set aside for jobs that run elsewhere now\n"
	"  AVAILABLE  what can be spent: balance and credit limit less what is held\n"
	"  LIMIT      how far the account may go below zero (peers)\n"
	"\n"
	"  -a, --all          all accounts\n"
	"  -l, --lots         the grants that the tokens are of, with what is left of each\n"
	"                     and when that ends, in the order in which they are spent\n"
	RAIN_SHOW_HELP RAIN_SHOW_EXIT;

static const struct rain_column account_columns[] = {
	{"ACCOUNT", "account", RAIN_COLUMN_PLAIN},
	{"BALANCE", "balance_utok", RAIN_COLUMN_TOKENS},
	{"HELD", "held_utok", RAIN_COLUMN_TOKENS},
	{"AVAILABLE", "available_utok", RAIN_COLUMN_TOKENS},
	{"LIMIT", "credit_limit_utok", RAIN_COLUMN_TOKENS},
	{NULL, NULL, RAIN_COLUMN_PLAIN},
};
static const struct rain_column lot_columns[] = {
	{"LEFT", "remaining_utok", RAIN_COLUMN_TOKENS},
	{"OF", "amount_utok", RAIN_COLUMN_TOKENS},
	{"STARTS", "starts", RAIN_COLUMN_TIME},
	{"ENDS", "ends", RAIN_COLUMN_TIME},
	{"SPENT", "spent_utok", RAIN_COLUMN_TOKENS},
	{"EXPIRED", "expired_utok", RAIN_COLUMN_TOKENS},
	{"REASON", "reason", RAIN_COLUMN_PLAIN},
	{NULL, NULL, RAIN_COLUMN_PLAIN},
};

/* One account needs no list around it. */
static void print_json(const json_t *answer, bool all)
{
	json_t *account = json_array_get(json_object_get(answer, "accounts"), 0);

	if (all || !account) {
		rain_cli_print_json(answer);
		return;
	}
	json_object_set(account, "notes", json_object_get(answer, "notes"));
	rain_cli_print_json(account);
}

static int run(const struct rain_show *show, const char *account, bool lots)
{
	bool all = account && strcmp(account, "all") == 0;
	struct rain_error err;
	int code;
	json_t *answer = rain_client_call(show->config,
					  json_pack("{s:s s:s*}", "op", lots ? "lots" : "balance", "account",
						    account), &code, &err);

	if (!answer)
		return rain_cli_fail(code, &err);
	code = RAIN_EXIT_OK;
	if (lots)
		code = rain_show_rows(show, lot_columns, answer, "rows");
	else if (show->json)
		print_json(answer, all);
	else
		code = rain_show_rows(show, account_columns, answer, "accounts");
	json_decref(answer);
	return code;
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {{"all", no_argument, NULL, 'a'},
						{"lots", no_argument, NULL, 'l'}, RAIN_SHOW_OPTIONS};
	struct rain_show show = {.style = RAIN_TABLE_TEXT};
	bool all = false, lots = false;
	int option;

	rain_cli_standard_options(argc, argv, help);
	while ((option = getopt_long(argc, argv, "al" RAIN_SHOW_LETTERS, options, NULL)) != -1) {
		if (option == 'a')
			all = true;
		else if (option == 'l')
			lots = true;
		else if (!rain_show_option(&show, option, optarg))
			return rain_cli_usage("wrong option");
	}
	if (argc - optind > (all ? 0 : 1))
		return rain_cli_usage("unexpected argument '%s'", argv[argc - 1]);
	if (all && lots)
		return rain_cli_usage("--lots is of one account");
	/* NULL at the end of argv: one's own */
	return run(&show, all ? "all" : argv[optind], lots);
}
