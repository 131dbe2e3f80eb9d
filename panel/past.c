/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/past.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/clock.h"
#include "common/hostlist.h"
#include "common/rpc.h"
#include "panel/ask.h"

#define NODES_MAX 256
#define EVENTS_SHOWN 3
#define LEDGER_WAIT_MS 5000
#define ACCOUNT_DAYS 30
#define ACCOUNT_POINTS 120
#define ACCOUNT_USERS 6

json_t *rain_past_accounts(const struct rain_config *config)
{
	int64_t now = rain_clock_realtime_ms() / 1000;
	json_t *request = json_pack("{s:s,s:I,s:I,s:i,s:i}", "op", "history", "since",
				    (json_int_t)(now - ACCOUNT_DAYS * 86400), "until",
				    (json_int_t)now + 1, "points", ACCOUNT_POINTS, "users",
				    ACCOUNT_USERS);
	json_t *answer = rain_rpc_call(config->ledger.socket, request, LEDGER_WAIT_MS, NULL);
	json_t *rows = json_incref(json_object_get(answer, "rows"));

	json_decref(request);
	json_decref(answer);
	return rows ? rows : json_null();
}

/* The hours' row[key] / by, each in its place. */
static json_t *by_hour(const json_t *rows, const char *key, int64_t since, double by)
{
	json_t *values = json_array();
	const json_t *row;
	size_t i;

	for (int hour = 0; hour < RAIN_PAST_HOURS; hour++)
		json_array_append_new(values, json_null());
	json_array_foreach(rows, i, row) {
		int64_t hour = (json_integer_value(json_object_get(row, "at")) - since) / 3600;
		const json_t *value = json_object_get(row, key);

		if (json_is_integer(value) && hour >= 0 && hour < RAIN_PAST_HOURS)
			json_array_set_new(values, (size_t)hour,
					   json_real((double)json_integer_value(value) / by));
	}
	return values;
}

static int64_t total(const json_t *rows, const char *key)
{
	int64_t sum = 0;
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
		sum += json_integer_value(json_object_get(row, key));
	return sum;
}

static json_t *node_heat(const char *name, bool answered, const json_t *told, int64_t since)
{
	const json_t *rows = json_object_get(told, "rows"), *events = json_object_get(told, "events");
	const char *temperature = json_string_value(json_object_get(told, "temperature"));
	json_t *last = json_array();
	size_t count = json_array_size(events);

	for (size_t i = count > EVENTS_SHOWN ? count - EVENTS_SHOWN : 0; i < count; i++)
		json_array_append(last, json_array_get(events, i));
	return json_pack("{s:s,s:b,s:b,s:O?,s:o,s:o,s:I,s:I,s:I,s:o}", "node", name, "answered",
			 (int)answered, "sensors",
			 (int)(temperature && strcmp(temperature, "unknown") != 0), "kept",
			 json_object_get(told, "kept"), "hottest",
			 by_hour(rows, "hottest_mdeg", since, 1000), "mhz",
			 by_hour(rows, "mean_khz", since, 1000), "throttles",
			 (json_int_t)total(rows, "throttles"), "hot_s",
			 (json_int_t)(total(rows, "hot_ms") / 1000), "slow_s",
			 (json_int_t)(total(rows, "slow_ms") / 1000), "events", last);
}

json_t *rain_past_heat(const struct rain_config *config)
{
	int64_t now = rain_clock_realtime_ms() / 1000;
	int64_t since = (now / 3600 - RAIN_PAST_HOURS + 1) * 3600;
	struct rain_panel_ask *ask = NULL;
	json_t *heat = json_null();
	char **names = NULL;
	size_t count = 0;

	if (rain_hostlist_expand(config->panel.nodes, NODES_MAX, &names, &count, NULL) == 0 && count > 0)
		ask = rain_panel_ask_create_record(names, count, (int)config->panel.port, since, now + 1,
						   1, NULL);
	if (ask) {
		while (!rain_panel_ask_is_done(ask) && rain_panel_ask_step(ask, -1, INT64_MAX) >= 0)
			;
		heat = json_array();
		for (size_t i = 0; i < count; i++)
			json_array_append_new(heat, node_heat(names[i],
							      rain_panel_ask_nodes(ask)[i].answered,
							      rain_panel_ask_frame(ask, i), since));
	}
	rain_panel_ask_destroy(ask);
	rain_hostlist_free(names);
	return heat;
}
