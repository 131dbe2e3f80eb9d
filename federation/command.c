// SPDX-License-Identifier: GPL-2.0-or-later
#include "federation/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cli.h"
#include "common/error.h"
#include "common/json.h"
#include "common/rpc.h"

#define CALL_MS 15000

json_t *rain_command_ask(const char *socket_path, json_t *request, int *code)
{
	struct rain_error err = {{0}};
	json_t *result = NULL;

	*code = RAIN_EXIT_FAILURE;
	if (!rain_rpc_listens(socket_path, "rain-gatewayd", &err))
		*code = RAIN_EXIT_UNAVAILABLE;
	else if (!request)
		rain_error_set(&err, "what you typed is no UTF-8 text");
	else
		result = rain_rpc_call(socket_path, request, CALL_MS, &err);
	json_decref(request);
	if (!result)
		rain_cli_fail(*code, &err);
	return result;
}

int rain_command_list(const char *socket_path, const char *what, const char *const headers[],
		      void (*add_row)(struct rain_table *table, const json_t *item), bool json,
		      enum rain_table_style style)
{
	struct rain_error err = {{0}};
	json_t *result, *list, *item;
	struct rain_table *table;
	size_t i;
	int code;

	result = rain_command_ask(socket_path, json_pack("{s:s}", "op", what), &code);
	if (!result)
		return code;
	if (json) {
		rain_cli_print_json(result);
		json_decref(result);
		return RAIN_EXIT_OK;
	}
	table = rain_table_create(headers);
	if (!table || rain_json_array(result, what, SIZE_MAX, &list, &err) < 0) {
		rain_table_destroy(table);
		json_decref(result);
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	}
	json_array_foreach(list, i, item)
		add_row(table, item);
	rain_table_print(table, style, stdout);
	rain_table_destroy(table);
	json_decref(result);
	return RAIN_EXIT_OK;
}

const char *rain_command_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

int64_t rain_command_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

int rain_command_time(const char *text, int64_t *seconds)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = {{'\0', 1}, {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	char *end;
	long number;

	if (*text < '0' || *text > '9')
		return -1;
	number = strtol(text, &end, 10);
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (*end == units[i].unit && (!*end || !end[1]) && number > 0 &&
		    number <= 30 * 86400) {
			*seconds = number * units[i].seconds;
			return *seconds <= 30 * 86400 ? 0 : -1;
		}
	return -1;
}
