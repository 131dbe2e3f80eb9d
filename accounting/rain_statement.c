// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include "accounting/client.h"
#include "accounting/show.h"
#include "common/cli.h"

static const char help[] =
	"Usage: rain statement [OPTION]... [ACCOUNT]\n"
	"Shows what came into an account and went out of it, with the balance after each\n"
	"line: your own, that of a project you coordinate (project:NAME), or, for\n"
	"administrators, any.\n"
	"\n"
	"  -S, --since TIME   from this time on (default: month)\n"
	"  -E, --until TIME   before this time (default: now)\n"
	RAIN_SHOW_HELP RAIN_SHOW_TIMES RAIN_SHOW_EXIT;

/* All pages in one answer. NULL with *code and err. */
static json_t *fetch(const struct rain_show *show, const char *account, int64_t since,
		     int64_t until, int *code, struct rain_error *err)
{
	json_t *all = NULL, *page;
	int64_t after = 0;
	bool more;

	do {
		json_t *rows;

		page = rain_client_call(show->config,
					json_pack("{s:s s:s* s:I s:I s:I}", "op", "statement", "account",
						  account, "since", (json_int_t)since, "until",
						  (json_int_t)until, "after", (json_int_t)after),
					code, err);
		if (!page) {
			json_decref(all);
			return NULL;
		}
		more = json_is_true(json_object_get(page, "more"));
		if (!all) {
			all = page;
		} else {
			json_array_extend(json_object_get(all, "rows"), json_object_get(page, "rows"));
			json_decref(page);
		}
		rows = json_object_get(all, "rows");
		if (more)
			rain_show_progress("lines read", (int64_t)json_array_size(rows));
		after = json_integer_value(json_object_get(
			json_array_get(rows, json_array_size(rows) - 1), "transfer_id"));
	} while (more);
	rain_show_progress(NULL, 0);
	json_object_del(all, "more");
	return all;
}

static void print_totals(const json_t *answer)
{
	static const char *const keys[] = {"opening_utok", "credited_utok", "debited_utok",
					   "closing_utok"};
	static const char *const names[] = {"Opening balance", "In", "Out", "Closing balance"};
	struct rain_cells cells = {0};

	putchar('\n');
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		printf("%-16s %20s\n", names[i], rain_cell_tokens(&cells, answer, keys[i]));
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {{"since", required_argument, NULL, 'S'},
						{"until", required_argument, NULL, 'E'},
						RAIN_SHOW_OPTIONS};
	static const struct rain_column columns[] = {
		{"TIME", "at", RAIN_COLUMN_WHEN},
		{"WHAT", "code", RAIN_COLUMN_PLAIN},
		{"JOB", "slurm_job_id", RAIN_COLUMN_NUMBER},
		{"WITH", "other", RAIN_COLUMN_PLAIN},
		{"AMOUNT", "amount_utok", RAIN_COLUMN_TOKENS},
		{"BALANCE", "balance_utok", RAIN_COLUMN_TOKENS},
		{"REASON", "reason", RAIN_COLUMN_PLAIN},
		{NULL, NULL, RAIN_COLUMN_PLAIN},
	};
	struct rain_show show = {.style = RAIN_TABLE_TEXT};
	const char *since_text = "month", *until_text = "now";
	int64_t since, until;
	struct rain_error err;
	char title[128];
	json_t *answer;
	int option, code;

	rain_cli_standard_options(argc, argv, help);
	while ((option = getopt_long(argc, argv, "S:E:" RAIN_SHOW_LETTERS, options, NULL)) != -1) {
		if (option == 'S')
			since_text = optarg;
		else if (option == 'E')
			until_text = optarg;
		else if (!rain_show_option(&show, option, optarg))
			return rain_cli_usage("wrong option");
	}
	if (argc - optind > 1)
		return rain_cli_usage("unexpected argument '%s'", argv[argc - 1]);
	if (rain_show_period(since_text, until_text, &since, &until, &err) < 0)
		return rain_cli_usage("%s", err.text);
	answer = fetch(&show, argv[optind], since, until, &code, &err);
	if (!answer)
		return rain_cli_fail(code, &err);
	snprintf(title, sizeof(title), "%s",
		 json_string_value(json_object_get(answer, "account")));
	rain_show_heading(&show, title, since, until);
	code = rain_show_rows(&show, columns, answer, "rows");
	if (code == RAIN_EXIT_OK && !show.json && show.style == RAIN_TABLE_TEXT)
		print_totals(answer);
	json_decref(answer);
	return code;
}
