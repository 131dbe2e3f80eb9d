// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "accounting/client.h"
#include "accounting/show.h"
#include "common/cli.h"

static const char help[] =
	"Usage: rain audit [OPTION]...\n"
	"Checks the ledger's history against the chain of hashes that seals it, and its\n"
	"balances against its history. Names each block in which something was changed,\n"
	"even by a superuser of the database. For administrators of RAIN.\n"
	"\n"
	"Keep the hash that it prints somewhere else: who can rewrite all blocks can't\n"
	"rewrite that.\n"
	"\n"
	"  -f, --from BLOCK   from this block on (default: the first)\n"
	"  -t, --to BLOCK     up to this block (default: the last)\n"
	"  -k, --known BLOCK=HASH  block BLOCK had this HASH when you looked\n"
	RAIN_SHOW_HELP
	"\nExit codes: 0 history is what was sealed, 1 it isn't, or it failed, 2 wrong\n"
	"usage, 3 rain-ledgerd can't be reached.\n";

static const struct rain_column finding_columns[] = {
	{"BLOCK", "block_id", RAIN_COLUMN_NUMBER}, {"STREAM", "stream", RAIN_COLUMN_PLAIN},
	{"ROW", "seq", RAIN_COLUMN_NUMBER},	   {"PROBLEM", "problem", RAIN_COLUMN_PLAIN},
	{NULL, NULL, RAIN_COLUMN_PLAIN},
};
static const struct rain_column violation_columns[] = {
	{"VIOLATED", "invariant", RAIN_COLUMN_PLAIN}, {"OF", "subject", RAIN_COLUMN_PLAIN},
	{"EXPECTED", "expected", RAIN_COLUMN_NUMBER}, {"FOUND", "found", RAIN_COLUMN_NUMBER},
	{NULL, NULL, RAIN_COLUMN_PLAIN},
};

static bool is_sound(const json_t *answer)
{
	return json_array_size(json_object_get(answer, "findings")) == 0 &&
	       json_array_size(json_object_get(answer, "violations")) == 0 &&
	       !json_is_false(json_object_get(answer, "known"));
}

static int print(const struct rain_show *show, const json_t *answer)
{
	const json_t *head = json_object_get(answer, "head");
	struct rain_cells cells = {0};
	const char *hash = json_string_value(json_object_get(head, "hash"));

	if (json_array_size(json_object_get(answer, "findings")) > 0)
		rain_show_rows(show, finding_columns, answer, "findings");
	if (json_array_size(json_object_get(answer, "violations")) > 0)
		rain_show_rows(show, violation_columns, answer, "violations");
	if (json_is_false(json_object_get(answer, "known")))
		puts("That block does not have that hash: its history was rewritten.");
	if (show->style != RAIN_TABLE_TEXT)
		return is_sound(answer) ? RAIN_EXIT_OK : RAIN_EXIT_FAILURE;
	if (is_sound(answer))
		puts("History is what was sealed, and the balances follow from it.");
	if (hash)
		printf("The last block is %s=%s.\n", rain_cell_plain(&cells, head, "block_id"), hash);
	printf("%s transfers are not sealed yet.\n", rain_cell_plain(&cells, head, "unsealed"));
	return is_sound(answer) ? RAIN_EXIT_OK : RAIN_EXIT_FAILURE;
}

/* A number of digits only. 0 otherwise. */
static int64_t number(const char *text, size_t length)
{
	char *end;
	long long value = strtoll(text, &end, 10);

	return *text >= '0' && *text <= '9' && (size_t)(end - text) == length ? value : 0;
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {{"from", required_argument, NULL, 'f'},
						{"to", required_argument, NULL, 't'},
						{"known", required_argument, NULL, 'k'},
						RAIN_SHOW_OPTIONS};
	struct rain_show show = {.style = RAIN_TABLE_TEXT};
	json_t *request = json_pack("{s:s}", "op", "audit"), *answer;
	struct rain_error err;
	int option, code;

	rain_cli_standard_options(argc, argv, help);
	while ((option = getopt_long(argc, argv, "f:t:k:" RAIN_SHOW_LETTERS, options, NULL)) != -1) {
		size_t length = optarg ? strcspn(optarg, "=") : 0;

		if (rain_show_option(&show, option, optarg))
			continue;
		if (option == '?' || number(optarg, length) == 0 ||
		    (option == 'k') != (optarg[length] == '='))
			return rain_cli_usage("wrong option");
		json_object_set_new(request, option == 't' ? "to" : "from",
				    json_integer(number(optarg, length)));
		if (option == 'k')
			json_object_set_new(request, "hash", json_string(optarg + length + 1));
	}
	if (optind < argc)
		return rain_cli_usage("unexpected argument '%s'", argv[optind]);
	answer = rain_client_call(show.config, request, &code, &err);
	if (!answer)
		return rain_cli_fail(code, &err);
	if (show.json)
		rain_cli_print_json(answer);
	code = show.json ? (is_sound(answer) ? RAIN_EXIT_OK : RAIN_EXIT_FAILURE) : print(&show, answer);
	json_decref(answer);
	return code;
}
