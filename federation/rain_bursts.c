/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rain bursts: where overflow jobs are, and why the others wait. */
#include <getopt.h>
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
#include "common/table.h"
#include "common/tokens.h"
#include "federation/command.h"

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

/* "12:34:56", or "2026-01-31" when that is longer ago. */
static const char *since(int64_t ms, char *out, size_t size)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm when;

	localtime_r(&seconds, &when);
	strftime(out, size,
		 rain_clock_realtime_ms() - ms > INT64_C(43200000) ? "%Y-%m-%d" : "%H:%M:%S", &when);
	return out;
}

static const char *tokens(const json_t *row, char *out, size_t size)
{
	bool paid = json_is_integer(json_object_get(row, "amount_utok"));
	char amount[RAIN_TOKENS_TEXT_SIZE];

	rain_tokens_format(rain_command_number(row, paid ? "amount_utok" : "ceiling_utok"), amount);
	snprintf(out, size, "%s%s", paid ? "" : "<", amount);
	return out;
}

static const char *id(int64_t value, char *out, size_t size)
{
	snprintf(out, size, value > 0 ? "%" PRId64 : "-", value);
	return out;
}

/* How it ended, or why it waits: "exit 3", "signal 9", "evicted: …"; files on
 * their way come first: "inputs: 312.0 of 1024.0 MiB; ". */
static const char *ending(const json_t *row, char *out, size_t size)
{
	const char *outcome = rain_command_text(row, "outcome");
	const char *sentence = rain_command_text(row, "sentence");
	const json_t *files = json_object_get(row, "moving");
	size_t length = 0;

	*out = '\0';
	if (files)
		length = (size_t)snprintf(out, size, "%s: %.1f of %.1f MiB; ",
					  rain_command_text(files, "what"),
					  (double)rain_command_number(files, "bytes") / 1048576,
					  (double)rain_command_number(files, "of") / 1048576);
	if (length >= size)
		return out;
	if (strcmp(outcome, "none") == 0)
		snprintf(out + length, size - length, "%s",
			 *sentence ? sentence : rain_command_text(row, "decision"));
	else if (strcmp(outcome, "exited") != 0)
		snprintf(out + length, size - length, "%s%s%s", outcome, *sentence ? ": " : "",
			 sentence);
	else if (rain_command_number(row, "signal"))
		snprintf(out + length, size - length, "signal %" PRId64,
			 rain_command_number(row, "signal"));
	else
		snprintf(out + length, size - length, "exit %" PRId64,
			 rain_command_number(row, "code"));
	return out;
}

static int show_bursts(const json_t *result, enum rain_table_style style)
{
	static const char *const headers[] = {">JOB", "USER", "NAME", "STATE", "PEER", ">REMOTE",
					      "SINCE", ">TOKENS", "REASON", NULL};
	struct rain_table *table = rain_table_create(headers);
	char job[24], remote[24], when[24], price[32], why[512];
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(result, "candidates"), i, row)
		rain_table_add(table, (const char *[]){
			id(rain_command_number(row, "job_id"), job, sizeof(job)),
			rain_command_text(row, "user_name"), rain_command_text(row, "job_name"),
			"waiting", "-", "-",
			since(rain_command_number(row, "since_ms"), when, sizeof(when)), "-",
			rain_command_text(row, "sentence")});
	json_array_foreach(json_object_get(result, "bursts"), i, row)
		rain_table_add(table, (const char *[]){
			id(rain_command_number(row, "job_id"), job, sizeof(job)),
			rain_command_text(row, "user_name"), rain_command_text(row, "job_name"),
			rain_command_text(row, "state"), rain_command_text(row, "peer"),
			id(rain_command_number(row, "remote_job_id"), remote, sizeof(remote)),
			since(rain_command_number(row, "changed_ms"), when, sizeof(when)),
			tokens(row, price, sizeof(price)), ending(row, why, sizeof(why))});
	rain_table_print(table, style, stdout);
	rain_table_destroy(table);
	return RAIN_EXIT_OK;
}

static int show_loans(const json_t *result, enum rain_table_style style)
{
	static const char *const headers[] = {">JOB", "PEER", "USER", ">UID", "STATE", ">NODES",
					      "SINCE", ">TOKENS", "BURST", "REASON", NULL};
	struct rain_table *table = rain_table_create(headers);
	char job[24], uid[24], nodes[24], when[24], price[32], why[512];
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(result, "loans"), i, row)
		rain_table_add(table, (const char *[]){
			id(rain_command_number(row, "job_id"), job, sizeof(job)),
			rain_command_text(row, "peer"), rain_command_text(row, "remote_user"),
			id(rain_command_number(row, "guest_uid"), uid, sizeof(uid)),
			rain_command_text(row, "state"),
			id(rain_command_number(row, "nodes"), nodes, sizeof(nodes)),
			since(rain_command_number(row, "changed_ms"), when, sizeof(when)),
			tokens(row, price, sizeof(price)), rain_command_text(row, "burst_id"),
			ending(row, why, sizeof(why))});
	rain_table_print(table, style, stdout);
	rain_table_destroy(table);
	return RAIN_EXIT_OK;
}

static int run(const char *socket_path, const struct options *options)
{
	json_t *request, *result;
	int code;

	if (options->evict)
		request = json_pack("{s:s,s:s}", "op", "evict", "burst", options->evict);
	else
		request = json_pack("{s:s,s:b}", "op", options->loans ? "loans" : "bursts", "all",
				    options->all);
	result = rain_command_ask(socket_path, request, &code);
	if (!result)
		return code;
	code = RAIN_EXIT_OK;
	if (options->json)
		rain_cli_print_json(result);
	else if (options->evict)
		puts(json_is_true(json_object_get(result, "changed")) ? "it is being sent away"
								      : "it is over already");
	else
		code = options->loans ? show_loans(result, options->style)
				      : show_bursts(result, options->style);
	json_decref(result);
	return code;
}

int main(int argc, char *argv[])
{
	static const struct option long_options[] = {
		{"all", no_argument, NULL, 'a'},	   {"loans", no_argument, NULL, 'l'},
		{"evict", required_argument, NULL, 'e'},   {"json", no_argument, NULL, 'j'},
		{"parsable2", no_argument, NULL, 'p'},	   {"csv", no_argument, NULL, 'C'},
		{"config", required_argument, NULL, 'c'},  {NULL, 0, NULL, 0},
	};
	struct options options = {.style = RAIN_TABLE_TEXT};
	struct rain_config *config;
	struct rain_error err;
	int option, code;

	rain_cli_standard_options(argc, argv, help);
	while ((option = getopt_long(argc, argv, "ale:jpc:", long_options, NULL)) != -1) {
		switch (option) {
		case 'a': options.all = true; break;
		case 'l': options.loans = true; break;
		case 'e': options.evict = optarg; break;
		case 'j': options.json = true; break;
		case 'p': options.style = RAIN_TABLE_PARSABLE2; break;
		case 'C': options.style = RAIN_TABLE_CSV; break;
		case 'c': options.config = optarg; break;
		default: return rain_cli_usage("wrong option");
		}
	}
	if (optind < argc)
		return rain_cli_usage("unexpected argument '%s'", argv[optind]);
	config = rain_config_load(options.config, &err);
	if (!config)
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	code = run(config->gateway.control, &options);
	rain_config_destroy(config);
	return code;
}
