// SPDX-License-Identifier: GPL-2.0-or-later
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "accounting/client.h"
#include "common/cli.h"
#include "common/clock.h"
#include "common/table.h"

static const char help[] =
	"Usage: rain ledger [OPTION]... [status | rejected | replay [FILE] | check | metrics]\n"
	"How the ledger fares.\n"
	"\n"
	"  status         records that wait, and since when; records put aside (default)\n"
	"  rejected       the records put aside, and why\n"
	"  replay [FILE]  tries all of them again, or one\n"
	"  check          lets the ledger check its invariants and guards; exit code 1 when\n"
	"                 one is violated (minutes, when there are millions of runs)\n"
	"  metrics        OpenMetrics text\n"
	"\n"
	"All but status are for administrators of RAIN.\n"
	"\n"
	"  -j, --json         JSON\n"
	"  -c, --config FILE  configuration of RAIN\n"
	"  -h, --help         show this text\n"
	"  -V, --version      show the version\n"
	"\n"
	"Exit codes: 0 fine, 1 refused or failed, 2 wrong usage, 3 rain-ledgerd can't\n"
	"be reached.\n";

static int64_t number(const json_t *answer, const char *key)
{
	return (int64_t)json_integer_value(json_object_get(answer, key));
}

static int print_status(const json_t *answer)
{
	int64_t waiting = number(answer, "waiting"), commits = number(answer, "commits");
	int64_t age = (rain_clock_realtime_ms() - number(answer, "oldest_ms")) / 1000;

	printf("%" PRId64 " job records wait in %s", waiting,
	       json_string_value(json_object_get(answer, "spool")));
	if (json_is_integer(json_object_get(answer, "oldest_ms")))
		printf(", the oldest for %" PRId64 " s", age < 0 ? 0 : age);
	printf(".\n%" PRId64 " are put aside%s.\n", number(answer, "rejected"),
	       number(answer, "rejected") > 0 ? ": see rain ledger rejected" : "");
	printf("%" PRId64 " are booked since the start", number(answer, "recorded"));
	if (commits > 0)
		printf(", a transaction took %.1f ms on average",
		       (double)number(answer, "commit_us") / 1000.0 / (double)commits);
	printf(".\n");
	if (!json_is_true(json_object_get(answer, "database")))
		printf("The database or the spool can't be used just now; nothing is lost.\n");
	return RAIN_EXIT_OK;
}

/* Rows as a table. 0 or -1. */
static int print_rows(const json_t *rows, const char *const headers[], const char *const keys[],
		      size_t columns, size_t time_column)
{
	struct rain_table *table = rain_table_create(headers);
	struct rain_cells cells = {0};
	const json_t *row;
	int rc = table ? 0 : -1;
	size_t i;

	json_array_foreach(rows, i, row) {
		const char *line[8];

		for (size_t k = 0; k < columns; k++)
			line[k] = k == time_column ? rain_cell_time(&cells, row, keys[k])
						   : rain_cell_plain(&cells, row, keys[k]);
		if (rc == 0)
			rc = rain_table_add(table, line);
		rain_cells_reset(&cells);
	}
	if (rc == 0)
		rain_table_print(table, RAIN_TABLE_TEXT, stdout);
	rain_table_destroy(table);
	return rc;
}

static int print_rejected(const json_t *answer)
{
	static const char *const headers[] = {"SINCE", "FILE", "REASON", NULL};
	static const char *const keys[] = {"since", "file", "reason"};
	const json_t *rows = json_object_get(answer, "rejected");

	if (json_array_size(rows) == 0) {
		puts("No job record is put aside.");
		return RAIN_EXIT_OK;
	}
	return print_rows(rows, headers, keys, 3, 0) == 0 ? RAIN_EXIT_OK : RAIN_EXIT_FAILURE;
}

static int print_replay(const json_t *answer)
{
	printf("%" PRId64 " records are tried again.\n", number(answer, "replayed"));
	return RAIN_EXIT_OK;
}

static bool is_sound(const json_t *answer)
{
	return json_array_size(json_object_get(answer, "violations")) == 0 &&
	       json_array_size(json_object_get(answer, "guards")) == 0;
}

static int print_check(const json_t *answer)
{
	static const char *const headers[] = {"VIOLATED", "OF", ">EXPECTED", ">FOUND", NULL};
	static const char *const keys[] = {"invariant", "subject", "expected", "found"};
	static const char *const guard_headers[] = {"GUARD", "NAME", "PROBLEM", NULL};
	static const char *const guard_keys[] = {"kind", "object", "problem"};
	const json_t *rows = json_object_get(answer, "violations");
	const json_t *guards = json_object_get(answer, "guards");

	if (json_array_size(rows) > 0)
		print_rows(rows, headers, keys, 4, 4);
	if (json_array_size(guards) > 0)
		print_rows(guards, guard_headers, guard_keys, 3, 3);
	if (is_sound(answer))
		puts("The ledger is sound.");
	return is_sound(answer) ? RAIN_EXIT_OK : RAIN_EXIT_FAILURE;
}

static int print_metrics(const json_t *answer)
{
	fputs(json_string_value(json_object_get(answer, "text")), stdout);
	return RAIN_EXIT_OK;
}

static const struct verb {
	const char *name;
	int (*print)(const json_t *answer);
	int timeout_ms;
} verbs[] = {
	{"status", print_status, 30000}, {"rejected", print_rejected, 30000},
	{"replay", print_replay, 30000}, {"check", print_check, 3600 * 1000},
	{"metrics", print_metrics, 30000},
};

static const struct verb *verb_find(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"config", required_argument, NULL, 'c'},
		{NULL, 0, NULL, 0},
	};
	const char *config = NULL, *file = NULL;
	const struct verb *verb = &verbs[0];
	struct rain_error err;
	bool json = false;
	int option, code;
	json_t *answer;

	rain_cli_standard_options(argc, argv, help);
	while ((option = getopt_long(argc, argv, "jc:", options, NULL)) != -1) {
		if (option == 'j')
			json = true;
		else if (option == 'c')
			config = optarg;
		else
			return rain_cli_usage("wrong option");
	}
	if (optind < argc && !(verb = verb_find(argv[optind++])))
		return rain_cli_usage("there is no \"%s\"", argv[optind - 1]);
	if (optind < argc && strcmp(verb->name, "replay") == 0)
		file = argv[optind++];
	if (optind < argc)
		return rain_cli_usage("unexpected argument '%s'", argv[optind]);
	answer = rain_client_call_within(config, json_pack("{s:s s:s*}", "op", verb->name, "file", file),
					 verb->timeout_ms, &code, &err);
	if (!answer)
		return rain_cli_fail(code, &err);
	if (json) {
		rain_cli_print_json(answer);
		code = is_sound(answer) ? RAIN_EXIT_OK : RAIN_EXIT_FAILURE;
	} else {
		code = verb->print(answer);
	}
	json_decref(answer);
	return code;
}
