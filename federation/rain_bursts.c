/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rain bursts: where overflow jobs are, and why the others wait. */
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/cli.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/rpc.h"
#include "common/table.h"
#include "common/tokens.h"

#define CALL_MS 10000

static const char help[] =
	"Usage: rain bursts [--all] [--json | --parsable2 | --csv]\n"
	"       rain bursts --loans [--all] [--json | --parsable2 | --csv]\n"
	"       rain bursts --evict BURST\n"
	"\n"
	"Shows your jobs at peers, and your jobs that might go to a peer and still wait,\n"
	"with the reason.  Administrators see everybody's, and the jobs of peers here.\n"
	"\n"
	"  -a, --all          also what is over (the latest 500)\n"
	"  -l, --loans        the jobs of peers on this cluster\n"
	"  -e, --evict BURST  send a peer's job away; it costs its user nothing\n"
	"  -j, --json         as JSON\n"
	"  -p, --parsable2    fields separated by '|'\n"
	"      --csv          comma-separated values\n"
	"  -c, --config FILE  configuration (" RAIN_CONFIG_PATH ")\n"
	"  -h, --help         show this\n"
	"  -V, --version      show the version\n"
	"\n"
	"STATE: waiting (at home), bound (ordered), placed (accepted), running, ended (the\n"
	"receipt is to come), settled, void (came to nothing).  TOKENS: paid, or \"<\" and the\n"
	"most that it can cost.\n";

struct options {
	bool all, loans, json;
	const char *evict, *config;
	enum rain_table_style style;
};

static bool is(const char *text, const char *letter, const char *word)
{
	return !strcmp(text, letter) || !strcmp(text, word);
}

/* -1 when it has complained. */
static int read_options(int argc, char *argv[], struct options *options)
{
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (is(argv[i], "-a", "--all"))
			options->all = true;
		else if (is(argv[i], "-l", "--loans"))
			options->loans = true;
		else if (is(argv[i], "-j", "--json"))
			options->json = true;
		else if (is(argv[i], "-p", "--parsable2"))
			options->style = RAIN_TABLE_PARSABLE2;
		else if (!strcmp(argv[i], "--csv"))
			options->style = RAIN_TABLE_CSV;
		else if (is(argv[i], "-e", "--evict") && value)
			options->evict = argv[++i];
		else if (is(argv[i], "-c", "--config") && value)
			options->config = argv[++i];
		else {
			rain_cli_usage("unknown option or missing value: '%s'", argv[i]);
			return -1;
		}
	}
	return 0;
}

static const char *text(const json_t *row, const char *key)
{
	const char *value = json_string_value(json_object_get(row, key));
	return value ? value : "";
}

static int64_t number(const json_t *row, const char *key)
{
	return json_integer_value(json_object_get(row, key));
}

/* "12:34:56", or "2026-01-31" when that is longer ago. */
static const char *since(int64_t ms, char *out, size_t size)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm when;

	localtime_r(&seconds, &when);
	strftime(out, size, rain_clock_realtime_ms() - ms > INT64_C(86400000) / 2 ? "%Y-%m-%d" : "%H:%M:%S", &when);
	return out;
}

static const char *tokens(const json_t *row, char *out, size_t size)
{
	const json_t *paid = json_object_get(row, "amount_utok");
	char amount[RAIN_TOKENS_TEXT_SIZE];

	snprintf(out, size, "%s%s", json_is_integer(paid) ? "" : "<",
		 rain_tokens_format(json_is_integer(paid) ? json_integer_value(paid) : number(row, "ceiling_utok"), amount));
	return out;
}

static const char *id(int64_t value, char *out, size_t size)
{
	snprintf(out, size, value > 0 ? "%" PRId64 : "-", value);
	return out;
}

/* How it ended, in a word: "exit 3", "signal 9", "evicted". */
static const char *ending(const json_t *row, char *out, size_t size)
{
	const char *outcome = text(row, "outcome");
	const json_t *files = json_object_get(row, "moving");
	size_t length = 0;

	*out = '\0';
	if (files) /* "inputs: 312.0 of 1024.0 MiB; " comes first */
		length = (size_t)snprintf(out, size, "%s: %.1f of %.1f MiB; ", text(files, "what"),
					  (double)number(files, "bytes") / 1048576,
					  (double)number(files, "of") / 1048576);
	if (length >= size)
		return out;
	out += length;
	size -= length;
	if (!strcmp(outcome, "none"))
		snprintf(out, size, "%s", *text(row, "sentence") ? text(row, "sentence") : text(row, "decision"));
	else if (strcmp(outcome, "exited") != 0)
		snprintf(out, size, "%s%s%s", outcome, *text(row, "sentence") ? ": " : "", text(row, "sentence"));
	else if (number(row, "signal"))
		snprintf(out, size, "signal %" PRId64, number(row, "signal"));
	else
		snprintf(out, size, "exit %" PRId64, number(row, "code"));
	return out - length;
}

static int show_bursts(const json_t *result, const struct options *options)
{
	static const char *const headers[] = { ">JOB", "USER", "NAME", "STATE", "PEER", ">REMOTE", "SINCE", ">TOKENS", "REASON", NULL };
	struct rain_table *table = rain_table_create(headers);
	char job[24], remote[24], when[24], price[32], why[512];
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(result, "candidates"), i, row) {
		const char *cells[] = { id(number(row, "job_id"), job, sizeof job), text(row, "user_name"), text(row, "job_name"),
					"waiting", "-", "-", since(number(row, "since_ms"), when, sizeof when), "-",
					text(row, "sentence") };
		rain_table_add(table, cells);
	}
	json_array_foreach(json_object_get(result, "bursts"), i, row) {
		const char *cells[] = { id(number(row, "job_id"), job, sizeof job), text(row, "user_name"), text(row, "job_name"),
					text(row, "state"), text(row, "peer"),
					id(number(row, "remote_job_id"), remote, sizeof remote),
					since(number(row, "changed_ms"), when, sizeof when), tokens(row, price, sizeof price),
					ending(row, why, sizeof why) };
		rain_table_add(table, cells);
	}
	rain_table_print(table, options->style, stdout);
	rain_table_destroy(table);
	return RAIN_EXIT_OK;
}

static int show_loans(const json_t *result, const struct options *options)
{
	static const char *const headers[] = { ">JOB", "PEER", "USER", ">UID", "STATE", ">NODES", "SINCE", ">TOKENS", "BURST", "REASON", NULL };
	struct rain_table *table = rain_table_create(headers);
	char job[24], uid[24], nodes[24], when[24], price[32], why[512];
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(result, "loans"), i, row) {
		const char *cells[] = { id(number(row, "job_id"), job, sizeof job), text(row, "peer"), text(row, "remote_user"),
					id(number(row, "guest_uid"), uid, sizeof uid), text(row, "state"),
					id(number(row, "nodes"), nodes, sizeof nodes),
					since(number(row, "changed_ms"), when, sizeof when), tokens(row, price, sizeof price),
					text(row, "burst_id"), ending(row, why, sizeof why) };
		rain_table_add(table, cells);
	}
	rain_table_print(table, options->style, stdout);
	rain_table_destroy(table);
	return RAIN_EXIT_OK;
}

static int run(const char *socket_path, const struct options *options)
{
	json_t *request = options->evict ? json_pack("{s:s, s:s}", "op", "evict", "burst", options->evict)
					 : json_pack("{s:s, s:b}", "op", options->loans ? "loans" : "bursts", "all",
						     options->all), *result;
	struct rain_error err = { "" };
	int code = RAIN_EXIT_OK;

	if (!request)
		return rain_cli_usage("'%s' is not the id of a burst", options->evict ? options->evict : "");
	result = rain_rpc_call(socket_path, request, CALL_MS, &err);
	json_decref(request);
	if (!result)
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	if (options->json)
		rain_cli_print_json(result);
	else if (options->evict)
		puts(json_is_true(json_object_get(result, "changed")) ? "it is being sent away" : "it is over already");
	else
		code = options->loans ? show_loans(result, options) : show_bursts(result, options);
	json_decref(result);
	return code;
}

int main(int argc, char *argv[])
{
	struct options options = { .style = RAIN_TABLE_TEXT };
	struct rain_config *config;
	struct rain_error err;
	int code;

	rain_cli_standard_options(argc, argv, help);
	if (read_options(argc, argv, &options))
		return RAIN_EXIT_USAGE;
	config = rain_config_load(options.config, &err);
	if (!config)
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	code = run(config->gateway.control, &options);
	rain_config_destroy(config);
	return code;
}
