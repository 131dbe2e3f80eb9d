/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_PEERS_INTERNAL_H
#define RAIN_FEDERATION_PEERS_INTERNAL_H

#include <event2/event.h>
#include <sys/queue.h>

#include "federation/card.h"
#include "federation/gateway.h"
#include "federation/limits.h"

/* What the files of the peer table share; nobody else includes this. */

struct rain_peers_invitation {
	TAILQ_ENTRY(rain_peers_invitation) entry;
	unsigned char key[RAIN_IDENTITY_KEY_SIZE];
	int64_t ends_ms; /* monotonic */
};

struct rain_peers_join; /* peers_accept.c */

struct rain_peers {
	struct rain_gateway *gateway;
	bool loaded;
	struct event *timer; /* loads again, then saves what people want to see */
	struct rain_peer *peers[RAIN_LIMIT_PEERS];
	size_t count;
	TAILQ_HEAD(, rain_peers_invitation) invitations;
	TAILQ_HEAD(, rain_peers_join) joins;
	int64_t join_last;
	int64_t recalled_until_ms;
};

/* Stores a peer that has just joined, or finds it by its key, and opens its
 * account: within tx.  *row gets its row, stored_name (17 bytes) the name
 * that it has here. */
int rain_peers_store(struct rain_gateway *gateway, PGconn *tx, const char *name,
		     const struct rain_card *card, const json_t *object, int64_t *row,
		     char *stored_name, struct rain_error *err);

/* The peer in memory after that was committed: added, or its card renewed. */
struct rain_peer *rain_peers_add(struct rain_gateway *gateway, int64_t row, const char *name,
				 const struct rain_card *card, const json_t *object);

/* Puts a card's parts into the peer. */
void rain_peers_take_card(struct rain_peer *peer, const struct rain_card *card,
			  const json_t *object);

/* Remembers an invitation so that its key passes the handshake. */
int rain_peers_invitation_add(struct rain_peers *peers, const unsigned char *key, int64_t valid_ms);

/* "up", "down", "paused", … (rain-peer(1)). */
const char *rain_peers_state(const struct rain_gateway *gateway, const struct rain_peer *peer);

/* Only administrators may go on. */
int rain_peers_check_administrator(struct rain_gateway *gateway,
				   const struct rain_rpc_caller *caller, struct rain_error *err);

/* Tells the rest of the daemon of a peer that has just joined. */
void rain_peers_joined(struct rain_gateway *gateway, struct rain_peer *peer);

/* Operations of the control socket. */
json_t *rain_peers_op_invite(void *arg, const struct rain_rpc_caller *caller,
			     const json_t *request, struct rain_error *err);
json_t *rain_peers_op_list(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
			   struct rain_error *err);
json_t *rain_peers_op_accept(void *arg, const struct rain_rpc_caller *caller,
			     const json_t *request, struct rain_error *err);
json_t *rain_peers_op_join(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
			   struct rain_error *err);
json_t *rain_peers_op_pause(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
			    struct rain_error *err);
json_t *rain_peers_op_limit(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
			    struct rain_error *err);
json_t *rain_peers_op_remove(void *arg, const struct rain_rpc_caller *caller,
			     const json_t *request, struct rain_error *err);
void rain_peers_joins_destroy(struct rain_peers *peers);

#endif
