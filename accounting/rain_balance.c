// SPDX-License-Identifier: GPL-2.0-or-later
#include <getopt.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "accounting/client.h"
#include "common/cli.h"
#include "common/table.h"

static const char help[] =
	"Usage: rain balance [OPTION]... [ACCOUNT]\n"
	"Shows how many tokens you have. Administrators may name any account (a user,\n"
	"peer:NAME, system:NAME) or say --all.\n"
	"\n"
	"  BALANCE    what is booked\n"
	"  HELD       set aside for jobs that run elsewhere now\n"
	"  AVAILABLE  what can be spent: balance and credit limit less what is held\n"
	"  LIMIT      how far the account may go below zero (peers)\n"
	"\n"
	"  -a, --all          all accounts\n"
	"  -j, --json         JSON, amounts in micro-tokens: the account itself, or\n"
	"                     {\"accounts\": [...]} with --all\n"
	"      --csv          comma-separated values\n"
	"  -P, --parsable2    '|' between the fields\n"
	"  -c, --config FILE  configuration of RAIN\n"
	"  -h, --help         show this text\n"
	"  -V, --version      show the version\n"
	"\n"
	"Exit codes: 0 fine, 1 refused or failed, 2 wrong usage, 3 rain-ledgerd can't\n"
	"be reached.\n";

static int print(const json_t *answer, enum rain_table_style style)
{
	static const char *const headers[] = {"ACCOUNT", ">BALANCE", ">HELD", ">AVAILABLE", ">LIMIT",
					      NULL};
	struct rain_table *table = rain_table_create(headers);
	struct rain_cells cells = {0};
	const json_t *row;
	int rc = table ? 0 : -1;
	size_t i;

	json_array_foreach(json_object_get(answer, "accounts"), i, row) {
		const char *const line[] = {
			rain_cell_plain(&cells, row, "account"),
			rain_cell_tokens(&cells, row, "balance_utok"),
			rain_cell_tokens(&cells, row, "held_utok"),
			rain_cell_tokens(&cells, row, "available_utok"),
			rain_cell_tokens(&cells, row, "credit_limit_utok"),
		};

		if (rc == 0)
			rc = rain_table_add(table, line);
		rain_cells_reset(&cells);
	}
	if (rc == 0)
		rain_table_print(table, style, stdout);
	rain_table_destroy(table);
	return rc;
}

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

int main(int argc, char *argv[])
{
	static const struct option options[] = {
		{"all", no_argument, NULL, 'a'},	 {"json", no_argument, NULL, 'j'},
		{"csv", no_argument, NULL, 'C'},	 {"parsable2", no_argument, NULL, 'P'},
		{"config", required_argument, NULL, 'c'}, {NULL, 0, NULL, 0},
	};
	enum rain_table_style style = RAIN_TABLE_TEXT;
	const char *config = NULL, *account = NULL;
	struct rain_error err;
	bool json = false, all = false;
	int option, code;
	json_t *answer;

	rain_cli_standard_options(argc, argv, help);
	while ((option = getopt_long(argc, argv, "ajPc:", options, NULL)) != -1) {
		switch (option) {
		case 'a': all = true; break;
		case 'j': json = true; break;
		case 'C': style = RAIN_TABLE_CSV; break;
		case 'P': style = RAIN_TABLE_PARSABLE2; break;
		case 'c': config = optarg; break;
		default: return rain_cli_usage("wrong option");
		}
	}
	if (argc - optind > (all ? 0 : 1))
		return rain_cli_usage("unexpected argument '%s'", argv[argc - 1]);
	account = all ? "all" : argv[optind]; /* NULL at the end of argv: one's own */
	all = account && strcmp(account, "all") == 0;
	answer = rain_client_call(config, json_pack("{s:s s:s*}", "op", "balance", "account", account),
				  &code, &err);
	if (!answer)
		return rain_cli_fail(code, &err);
	code = RAIN_EXIT_OK;
	if (json) {
		print_json(answer, all);
	} else if (print(answer, style) < 0) {
		rain_error_set(&err, "no memory for the table");
		code = rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	} else {
		rain_client_print_notes(answer);
	}
	json_decref(answer);
	return code;
}
