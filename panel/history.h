/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_HISTORY_H
#define RAIN_PANEL_HISTORY_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/*
 * How the account of each peer moved since the page's server started, in bounded
 * memory: when the samples are full, every second one goes and they are taken
 * half as often.  Pure.
 */
#define RAIN_HISTORY_PEERS 16
#define RAIN_HISTORY_SAMPLES 240
#define RAIN_HISTORY_FIRST_MS 5000

struct rain_history {
	size_t peers, samples;
	struct {
		char name[17];
		int64_t last, given, received; /* micro-tokens */
		int64_t balance[RAIN_HISTORY_SAMPLES];
	} peer[RAIN_HISTORY_PEERS];
	int64_t time_ms[RAIN_HISTORY_SAMPLES]; /* realtime */
	int64_t interval_ms;		       /* 0: nothing yet */
};

/* Takes over the peers as rain-panelweb-data tells them.  What moved towards a
 * peer's account was received from him, what moved away was given to him. */
void rain_history_add(struct rain_history *history, const json_t *peers, int64_t now_ms);

/* {"time_ms":[…],"peers":{"bravo":{"balance_utok":[…],"given_utok":…,
 * "received_utok":…}}}, a new reference. */
json_t *rain_history_json(const struct rain_history *history);

#endif
