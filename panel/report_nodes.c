/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/report_nodes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cli.h"
#include "common/config.h"
#include "common/hostlist.h"
#include "panel/ask.h"

#define NODES_MAX 1024

static const struct rain_column node_columns[] = {
	{"NODE", "node", RAIN_COLUMN_PLAIN},	   {"NOW-C", "now_c", RAIN_COLUMN_NUMBER},
	{"MEAN-C", "mean_c", RAIN_COLUMN_NUMBER},  {"MAX-C", "max_c", RAIN_COLUMN_NUMBER},
	{"NOW-MHZ", "now_mhz", RAIN_COLUMN_NUMBER}, {"MIN-MHZ", "min_mhz", RAIN_COLUMN_NUMBER},
	{"MEAN-MHZ", "mean_mhz", RAIN_COLUMN_NUMBER}, {"THROTTLED", "throttles", RAIN_COLUMN_NUMBER},
	{"TOO-HOT", "hot", RAIN_COLUMN_NUMBER},	   {"SLOW", "slow", RAIN_COLUMN_NUMBER},
	{"SEEN", "seen", RAIN_COLUMN_NUMBER},	   {NULL, NULL, RAIN_COLUMN_PLAIN},
};

static const struct rain_column hour_columns[] = {
	{"NODE", "node", RAIN_COLUMN_PLAIN},	  {"HOUR", "at", RAIN_COLUMN_TIME},
	{"MIN-C", "min_c", RAIN_COLUMN_NUMBER},	  {"MEAN-C", "mean_c", RAIN_COLUMN_NUMBER},
	{"MAX-C", "max_c", RAIN_COLUMN_NUMBER},	  {"MIN-MHZ", "min_mhz", RAIN_COLUMN_NUMBER},
	{"MEAN-MHZ", "mean_mhz", RAIN_COLUMN_NUMBER}, {"MAX-MHZ", "max_mhz", RAIN_COLUMN_NUMBER},
	{"THROTTLED", "throttles", RAIN_COLUMN_NUMBER}, {"TOO-HOT", "hot", RAIN_COLUMN_NUMBER},
	{"SLOW", "slow", RAIN_COLUMN_NUMBER},	  {"SEEN", "seen", RAIN_COLUMN_NUMBER},
	{NULL, NULL, RAIN_COLUMN_PLAIN},
};

static const struct rain_column event_columns[] = {
	{"NODE", "node", RAIN_COLUMN_PLAIN},	{"BEGAN", "at", RAIN_COLUMN_TIME},
	{"WAS", "kind", RAIN_COLUMN_PLAIN},	{"LASTED", "lasted", RAIN_COLUMN_NUMBER},
	{"MAX-C", "max_c", RAIN_COLUMN_NUMBER}, {"MIN-MHZ", "min_mhz", RAIN_COLUMN_NUMBER},
	{NULL, NULL, RAIN_COLUMN_PLAIN},
};

static const struct layout {
	const char *by, *list; /* NULL: one row for each node */
	int64_t step_hours;
	const struct rain_column *columns;
} layouts[] = {
	{"node", NULL, 0, node_columns},
	{"hour", "rows", 1, hour_columns},
	{"event", "events", 0, event_columns},
};

/* row[to] = from[key] / 1000 with so many decimals, "-" when no sensor told. */
static void put_thousandth(json_t *row, const char *to, const json_t *from, const char *key,
			   int decimals)
{
	const json_t *value = json_object_get(from, key);
	char text[32] = "-";

	if (json_is_integer(value))
		snprintf(text, sizeof(text), "%.*f", decimals,
			 (double)json_integer_value(value) / 1000);
	json_object_set_new(row, to, json_string(text));
}

static void put_time(json_t *row, const char *to, int64_t s)
{
	char text[32];

	if (s >= 86400)
		snprintf(text, sizeof(text), "%" PRId64 "-%02d:%02d:%02d", s / 86400,
			 (int)(s / 3600 % 24), (int)(s / 60 % 60), (int)(s % 60));
	else
		snprintf(text, sizeof(text), "%02d:%02d:%02d", (int)(s / 3600), (int)(s / 60 % 60),
			 (int)(s % 60));
	json_object_set_new(row, to, json_string(text));
}

/* What a table shows of a sum, an event, and of the last look. */
static json_t *row_make(const char *node, const json_t *from, const json_t *now)
{
	json_t *row = json_is_object(from) ? json_copy((json_t *)from) : json_object();

	json_object_set_new(row, "node", json_string(node));
	put_thousandth(row, "now_c", now, "millidegrees", 1);
	put_thousandth(row, "now_mhz", now, "clock_khz", 0);
	put_thousandth(row, "min_c", from, "coolest_mdeg", 1);
	put_thousandth(row, "mean_c", from, "mean_mdeg", 1);
	put_thousandth(row, "max_c", from, "hottest_mdeg", 1);
	put_thousandth(row, "min_mhz", from, "slowest_khz", 0);
	put_thousandth(row, "mean_mhz", from, "mean_khz", 0);
	put_thousandth(row, "max_mhz", from, "fastest_khz", 0);
	put_time(row, "seen", json_integer_value(json_object_get(from, "seen_ms")) / 1000);
	put_time(row, "lasted", json_integer_value(json_object_get(from, "lasted_s")));
	/* Where nobody measures, "never too hot" would be a guess. */
	if (!json_object_get(from, "mean_mdeg") && !json_object_get(from, "mean_khz") &&
	    json_integer_value(json_object_get(from, "throttles")) == 0) {
		json_object_set_new(row, "throttles", json_string("-"));
		json_object_set_new(row, "hot", json_string("-"));
		json_object_set_new(row, "slow", json_string("-"));
		return row;
	}
	put_time(row, "hot", json_integer_value(json_object_get(from, "hot_ms")) / 1000);
	put_time(row, "slow", json_integer_value(json_object_get(from, "slow_ms")) / 1000);
	return row;
}

static void add_rows(json_t *rows, const struct layout *layout, const char *node,
		     const json_t *told)
{
	const json_t *list = json_object_get(told, layout->list ? layout->list : "rows"), *one;
	size_t i;

	if (!layout->list) {
		json_array_append_new(rows, row_make(node, json_array_get(list, 0), told));
		return;
	}
	json_array_foreach(list, i, one)
		json_array_append_new(rows, row_make(node, one, NULL));
}

static bool has_sensor(const json_t *told)
{
	const char *temperature = json_string_value(json_object_get(told, "temperature"));
	const json_t *row;
	size_t i;

	if (temperature && strcmp(temperature, "unknown") != 0)
		return true;
	json_array_foreach(json_object_get(told, "rows"), i, row)
		if (json_object_get(row, "mean_mdeg") || json_object_get(row, "mean_khz"))
			return true;
	return false;
}

/* Adds a sentence about those nodes, if there are any. */
static void add_note(json_t *notes, const char *before, const char *const names[], size_t count,
		     const char *after)
{
	char *list = count > 0 ? rain_hostlist_fold(names, count, NULL) : NULL;

	if (count > 0)
		json_array_append_new(notes, json_sprintf("%s %s%s", before, list ? list : names[0],
							  after));
	free(list);
}

/* What the figures don't tell. */
static json_t *notes_make(const struct rain_panel_ask *ask, size_t count)
{
	const struct rain_panel_view_node *nodes = rain_panel_ask_nodes(ask);
	const char **blind = calloc(count, sizeof(*blind)), **forgetful = calloc(count, sizeof(*forgetful));
	size_t blind_count = 0, forgetful_count = 0;
	json_t *notes = json_array();

	for (size_t i = 0; blind && forgetful && i < count; i++) {
		const json_t *told = rain_panel_ask_frame(ask, i);

		if (!nodes[i].answered) {
			json_array_append_new(notes, json_sprintf("%s: %s", nodes[i].name,
								  nodes[i].trouble));
			continue;
		}
		if (!has_sensor(told))
			blind[blind_count++] = nodes[i].name;
		if (json_is_false(json_object_get(told, "kept")))
			forgetful[forgetful_count++] = nodes[i].name;
	}
	add_note(notes, "no sensor tells temperature or clock on", blind, blind_count,
		 ": the kernel has neither a thermal zone nor cpufreq there");
	add_note(notes, "only the present hour is known of", forgetful, forgetful_count,
		 ": nothing is kept there (panel.record in rain.conf)");
	free(blind);
	free(forgetful);
	return notes;
}

static int print(const struct rain_show *show, const struct layout *layout,
		 const struct rain_panel_ask *ask, size_t count, int64_t since, int64_t until)
{
	const struct rain_panel_view_node *nodes = rain_panel_ask_nodes(ask);
	json_t *list = json_array(), *answer;
	int code;

	for (size_t i = 0; i < count; i++) {
		const json_t *told = rain_panel_ask_frame(ask, i);

		if (!nodes[i].answered && show->json)
			json_array_append_new(list, json_pack("{s:s,s:b,s:s}", "node", nodes[i].name,
							      "answered", 0, "error",
							      nodes[i].trouble));
		else if (show->json) {
			json_t *node = json_copy((json_t *)told);

			json_object_set_new(node, "node", json_string(nodes[i].name));
			json_object_set_new(node, "answered", json_true());
			json_array_append_new(list, node);
		} else if (nodes[i].answered) {
			add_rows(list, layout, nodes[i].name, told);
		}
	}
	answer = json_pack("{s:I,s:I,s:o,s:o}", "since", (json_int_t)since, "until",
			   (json_int_t)until, "nodes", list, "notes", notes_make(ask, count));
	rain_show_heading(show, "Heat and clock of the nodes", since, until);
	code = rain_show_rows(show, layout->columns, answer, "nodes");
	json_decref(answer);
	return code;
}

static const struct layout *layout_find(const char *by)
{
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		if (strcmp(layouts[i].by, by) == 0)
			return &layouts[i];
	return NULL;
}

static int ask_all(const struct rain_show *show, const struct layout *layout,
		   const struct rain_config *config, int64_t since, int64_t until,
		   struct rain_error *err)
{
	struct rain_panel_ask *ask = NULL;
	char **names = NULL;
	size_t count = 0, answered = 0;
	int code = RAIN_EXIT_FAILURE;

	if (rain_hostlist_expand(config->panel.nodes, NODES_MAX, &names, &count, err) < 0) {
		rain_error_prefix(err, "panel.nodes");
		return rain_cli_fail(RAIN_EXIT_FAILURE, err);
	}
	if (count == 0)
		rain_error_set(err, "%s does not say which nodes there are: set panel.nodes",
			       config->path);
	else
		ask = rain_panel_ask_create_record(names, count, (int)config->panel.port, since,
						   until, layout->step_hours, err);
	if (!ask) {
		code = rain_cli_fail(RAIN_EXIT_FAILURE, err);
	} else {
		while (!rain_panel_ask_is_done(ask) && rain_panel_ask_step(ask, -1, INT64_MAX) >= 0)
			;
		for (size_t i = 0; i < count; i++)
			answered += rain_panel_ask_nodes(ask)[i].answered;
		code = print(show, layout, ask, count, since, until);
		if (code == RAIN_EXIT_OK && answered == 0)
			code = RAIN_EXIT_UNAVAILABLE;
	}
	rain_panel_ask_destroy(ask);
	rain_hostlist_free(names);
	return code;
}

int rain_report_nodes(const struct rain_show *show, const char *by, int64_t since, int64_t until)
{
	const struct layout *layout = layout_find(by);
	struct rain_config *config;
	struct rain_error err;
	int code;

	if (!layout)
		return rain_cli_usage("--by %s: a nodes report has no such key", by);
	config = rain_config_load(show->config, &err);
	if (!config)
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	code = ask_all(show, layout, config, since, until, &err);
	rain_config_destroy(config);
	return code;
}
