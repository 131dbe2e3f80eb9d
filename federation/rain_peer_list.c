// SPDX-License-Identifier: GPL-2.0-or-later
#include <jansson.h>
#include <stdio.h>

#include "common/cli.h"
#include "common/json.h"
#include "common/tokens.h"
#include "federation/command.h"
#include "federation/rain_peer.h"

/* "never", "just now", "40 s ago", "5 min ago", "3 h ago", "2 d ago" */
static const char *format_age(int64_t now_ms, int64_t then_ms, char *text, size_t size)
{
	long long s = (now_ms - then_ms) / 1000;

	if (!then_ms)
		return "never";
	if (s < 2)
		return "just now";
	if (s < 120)
		snprintf(text, size, "%lld s ago", s);
	else if (s < 7200)
		snprintf(text, size, "%lld min ago", s / 60);
	else if (s < 172800)
		snprintf(text, size, "%lld h ago", s / 3600);
	else
		snprintf(text, size, "%lld d ago", s / 86400);
	return text;
}

/* How many of our jobs of the last 30 days it brought to their end. */
static const char *format_success(const json_t *peer, char *text, size_t size)
{
	long long ended = rain_command_number(peer, "ended"), lost = rain_command_number(peer, "lost");

	if (ended + lost == 0)
		return "-";
	snprintf(text, size, "%lld %% of %lld", 100 * ended / (ended + lost), ended + lost);
	return text;
}

static void add_row(struct rain_table *table, const json_t *peer, int64_t now_ms)
{
	const json_t *addresses = json_object_get(peer, "addresses");
	const char *address = json_string_value(json_array_get(addresses, 0));
	char id[13], age[32], latency[24], balance[RAIN_TOKENS_TEXT_SIZE];
	char limit[RAIN_TOKENS_TEXT_SIZE], outbox[24], success[48];
	long long ms = rain_command_number(peer, "latency_ms");

	snprintf(id, sizeof(id), "%s", rain_command_text(peer, "id"));
	snprintf(latency, sizeof(latency), "%lld ms", ms);
	snprintf(outbox, sizeof(outbox), "%lld", (long long)rain_command_number(peer, "outbox"));
	rain_table_add(table,
		       (const char *[]){rain_command_text(peer, "name"), id,
					address ? address : "dials us", rain_command_text(peer, "state"),
					format_age(now_ms, rain_command_number(peer, "last_contact_ms"),
						   age, sizeof(age)),
					ms < 0 ? "-" : latency,
					rain_tokens_format(rain_command_number(peer, "balance_utok"),
							   balance),
					rain_tokens_format(rain_command_number(peer, "credit_limit_utok"),
							   limit),
					format_success(peer, success, sizeof(success)), outbox,
					rain_command_text(json_object_get(peer, "card"), "software")});
}

int rain_peer_list(const char *socket_path, enum rain_peer_form form, enum rain_table_style style)
{
	static const char *const headers[] = {"PEER", "ID", "ADDRESS", "STATE", "LAST CONTACT",
					      ">LATENCY", ">BALANCE", ">CREDIT LIMIT", ">SUCCESS",
					      ">OUTBOX", "SOFTWARE", NULL};
	struct rain_error err = {{0}};
	json_t *result, *peers, *peer;
	struct rain_table *table;
	size_t i;
	int code;

	result = rain_command_ask(socket_path, json_pack("{s:s}", "op", form == RAIN_PEER_METRICS ? "metrics" : "peer-list"), &code);
	if (!result)
		return code;
	if (form != RAIN_PEER_TABLE) {
		if (form == RAIN_PEER_JSON)
			rain_cli_print_json(result);
		else
			fputs(rain_command_text(result, "text"), stdout);
		json_decref(result);
		return RAIN_EXIT_OK;
	}
	table = rain_table_create(headers);
	if (!table || rain_json_array(result, "peers", 1024, &peers, &err) < 0) {
		rain_table_destroy(table);
		json_decref(result);
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	}
	json_array_foreach(peers, i, peer)
		add_row(table, peer, rain_command_number(result, "now_ms"));
	rain_table_print(table, style, stdout);
	rain_table_destroy(table);
	json_decref(result);
	return RAIN_EXIT_OK;
}
