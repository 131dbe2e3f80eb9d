/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_TALLY_H
#define RAIN_FEDERATION_TALLY_H

#include <libpq-fe.h>
#include <stdint.h>

/* What has happened with a peer since the gateway started, counted in memory: for metrics. */
enum rain_tally_kind {
	RAIN_TALLY_APPLIED, /* its messages, by type */
	RAIN_TALLY_BURSTS,  /* our jobs there that came to an end, by outcome */
	RAIN_TALLY_LOANS,   /* its jobs here, likewise */
};

struct rain_tally {
	struct rain_tally *next;
	enum rain_tally_kind kind;
	char label[32];
	int64_t count;
};

struct rain_peer;

void rain_tally_add(struct rain_peer *peer, enum rain_tally_kind kind, const char *label);
/* When the transaction is committed; once in it for each kind and label. */
void rain_tally_after_commit(PGconn *tx, struct rain_peer *peer, enum rain_tally_kind kind, const char *label);
void rain_tally_release(struct rain_peer *peer);

#endif
