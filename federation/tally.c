// SPDX-License-Identifier: GPL-2.0-or-later
#include "federation/tally.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "federation/peers.h"
#include "federation/store.h"

static struct rain_tally *find(struct rain_peer *peer, enum rain_tally_kind kind, const char *label)
{
	struct rain_tally *tally = peer->tallies;

	while (tally && (tally->kind != kind || strcmp(tally->label, label) != 0))
		tally = tally->next;
	if (tally || !(tally = calloc(1, sizeof(*tally))))
		return tally;
	tally->kind = kind;
	snprintf(tally->label, sizeof(tally->label), "%s", label);
	tally->next = peer->tallies;
	return peer->tallies = tally;
}

static void increment(void *arg)
{
	struct rain_tally *tally = arg;

	tally->count++;
}

void rain_tally_add(struct rain_peer *peer, enum rain_tally_kind kind, const char *label)
{
	struct rain_tally *tally = find(peer, kind, label);

	if (tally)
		increment(tally);
}

void rain_tally_after_commit(PGconn *tx, struct rain_peer *peer, enum rain_tally_kind kind, const char *label)
{
	struct rain_tally *tally = find(peer, kind, label);

	if (tally)
		rain_store_after_commit(tx, increment, tally);
}

void rain_tally_release(struct rain_peer *peer)
{
	while (peer->tallies) {
		struct rain_tally *tally = peer->tallies;

		peer->tallies = tally->next;
		free(tally);
	}
}
