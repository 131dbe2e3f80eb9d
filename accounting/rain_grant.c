// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include "accounting/client.h"
#include "accounting/period.h"
#include "accounting/show.h"
#include "common/cli.h"
#include "common/clock.h"
#include "common/tokens.h"

static const char help[] =
	"Usage: rain grant [OPTION]... ACCOUNT AMOUNT\n"
	"Gives tokens to a user, to project:NAME or to system:commons. For administrators\n"
	"of RAIN. AMOUNT is in tokens, with at most six decimals: 10 or 2.5\n"
	"\n"
	"  -s, --starts TIME  they can be spent from this time on (default: now)\n"
	"  -e, --ends TIME    what is left of them then expires (default: never); tokens\n"
	"                     that end first are spent first. rain balance --lots shows them\n"
	"  -r, --reason TEXT  why, kept in the ledger\n"
	"  -k, --key UUID     makes the grant repeatable: the same key again grants\n"
	"                     nothing more (default: a fresh one, which you are told when\n"
	"                     nobody knows whether the tokens were granted)\n"
	RAIN_SHOW_HELP
	"\nTIME: YYYY-MM-DD or YYYY-MM-DDTHH:MM[:SS], in the local time zone, or in UTC with\n"
	"--utc.\n"
	RAIN_SHOW_EXIT;

struct grant {
	struct rain_show show;
	const char *starts_text, *ends_text, *reason, *key;
	int64_t starts, ends; /* 0: none */
	int64_t amount;
};

static void print(const struct grant *grant, const json_t *answer, const json_t *balance)
{
	const char *outcome = json_string_value(json_object_get(answer, "outcome"));
	const char *account = json_string_value(json_object_get(answer, "account"));
	struct rain_cells cells = {0};
	char text[RAIN_TOKENS_TEXT_SIZE], when[RAIN_PERIOD_TEXT_SIZE];

	rain_tokens_format(grant->amount, text);
	if (strcmp(outcome, "exists") == 0)
		puts("This grant had been made before; nothing is added.");
	else if (strcmp(outcome, "scheduled") == 0)
		printf("%s tokens will be granted to %s on %s.\n", text, account,
		       rain_period_format(grant->starts, when));
	else
		printf("%s tokens granted to %s.\n", text, account);
	if (grant->ends)
		printf("What is left of them on %s expires.\n", rain_period_format(grant->ends, when));
	if (balance)
		printf("%s has %s tokens.\n", account,
		       rain_cell_tokens(&cells, balance, "balance_utok"));
}

/* What the account has now: worth telling, but no reason to fail. */
static json_t *balance_of(const struct grant *grant, const char *account)
{
	struct rain_error err;
	int code;
	json_t *answer, *row;

	answer = rain_client_call(grant->show.config,
				  json_pack("{s:s s:s*}", "op", "balance", "account", account), &code, &err);
	if (!answer)
		fprintf(stderr, "note: the balance can't be told: %s\n", err.text);
	row = json_incref(json_array_get(json_object_get(answer, "accounts"), 0));
	json_decref(answer);
	return row;
}

static int run(const struct grant *grant, const char *account)
{
	json_t *request = json_pack("{s:s s:s s:I s:s}", "op", "grant", "account", account, "amount_utok",
				    (json_int_t)grant->amount, "reason", grant->reason);
	struct rain_error err;
	json_t *answer, *balance;
	int code;

	if (grant->starts)
		json_object_set_new(request, "starts", json_integer(grant->starts));
	if (grant->ends)
		json_object_set_new(request, "ends", json_integer(grant->ends));
	answer = rain_client_order(grant->show.config, request, grant->key, &code, &err);
	if (!answer)
		return rain_cli_fail(code, &err);
	balance = balance_of(grant, json_string_value(json_object_get(answer, "account")));
	if (grant->show.json) {
		json_object_set_new(answer, "accounts", balance ? json_pack("[O]", balance) : json_array());
		rain_cli_print_json(answer);
	} else {
		print(grant, answer, balance);
	}
	json_decref(balance);
	json_decref(answer);
	return RAIN_EXIT_OK;
}

/* --starts and --ends, when all options are known. 0 or the exit code. */
static int read_times(struct grant *grant)
{
	int64_t now = rain_clock_realtime_ms() / 1000;
	struct rain_error err;

	if (grant->starts_text && rain_period_parse(grant->starts_text, now, &grant->starts, &err) < 0)
		return rain_cli_usage("--starts: %s", err.text);
	if (grant->ends_text && rain_period_parse(grant->ends_text, now, &grant->ends, &err) < 0)
		return rain_cli_usage("--ends: %s", err.text);
	return 0;
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {{"starts", required_argument, NULL, 's'},
						{"ends", required_argument, NULL, 'e'},
						{"reason", required_argument, NULL, 'r'},
						{"key", required_argument, NULL, 'k'},
						RAIN_SHOW_OPTIONS};
	struct grant grant = {.show = {.style = RAIN_TABLE_TEXT}, .reason = ""};
	struct rain_error err;
	int option, code;

	rain_cli_standard_options(argc, argv, help);
	while ((option = getopt_long(argc, argv, "s:e:r:k:" RAIN_SHOW_LETTERS, options, NULL)) != -1) {
		switch (option) {
		case 's': grant.starts_text = optarg; break;
		case 'e': grant.ends_text = optarg; break;
		case 'r': grant.reason = optarg; break;
		case 'k': grant.key = optarg; break;
		default:
			if (!rain_show_option(&grant.show, option, optarg))
				return rain_cli_usage("wrong option");
		}
	}
	if (argc - optind != 2)
		return rain_cli_usage("an account and an amount are needed");
	if (rain_tokens_parse(argv[optind + 1], &grant.amount, &err) < 0)
		return rain_cli_usage("%s", err.text);
	if (grant.amount == 0)
		return rain_cli_usage("an amount above 0 is needed");
	code = read_times(&grant);
	return code != 0 ? code : run(&grant, argv[optind]);
}
