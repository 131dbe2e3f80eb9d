// SPDX-License-Identifier: GPL-2.0-or-later
/* rain offers: what peers lend us, and what we lend them. */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "common/cli.h"
#include "common/config.h"
#include "common/table.h"
#include "common/tokens.h"
#include "federation/command.h"

static const char help[] =
	"Usage: rain offers [--ours] [--json | --parsable2 | --csv]\n"
	"\n"
	"Shows what each peer lends: nodes, cores and memory of each, the longest time limit,\n"
	"the speed of a core, and the price of a core for an hour.\n"
	"\n"
	"  -o, --ours         what this cluster lends to each peer, and what they have of it\n"
	"  -j, --json         both as JSON\n"
	"  -p, --parsable2    fields separated by '|'\n"
	"      --csv          comma-separated values\n"
	"  -c, --config FILE  configuration (" RAIN_CONFIG_PATH ")\n"
	"  -h, --help         show this\n"
	"  -V, --version      show the version\n"
	"\n"
	"STATE: open (it may be asked), full (no room when it was asked last), throttled (it\n"
	"lost too many jobs), closed (lends nothing now), paused (by us), away (not reached).\n";

/* An amount that may not be known, or not bounded. */
static const char *count(const json_t *object, const char *key, char *text, size_t size)
{
	int64_t number = rain_command_number(object, key);

	snprintf(text, size, "%" PRId64, number);
	return number ? text : "-";
}

static void show_theirs(const json_t *result, enum rain_table_style style)
{
	static const char *const headers[] = {"PEER", "STATE", ">NODES", ">CORES", ">MB", ">MINUTES",
					      ">MFLOP/S", ">TOKENS/CORE-H", "WHY NOT", NULL};
	struct rain_table *table = rain_table_create(headers);
	char nodes[24], cores[24], memory[24], minutes[24], speed[24], price[RAIN_TOKENS_TEXT_SIZE];
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(result, "theirs"), i, row) {
		const json_t *lend = json_object_get(row, "lend");
		/* 1 token = 3600 GFLOP: a core of 1000 MFLOP/s costs one an hour. */
		int64_t utok = rain_command_number(lend, "mflops") * rain_command_number(lend, "percent") * 10;

		rain_table_add(table, (const char *[]){
			rain_command_text(row, "peer"), rain_command_text(row, "state"),
			count(lend, "nodes", nodes, sizeof(nodes)),
			count(lend, "cpus_per_node", cores, sizeof(cores)),
			count(lend, "mem_mb_per_node", memory, sizeof(memory)),
			count(lend, "minutes", minutes, sizeof(minutes)),
			count(lend, "mflops", speed, sizeof(speed)), rain_tokens_format(utok, price),
			rain_command_text(row, "reason")});
	}
	rain_table_print(table, style, stdout);
	rain_table_destroy(table);
}

static void show_ours(const json_t *result, enum rain_table_style style)
{
	static const char *const headers[] = {"PEER", "LENDS", ">MAX NODES", ">MAX CORES", ">MAX MINUTES",
					      ">PRICE %", ">GUESTS", ">NODES", ">CORES", "WHY NOT", NULL};
	struct rain_table *table = rain_table_create(headers);
	char cells[7][24];
	static const char *const keys[] = {"max_nodes", "max_cores", "max_minutes", "percent", "guests",
					   "nodes", "cores"};
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(result, "ours"), i, row) {
		const char *numbers[7];

		for (size_t k = 0; k < 7; k++)
			numbers[k] = count(row, keys[k], cells[k], sizeof(cells[k]));
		rain_table_add(table, (const char *[]){
			rain_command_text(row, "peer"),
			json_is_true(json_object_get(row, "lends")) ? "yes" : "no", numbers[0], numbers[1],
			numbers[2], numbers[3], numbers[4], numbers[5], numbers[6],
			rain_command_text(row, "reason")});
	}
	rain_table_print(table, style, stdout);
	rain_table_destroy(table);
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {
		{"ours", no_argument, NULL, 'o'},	  {"json", no_argument, NULL, 'j'},
		{"parsable2", no_argument, NULL, 'p'},	  {"csv", no_argument, NULL, 'C'},
		{"config", required_argument, NULL, 'c'}, {NULL, 0, NULL, 0},
	};
	enum rain_table_style style = RAIN_TABLE_TEXT;
	bool ours = false, json = false;
	const char *config_path = NULL;
	struct rain_config *config;
	struct rain_error err = {{0}};
	json_t *result;
	int option, code;

	rain_cli_standard_options(argc, argv, help);
	while ((option = getopt_long(argc, argv, "ojpc:", options, NULL)) != -1) {
		switch (option) {
		case 'o': ours = true; break;
		case 'j': json = true; break;
		case 'p': style = RAIN_TABLE_PARSABLE2; break;
		case 'C': style = RAIN_TABLE_CSV; break;
		case 'c': config_path = optarg; break;
		default: return rain_cli_usage("wrong option");
		}
	}
	if (optind < argc)
		return rain_cli_usage("unexpected argument '%s'", argv[optind]);
	config = rain_config_load(config_path, &err);
	if (!config)
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	result = rain_command_ask(config->gateway.control, json_pack("{s:s}", "op", "offers"), &code);
	rain_config_destroy(config);
	if (!result)
		return code;
	if (json)
		rain_cli_print_json(result);
	else if (ours)
		show_ours(result, style);
	else
		show_theirs(result, style);
	json_decref(result);
	return RAIN_EXIT_OK;
}
