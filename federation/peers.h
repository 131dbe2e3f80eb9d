/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_PEERS_H
#define RAIN_FEDERATION_PEERS_H

#include <jansson.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/rpc_server.h"
#include "federation/http_client.h"
#include "federation/http_server.h"
#include "federation/identity.h"
#include "federation/tally.h"

struct rain_gateway;
struct rain_peers;

/* A cluster that we are peered with.  Lives until the daemon ends; fields may
 * change between two turns of the loop, so keep the pointer, not the parts. */
struct rain_peer {
	int64_t row;  /* federation.peer.peer_id */
	char name[17]; /* our alias: also its account "peer:<name>" and its feature in Slurm */
	unsigned char key[RAIN_IDENTITY_KEY_SIZE];
	char id[RAIN_IDENTITY_ID_SIZE]; /* hex of sha256(key) */
	char **addresses; /* "host:port" under which we may dial it; none: it dials us */
	size_t address_count;
	int64_t protocol; /* the version that both speak; 0: none, so it can't be used */
	json_t *card;	  /* its last card */
	json_t *card_new; /* one that is being stored, or NULL */

	bool reachable;		 /* our last try to dial it succeeded */
	bool dials_us;		 /* it said that it can reach us (or needn't) */
	int64_t last_contact_ms; /* realtime of the last sign of life, 0: never */
	int64_t failed_ms;	 /* realtime of our last request that got no answer, 0: none */
	int64_t latency_ms;	 /* of the last short request, -1: unknown */
	int64_t clock_ahead_ms;	 /* its clock against ours when that was heard of last */
	bool clock_known;
	struct rain_tally *tallies;

	size_t address_next; /* which address is tried first */
	char *card_sent;     /* canonical: our last card that it was told */
	bool lend_paused;    /* it gets nothing from us */
	bool borrow_paused;  /* it gets none of our jobs */
	bool removed;	     /* by the owner: it is a stranger until it joins again */
	bool lost_count;     /* its numbers and ours don't fit: see doc/protocol.txt, 5 */
	struct rain_mailbox_link *link; /* the mailbox's own */
};

/* Reads peers and open invitations from the store, again and again until it is
 * there; up to then nobody is known. */
struct rain_peers *rain_peers_create(struct rain_gateway *gateway, struct rain_error *err);
void rain_peers_destroy(struct rain_peers *peers);
bool rain_peers_are_loaded(const struct rain_peers *peers);

size_t rain_peers_count(const struct rain_peers *peers);
struct rain_peer *rain_peers_at(const struct rain_peers *peers, size_t index);
/* NULL when there is none. */
struct rain_peer *rain_peers_by_name(const struct rain_peers *peers, const char *name);
struct rain_peer *rain_peers_by_row(const struct rain_peers *peers, int64_t row);
struct rain_peer *rain_peers_by_key(const struct rain_peers *peers, const unsigned char *key);
bool rain_peers_invited(const struct rain_peers *peers, const unsigned char *key);

/* Starts a request to a peer: fills in address and key of *call.  When it
 * can't be connected the next request tries the peer's next address.  NULL
 * with err when the peer has no address, or as rain_http_client_start(). */
struct rain_http_transfer *rain_peers_request(struct rain_gateway *gateway,
					      struct rain_peer *peer,
					      const struct rain_http_call *call,
					      struct rain_error *err);

/* Until when (realtime, ms) the owner lends nothing at all; 0: no such order. */
int64_t rain_peers_recalled_until(const struct rain_peers *peers);
/* Makes it so, for good: also across a restart. */
int rain_peers_recall(struct rain_gateway *gateway, int64_t until_ms, struct rain_error *err);

/* A peer has been in contact with us just now. */
void rain_peers_seen(struct rain_peer *peer);
/* The header Date (or NULL) of a message that it has sent just now. */
void rain_peers_hear_clock(struct rain_peer *peer, const char *date);

/* Takes over a card that the peer sent by message, in that transaction; the
 * peer in memory follows when it is committed. */
int rain_peers_card_apply(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
			  const json_t *body, struct rain_error *err);

/* Tells all peers our card if they know another one: to be called when the
 * capabilities have changed. */
void rain_peers_card_announce(struct rain_gateway *gateway);

/* This cluster's card: what it tells this peer (NULL: one that is just joining).
 * A new reference. */
json_t *rain_peers_own_card(struct rain_gateway *gateway, const struct rain_peer *peer);
/* Sends our card to the peers that don't know it as it is now. */
void rain_peers_card_announce(struct rain_gateway *gateway);

/* POST /v1/join, and the operations peer-invite, peer-accept, peer-join and
 * peer-list of the control socket. */
extern const struct rain_http_route rain_peers_routes[];
extern const struct rain_rpc_op rain_peers_ops[];

#endif
