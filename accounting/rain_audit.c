// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "accounting/client.h"
#include "accounting/show.h"
#include "common/cli.h"

#define BLOCKS 10
/* rain-ledgerd lets nobody else wait meanwhile. */
#define CHECK_MS (3600 * 1000)

static const char help[] =
	"Usage: rain audit [OPTION]...\n"
	"Checks the ledger's history against the chain of hashes that seals it, and its\n"
	"balances against its history. Names each block in which something was changed,\n"
	"even by a superuser of the database; and the guards (triggers, constraints,\n"
	"rights, functions) that aren't as the migrations made them. For administrators of\n"
	"RAIN.\n"
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

static const struct rain_column guard_columns[] = {
	{"GUARD", "kind", RAIN_COLUMN_PLAIN},
	{"NAME", "object", RAIN_COLUMN_PLAIN},
	{"PROBLEM", "problem", RAIN_COLUMN_PLAIN},
	{NULL, NULL, RAIN_COLUMN_PLAIN},
};

struct audit {
	struct rain_show show;
	int64_t from, to, block; /* 0: none */
	const char *hash;	 /* that block had */
};

static bool is_sound(const json_t *answer)
{
	return json_array_size(json_object_get(answer, "guards")) == 0 &&
	       json_array_size(json_object_get(answer, "findings")) == 0 &&
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
	if (json_array_size(json_object_get(answer, "guards")) > 0)
		rain_show_rows(show, guard_columns, answer, "guards");
	if (json_is_false(json_object_get(answer, "known")))
		puts("That block does not have that hash: its history was rewritten.");
	if (show->style != RAIN_TABLE_TEXT)
		return is_sound(answer) ? RAIN_EXIT_OK : RAIN_EXIT_FAILURE;
	if (is_sound(answer))
		puts("History is what was sealed, the balances follow from it, and its guards are in place.");
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

/* A few blocks at a time: nobody knows how fast the machine is. -1 with *code and err. */
static int history_check(const struct audit *audit, int64_t last, json_t *findings, int *code,
			 struct rain_error *err)
{
	int64_t first = audit->from ? audit->from : 1;
	char what[48];

	snprintf(what, sizeof(what), "checking blocks up to %" PRId64, last);
	for (int64_t block = first; block <= last; block += BLOCKS) {
		int64_t to = block + BLOCKS - 1 < last ? block + BLOCKS - 1 : last;
		json_t *answer;

		rain_show_progress(what, block);
		answer = rain_client_call_within(audit->show.config,
						 json_pack("{s:s s:I s:I}", "op", "audit", "from",
							   (json_int_t)block, "to", (json_int_t)to),
						 CHECK_MS, code, err);
		if (!answer)
			return -1;
		json_array_extend(findings, json_object_get(answer, "findings"));
		json_decref(answer);
	}
	return 0;
}

/* {"head", "known", "findings", "violations", "guards"}. NULL with *code and err. */
static json_t *audit_make(const struct audit *audit, int *code, struct rain_error *err)
{
	json_t *request = json_pack("{s:s s:s*}", "op", "audit_head", "hash", audit->hash), *answer, *rest;
	json_t *findings = json_array();
	int64_t last;

	if (audit->block)
		json_object_set_new(request, "block", json_integer(audit->block));
	answer = rain_client_call(audit->show.config, request, code, err);
	last = json_integer_value(json_object_get(json_object_get(answer, "head"), "block_id"));
	if (audit->to && audit->to < last)
		last = audit->to;
	if (!answer || history_check(audit, last, findings, code, err) < 0) {
		json_decref(findings);
		json_decref(answer);
		return NULL;
	}
	json_object_set_new(answer, "findings", findings);
	rain_show_progress("checking balances of accounts and guards", 0);
	rest = rain_client_call_within(audit->show.config, json_pack("{s:s}", "op", "check"), CHECK_MS, code,
				       err);
	rain_show_progress(NULL, 0);
	if (!rest) {
		json_decref(answer);
		return NULL;
	}
	json_object_update(answer, rest);
	json_decref(rest);
	return answer;
}

/* 0, or the exit code of a wrong command line. */
static int read_options(struct audit *audit, int argc, char *argv[])
{
	static const struct option options[] = {{"from", required_argument, NULL, 'f'},
						{"to", required_argument, NULL, 't'},
						{"known", required_argument, NULL, 'k'},
						RAIN_SHOW_OPTIONS};
	int option;

	while ((option = getopt_long(argc, argv, "f:t:k:" RAIN_SHOW_LETTERS, options, NULL)) != -1) {
		size_t length = optarg ? strcspn(optarg, "=") : 0;
		int64_t block;

		if (rain_show_option(&audit->show, option, optarg))
			continue;
		block = optarg ? number(optarg, length) : 0;
		if (option == '?')
			return rain_cli_usage("wrong option");
		if (block == 0 || (option == 'k') != (optarg[length] == '='))
			return rain_cli_usage(option == 'k' ? "--known wants BLOCK=HASH"
							    : "blocks have numbers from 1 on");
		if (option == 'k') {
			audit->block = block;
			audit->hash = optarg + length + 1;
		} else {
			*(option == 't' ? &audit->to : &audit->from) = block;
		}
	}
	if (optind < argc)
		return rain_cli_usage("unexpected argument '%s'", argv[optind]);
	return 0;
}

int main(int argc, char *argv[])
{
	struct audit audit = {.show = {.style = RAIN_TABLE_TEXT}};
	struct rain_error err;
	json_t *answer;
	int code;

	rain_cli_standard_options(argc, argv, help);
	code = read_options(&audit, argc, argv);
	if (code != 0)
		return code;
	answer = audit_make(&audit, &code, &err);
	if (!answer) {
		rain_show_progress(NULL, 0);
		return rain_cli_fail(code, &err);
	}
	if (audit.show.json)
		rain_cli_print_json(answer);
	code = audit.show.json ? (is_sound(answer) ? RAIN_EXIT_OK : RAIN_EXIT_FAILURE)
			       : print(&audit.show, answer);
	json_decref(answer);
	return code;
}
