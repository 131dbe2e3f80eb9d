// SPDX-License-Identifier: GPL-2.0-or-later
/* rain peer ban, unban, bans. */
#include <jansson.h>
#include <stdio.h>
#include <time.h>

#include "common/cli.h"
#include "federation/command.h"
#include "federation/rain_peer.h"

int rain_peer_ban(const char *socket_path, const char *peer, const char *user, const char *reason)
{
	json_t *result;
	int code;

	result = rain_command_ask(socket_path,
				  json_pack("{s:s,s:s,s:s,s:s}", "op", "ban", "peer", peer, "user",
					    user, "reason", reason ? reason : ""),
				  &code);
	if (!result)
		return code;
	printf("Jobs of %s of %s aren't taken any more; %lld of them are being sent away.\n", user,
	       peer, (long long)rain_command_number(result, "guests"));
	json_decref(result);
	return RAIN_EXIT_OK;
}

int rain_peer_unban(const char *socket_path, const char *peer, const char *user)
{
	json_t *result;
	int code;

	result = rain_command_ask(socket_path,
				  json_pack("{s:s,s:s,s:s}", "op", "unban", "peer", peer, "user", user),
				  &code);
	if (!result)
		return code;
	printf("Jobs of %s of %s are taken again.\n", user, peer);
	json_decref(result);
	return RAIN_EXIT_OK;
}

static void add_row(struct rain_table *table, const json_t *ban)
{
	time_t seconds = (time_t)rain_command_number(ban, "since");
	char since[32] = "";
	struct tm when;

	if (localtime_r(&seconds, &when))
		strftime(since, sizeof(since), "%Y-%m-%dT%H:%M:%S", &when);
	rain_table_add(table, (const char *[]){rain_command_text(ban, "peer"),
					       rain_command_text(ban, "user"), since,
					       rain_command_text(ban, "reason")});
}

int rain_peer_bans(const char *socket_path, bool json, enum rain_table_style style)
{
	static const char *const headers[] = {"PEER", "USER", "SINCE", "REASON", NULL};

	return rain_command_list(socket_path, "bans", headers, add_row, json, style);
}
