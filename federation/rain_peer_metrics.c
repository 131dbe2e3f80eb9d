// SPDX-License-Identifier: GPL-2.0-or-later
/* The peers as OpenMetrics: one series for each peer, never one for each job. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/tokens.h"
#include "federation/command.h"
#include "federation/rain_peer.h"

static void head(const char *name, const char *unit, const char *help)
{
	printf("# TYPE %s gauge\n", name);
	if (unit)
		printf("# UNIT %s %s\n", name, unit);
	printf("# HELP %s %s\n", name, help);
}

static void numbers(const json_t *peers, const char *name, const char *key, const char *help)
{
	const json_t *peer;
	size_t i;

	head(name, NULL, help);
	json_array_foreach(peers, i, peer)
		printf("%s{peer=\"%s\"} %" PRId64 "\n", name, rain_command_text(peer, "name"),
		       rain_command_number(peer, key));
}

static void tokens(const json_t *peers, const char *name, const char *key, const char *help)
{
	char text[RAIN_TOKENS_TEXT_SIZE];
	const json_t *peer;
	size_t i;

	head(name, "tokens", help);
	json_array_foreach(peers, i, peer)
		printf("%s{peer=\"%s\"} %s\n", name, rain_command_text(peer, "name"),
		       rain_tokens_format(rain_command_number(peer, key), text));
}

/* `then`: `key` is an instant, and its age is told; negative is unknown. */
static void seconds(const json_t *peers, const char *name, const char *key, int64_t then, const char *help)
{
	const json_t *peer;
	size_t i;

	head(name, "seconds", help);
	json_array_foreach(peers, i, peer) {
		int64_t ms = rain_command_number(peer, key);

		if (then)
			ms = ms && then > ms ? then - ms : ms ? 0 : -1;
		if (ms >= 0)
			printf("%s{peer=\"%s\"} %" PRId64 ".%03" PRId64 "\n", name, rain_command_text(peer, "name"),
			       ms / 1000, ms % 1000);
	}
}

void rain_peer_metrics(const json_t *peers, int64_t now_ms)
{
	const json_t *peer;
	size_t i;

	head("rain_peer_up", NULL, "1 when messages reach the peer.");
	json_array_foreach(peers, i, peer)
		printf("rain_peer_up{peer=\"%s\"} %d\n", rain_command_text(peer, "name"),
		       strcmp(rain_command_text(peer, "state"), "up") == 0);
	seconds(peers, "rain_peer_silence_seconds", "last_contact_ms", now_ms, "Since the peer was last heard of.");
	seconds(peers, "rain_peer_latency_seconds", "latency_ms", 0, "What the last short request took.");
	tokens(peers, "rain_peer_balance_tokens", "balance_utok", "Positive: what we owe it.");
	tokens(peers, "rain_peer_held_tokens", "held_utok", "Promised to it for loans that run.");
	tokens(peers, "rain_peer_credit_limit_tokens", "credit_limit_utok", "How much it may owe us.");
	numbers(peers, "rain_peer_outbox_messages", "outbox", "Messages that wait for it.");
	numbers(peers, "rain_peer_refused_messages", "refused", "Its messages that made no sense.");
	numbers(peers, "rain_peer_disputed_receipts", "disputed", "Receipts disputed or refused.");
	numbers(peers, "rain_peer_month_ended_bursts", "ended", "Our jobs of the last 30 days that it ended.");
	numbers(peers, "rain_peer_month_lost_bursts", "lost", "Our jobs of the last 30 days that it lost.");
	numbers(peers, "rain_peer_month_evicted_bursts", "evicted", "Our jobs of the last 30 days that it evicted.");
	puts("# EOF");
}
