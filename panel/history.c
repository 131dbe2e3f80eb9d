/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/history.h"

#include <string.h>

static size_t find_peer(struct rain_history *history, const char *name, int64_t balance)
{
	size_t i = 0;

	while (i < history->peers && strcmp(history->peer[i].name, name) != 0)
		i++;
	if (i < history->peers || i == RAIN_HISTORY_PEERS ||
	    strlen(name) >= sizeof(history->peer[i].name))
		return i < history->peers ? i : RAIN_HISTORY_PEERS;
	history->peers++;
	memcpy(history->peer[i].name, name, strlen(name) + 1);
	/* He was not seen before: as if he had always stood like this. */
	history->peer[i].last = balance;
	for (size_t k = 0; k < RAIN_HISTORY_SAMPLES; k++)
		history->peer[i].balance[k] = balance;
	return i;
}

static void thin_out(struct rain_history *history)
{
	for (size_t k = 0; k < RAIN_HISTORY_SAMPLES / 2; k++) {
		history->time_ms[k] = history->time_ms[2 * k];
		for (size_t i = 0; i < history->peers; i++)
			history->peer[i].balance[k] = history->peer[i].balance[2 * k];
	}
	history->samples = RAIN_HISTORY_SAMPLES / 2;
	history->interval_ms *= 2;
}

void rain_history_add(struct rain_history *history, const json_t *peers, int64_t now_ms)
{
	const json_t *row;
	size_t k;

	json_array_foreach(peers, k, row) {
		const char *name = json_string_value(json_object_get(row, "name"));
		int64_t balance = json_integer_value(json_object_get(row, "balance_utok"));
		size_t i = name ? find_peer(history, name, balance) : RAIN_HISTORY_PEERS;

		if (i == RAIN_HISTORY_PEERS)
			continue;
		if (balance > history->peer[i].last)
			history->peer[i].received += balance - history->peer[i].last;
		else
			history->peer[i].given += history->peer[i].last - balance;
		history->peer[i].last = balance;
	}
	if (history->interval_ms == 0)
		history->interval_ms = RAIN_HISTORY_FIRST_MS;
	if (history->samples > 0 &&
	    now_ms < history->time_ms[history->samples - 1] + history->interval_ms)
		return;
	if (history->samples == RAIN_HISTORY_SAMPLES)
		thin_out(history);
	history->time_ms[history->samples] = now_ms;
	for (size_t i = 0; i < history->peers; i++)
		history->peer[i].balance[history->samples] = history->peer[i].last;
	history->samples++;
}

json_t *rain_history_json(const struct rain_history *history)
{
	json_t *times = json_array(), *peers = json_object();

	for (size_t k = 0; k < history->samples; k++)
		json_array_append_new(times, json_integer(history->time_ms[k]));
	for (size_t i = 0; i < history->peers; i++) {
		json_t *balances = json_array();

		for (size_t k = 0; k < history->samples; k++)
			json_array_append_new(balances, json_integer(history->peer[i].balance[k]));
		json_object_set_new(peers, history->peer[i].name,
				    json_pack("{s:o,s:I,s:I}", "balance_utok", balances,
					      "given_utok", (json_int_t)history->peer[i].given,
					      "received_utok",
					      (json_int_t)history->peer[i].received));
	}
	return json_pack("{s:o,s:o}", "time_ms", times, "peers", peers);
}
