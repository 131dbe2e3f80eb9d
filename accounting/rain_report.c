// SPDX-License-Identifier: GPL-2.0-or-later
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accounting/client.h"
#include "accounting/period.h"
#include "common/cli.h"
#include "common/clock.h"
#include "common/table.h"

static const char help[] =
	"Usage: rain report [OPTION]...\n"
	"Shows what ended jobs used and what was charged for them. Users see their own\n"
	"jobs, administrators of RAIN see all.\n"
	"\n"
	"  -b, --by KEY       one line for each user (default), account, partition,\n"
	"                     place (home, overflow, guest) or job\n"
	"  -S, --since TIME   jobs that ended at TIME or later (default: month)\n"
	"  -E, --until TIME   and before TIME (default: now)\n"
	"  -u, --user NAME    only this user's jobs\n"
	"  -j, --json         JSON; amounts in micro-tokens, times in epoch seconds\n"
	"      --csv          comma-separated values\n"
	"  -P, --parsable2    '|' between the fields\n"
	"  -c, --config FILE  configuration of RAIN\n"
	"  -h, --help         show this text\n"
	"  -V, --version      show the version\n"
	"\n"
	"TIME: YYYY-MM-DD, YYYY-MM-DDTHH:MM[:SS], now, today, yesterday, month (its\n"
	"first day), -12h, -7d, -4w; in the local time zone.\n"
	"UNPAID is the part of a price that the user's tokens did not cover.\n"
	"\n"
	"Exit codes: 0 fine, 1 refused or failed, 2 wrong usage, 3 rain-ledgerd can't\n"
	"be reached.\n";

struct report {
	const char *config, *by, *user;
	int64_t since, until;
	bool json;
	enum rain_table_style style;
};

/* All pages in one answer: {"rows", "notes"}. NULL with *code and err. */
static json_t *fetch(const struct report *report, int *code, struct rain_error *err)
{
	int64_t until = report->until, until_run = 0;
	json_t *all = NULL, *page;
	bool more;

	do {
		json_t *last;

		page = rain_client_call(report->config,
					json_pack("{s:s s:s s:s s:I s:I s:I s:s*}", "op", "report",
						  "kind", "usage", "by", report->by, "since",
						  (json_int_t)report->since, "until",
						  (json_int_t)until, "until_run",
						  (json_int_t)until_run, "user", report->user),
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
		last = json_object_get(all, "rows");
		last = json_array_get(last, json_array_size(last) - 1);
		until = json_integer_value(json_object_get(last, "end_time"));
		until_run = json_integer_value(json_object_get(last, "job_run_id"));
	} while (more);
	json_object_del(all, "more");
	return all;
}

static int add_job(struct rain_table *table, struct rain_cells *cells, const json_t *row)
{
	const char *const line[] = {
		rain_cell_plain(cells, row, "slurm_job_id"),
		rain_cell_plain(cells, row, "user_name"),
		rain_cell_plain(cells, row, "account"),
		rain_cell_plain(cells, row, "partition"),
		rain_cell_plain(cells, row, "job_name"),
		rain_cell_plain(cells, row, "state"),
		rain_cell_plain(cells, row, "exit_code"),
		rain_cell_time(cells, row, "start_time"),
		rain_cell_time(cells, row, "end_time"),
		rain_cell_plain(cells, row, "nodes"),
		rain_cell_plain(cells, row, "cpus"),
		rain_cell_core_hours(cells, row, "core_ms"),
		rain_cell_tokens(cells, row, "charged_utok"),
		rain_cell_tokens(cells, row, "unpaid_utok"),
	};

	return rain_table_add(table, line);
}

static int add_sum(struct rain_table *table, struct rain_cells *cells, const json_t *row)
{
	const char *key = rain_cell_plain(cells, row, "key");
	const char *const line[] = {
		key[0] ? key : "(none)",
		rain_cell_plain(cells, row, "runs"),
		rain_cell_core_hours(cells, row, "core_ms"),
		rain_cell_tokens(cells, row, "charged_utok"),
		rain_cell_tokens(cells, row, "unpaid_utok"),
	};

	return rain_table_add(table, line);
}

static struct rain_table *make_table(const struct report *report)
{
	static const char *const job_headers[] = {
		"JOBID", "USER", "ACCOUNT", "PARTITION", "NAME", "STATE", ">EXIT", "START", "END",
		"NODELIST", ">CPUS", ">CORE-HOURS", ">TOKENS", ">UNPAID", NULL};
	char title[16];
	size_t i;

	if (strcmp(report->by, "job") == 0)
		return rain_table_create(job_headers);
	for (i = 0; report->by[i] && i < sizeof(title) - 1; i++)
		title[i] = (char)(report->by[i] - 'a' + 'A');
	title[i] = '\0';

	const char *const headers[] = {title, ">RUNS", ">CORE-HOURS", ">TOKENS", ">UNPAID", NULL};

	return rain_table_create(headers);
}

static int print(const struct report *report, const json_t *answer)
{
	char since[RAIN_PERIOD_TEXT_SIZE], until[RAIN_PERIOD_TEXT_SIZE];
	struct rain_table *table = make_table(report);
	struct rain_cells cells = {0};
	const json_t *row;
	int rc = table ? 0 : -1;
	size_t i;

	json_array_foreach(json_object_get(answer, "rows"), i, row) {
		if (rc == 0)
			rc = strcmp(report->by, "job") == 0 ? add_job(table, &cells, row)
							     : add_sum(table, &cells, row);
		rain_cells_reset(&cells);
	}
	if (rc == 0 && report->style == RAIN_TABLE_TEXT)
		printf("Jobs that ended from %s until %s\n\n",
		       rain_period_format(report->since, since),
		       rain_period_format(report->until, until));
	if (rc == 0)
		rain_table_print(table, report->style, stdout);
	rain_table_destroy(table);
	return rc;
}

static bool is_key(const char *by)
{
	static const char *const keys[] = {"user", "account", "partition", "place", "job"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(by, keys[i]) == 0)
			return true;
	return false;
}

/* 0, or the exit code of a wrong command line. */
static int read_options(struct report *report, int argc, char *argv[])
{
	static const struct option options[] = {
		{"by", required_argument, NULL, 'b'},	{"since", required_argument, NULL, 'S'},
		{"until", required_argument, NULL, 'E'}, {"user", required_argument, NULL, 'u'},
		{"json", no_argument, NULL, 'j'},	{"csv", no_argument, NULL, 'C'},
		{"parsable2", no_argument, NULL, 'P'},	{"config", required_argument, NULL, 'c'},
		{NULL, 0, NULL, 0},
	};
	const char *since = "month", *until = "now";
	int64_t now = rain_clock_realtime_ms() / 1000;
	struct rain_error err;
	int option;

	while ((option = getopt_long(argc, argv, "b:S:E:u:jPc:", options, NULL)) != -1) {
		switch (option) {
		case 'b': report->by = optarg; break;
		case 'S': since = optarg; break;
		case 'E': until = optarg; break;
		case 'u': report->user = optarg; break;
		case 'j': report->json = true; break;
		case 'C': report->style = RAIN_TABLE_CSV; break;
		case 'P': report->style = RAIN_TABLE_PARSABLE2; break;
		case 'c': report->config = optarg; break;
		default: return rain_cli_usage("wrong option");
		}
	}
	if (optind < argc)
		return rain_cli_usage("unexpected argument '%s'", argv[optind]);
	if (!is_key(report->by))
		return rain_cli_usage("--by %s: allowed is user, account, partition, place or job",
				      report->by);
	if (rain_period_parse(since, now, &report->since, &err) < 0)
		return rain_cli_usage("--since: %s", err.text);
	/* A job that ended within this very second counts as ended by now. */
	if (rain_period_parse(until, now + 1, &report->until, &err) < 0)
		return rain_cli_usage("--until: %s", err.text);
	if (report->until <= report->since)
		return rain_cli_usage("the time ends before it begins");
	return 0;
}

int main(int argc, char *argv[])
{
	struct report report = {.by = "user", .style = RAIN_TABLE_TEXT};
	struct rain_error err;
	json_t *answer;
	int code;

	rain_cli_standard_options(argc, argv, help);
	code = read_options(&report, argc, argv);
	if (code != 0)
		return code;
	answer = fetch(&report, &code, &err);
	if (!answer)
		return rain_cli_fail(code, &err);
	code = RAIN_EXIT_OK;
	if (report.json) {
		json_object_set_new(answer, "since", json_integer(report.since));
		json_object_set_new(answer, "until", json_integer(report.until));
		rain_cli_print_json(answer);
	} else if (print(&report, answer) < 0) {
		rain_error_set(&err, "no memory for the table");
		code = rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	} else {
		rain_client_print_notes(answer);
	}
	json_decref(answer);
	return code;
}
