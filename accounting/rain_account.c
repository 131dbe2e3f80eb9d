// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "accounting/client.h"
#include "accounting/show.h"
#include "common/cli.h"
#include "common/tokens.h"

static const char help[] =
	"Usage: rain account [list]\n"
	"       rain account add PROJECT [--parent PROJECT]\n"
	"       rain account member PROJECT USER [--coordinator | --remove]\n"
	"       rain account default [ACCOUNT]\n"
	"       rain account limit ACCOUNT AMOUNT [--reason TEXT]\n"
	"Accounts of the ledger. You see your own and those of your projects;\n"
	"administrators of RAIN see all.\n"
	"\n"
	"  list       accounts and what they have (default)\n"
	"  add        makes a project, with tokens of its own; below a project that you\n"
	"             coordinate, or anywhere for administrators\n"
	"  member     who may spend from a project; for its coordinators\n"
	"  default    what pays for your jobs: a project of yours, or you (default)\n"
	"  limit      how far an account may go below zero, for administrators\n"
	"\n"
	"  -p, --parent PROJECT  the project above\n"
	"  -o, --coordinator     may also move its tokens and choose its members\n"
	"  -x, --remove          is no longer in it\n"
	"  -r, --reason TEXT     why, kept in the ledger\n"
	RAIN_SHOW_HELP RAIN_SHOW_EXIT;

static const struct rain_column columns[] = {
	{"ACCOUNT", "account", RAIN_COLUMN_PLAIN},
	{"PARENT", "parent", RAIN_COLUMN_PLAIN},
	{"ROLE", "role", RAIN_COLUMN_PLAIN},
	{"BALANCE", "balance_utok", RAIN_COLUMN_TOKENS},
	{"HELD", "held_utok", RAIN_COLUMN_TOKENS},
	{"AVAILABLE", "available_utok", RAIN_COLUMN_TOKENS},
	{"LIMIT", "credit_limit_utok", RAIN_COLUMN_TOKENS},
	{NULL, NULL, RAIN_COLUMN_PLAIN},
};

struct order {
	const char *parent, *role, *reason;
	bool remove;
};

static int list(const struct rain_show *show)
{
	struct rain_error err;
	int code;
	json_t *answer = rain_client_call(show->config, json_pack("{s:s}", "op", "accounts"), &code, &err);

	if (!answer)
		return rain_cli_fail(code, &err);
	code = rain_show_rows(show, columns, answer, "rows");
	json_decref(answer);
	return code;
}

static int limit(const struct rain_show *show, const struct order *order, const char *account,
		 const char *amount)
{
	struct rain_error err;
	int64_t micro;

	if (rain_tokens_parse(amount, &micro, &err) < 0)
		return rain_cli_usage("%s", err.text);
	return rain_show_call(show,
			      json_pack("{s:s s:s s:I s:s*}", "op", "account_limit", "account", account,
					"limit_utok", (json_int_t)micro, "reason", order->reason));
}

static int run(const struct rain_show *show, const struct order *order, int argc, char *argv[])
{
	const char *verb = argc > 0 ? argv[0] : "list";

	if (strcmp(verb, "list") == 0 && argc <= 1)
		return list(show);
	if (strcmp(verb, "add") == 0 && argc == 2)
		return rain_show_call(show, json_pack("{s:s s:s s:s*}", "op", "account_add", "project",
						      argv[1], "parent", order->parent));
	if (strcmp(verb, "member") == 0 && argc == 3)
		return rain_show_call(show,
				      json_pack("{s:s s:s s:s s:s*}", "op", "account_member", "project",
						argv[1], "user", argv[2], "role",
						order->remove ? NULL : order->role));
	if (strcmp(verb, "default") == 0 && argc <= 2)
		return rain_show_call(show, json_pack("{s:s s:s*}", "op", "account_default", "account",
						      argv[1]));
	if (strcmp(verb, "limit") == 0 && argc == 3)
		return limit(show, order, argv[1], argv[2]);
	return rain_cli_usage("say list, add, member, default or limit, and what it needs");
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {{"parent", required_argument, NULL, 'p'},
						{"coordinator", no_argument, NULL, 'o'},
						{"remove", no_argument, NULL, 'x'},
						{"reason", required_argument, NULL, 'r'},
						RAIN_SHOW_OPTIONS};
	struct rain_show show = {.style = RAIN_TABLE_TEXT};
	struct order order = {.role = "member"};
	int option;

	rain_cli_standard_options(argc, argv, help);
	while ((option = getopt_long(argc, argv, "p:oxr:" RAIN_SHOW_LETTERS, options, NULL)) != -1) {
		switch (option) {
		case 'p': order.parent = optarg; break;
		case 'o': order.role = "coordinator"; break;
		case 'x': order.remove = true; break;
		case 'r': order.reason = optarg; break;
		default:
			if (!rain_show_option(&show, option, optarg))
				return rain_cli_usage("wrong option");
		}
	}
	return run(&show, &order, argc - optind, argv + optind);
}
