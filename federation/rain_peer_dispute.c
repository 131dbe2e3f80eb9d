// SPDX-License-Identifier: GPL-2.0-or-later
/* rain peer dispute, disputes. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/cli.h"
#include "common/tokens.h"
#include "federation/command.h"
#include "federation/rain_peer.h"

int rain_peer_dispute(const char *socket_path, const char *peer, const char *verb)
{
	bool accepts = strcmp(verb, "accept") == 0;
	char tokens[RAIN_TOKENS_TEXT_SIZE];
	struct rain_error err = {{0}};
	long long count, left;
	json_t *result;
	int code;

	if (!accepts && strcmp(verb, "withdraw") != 0)
		return rain_cli_usage("a dispute is settled by 'accept' or 'withdraw', not by '%s'", verb);
	result = rain_command_ask(socket_path,
				  json_pack("{s:s,s:s,s:s}", "op", "dispute", "peer", peer, "verb", verb),
				  &code);
	if (!result)
		return code;
	count = rain_command_number(result, "receipts");
	left = rain_command_number(result, "left");
	rain_tokens_format(rain_command_number(result, "amount_utok"), tokens);
	json_decref(result);
	if (accepts)
		printf("%lld receipts of %s are accepted, for %s tokens.\n", count, peer, tokens);
	else
		printf("%lld receipts that %s refused are withdrawn.\n", count, peer);
	if (count > 0)
		return RAIN_EXIT_OK;
	if (left > 0)
		rain_error_set(&err, "what was refused proves nothing: only the owner of %s can mend it, by "
				     "'rain peer dispute ... withdraw' there", peer);
	else
		rain_error_set(&err, "nothing of the kind is open: see 'rain peer disputes'");
	return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
}

static const char *format_tokens(const json_t *dispute, const char *key, char text[static RAIN_TOKENS_TEXT_SIZE])
{
	return json_is_integer(json_object_get(dispute, key))
		       ? rain_tokens_format(rain_command_number(dispute, key), text) : "-";
}

static void add_row(struct rain_table *table, const json_t *dispute)
{
	char claimed[RAIN_TOKENS_TEXT_SIZE], observed[RAIN_TOKENS_TEXT_SIZE], paid[RAIN_TOKENS_TEXT_SIZE],
		number[24] = "-", at[32] = "-";
	time_t when = (time_t)rain_command_number(dispute, "at");
	struct tm local;

	if (json_is_integer(json_object_get(dispute, "number")))
		snprintf(number, sizeof(number), "%lld", (long long)rain_command_number(dispute, "number"));
	if (localtime_r(&when, &local))
		strftime(at, sizeof(at), "%Y-%m-%d %H:%M", &local);
	rain_table_add(table,
		       (const char *[]){rain_command_text(dispute, "peer"),
					strcmp(rain_command_text(dispute, "we"), "lender") == 0 ? "lent" : "borrowed",
					number, at, format_tokens(dispute, "claimed_utok", claimed),
					format_tokens(dispute, "observed_utok", observed),
					format_tokens(dispute, "paid_utok", paid), rain_command_text(dispute, "state"),
					rain_command_text(dispute, "burst"), rain_command_text(dispute, "reason")});
}

int rain_peer_disputes(const char *socket_path, bool json, enum rain_table_style style)
{
	static const char *const headers[] = {"PEER", "WE", ">RECEIPT", "AT", ">CLAIMED", ">OBSERVED",
					      ">PAID", "STATE", "BURST", "REASON", NULL};

	return rain_command_list(socket_path, "disputes", headers, add_row, json, style);
}
