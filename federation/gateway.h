/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_GATEWAY_H
#define RAIN_FEDERATION_GATEWAY_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "common/config.h"
#include "common/error.h"
#include "common/metrics_outlet.h"
#include "common/rpc_async.h"
#include "common/rpc_server.h"
#include "federation/blob.h"
#include "federation/blob_http.h"
#include "federation/http_client.h"
#include "federation/http_server.h"
#include "federation/identity.h"
#include "federation/mailbox.h"
#include "federation/peers.h"
#include "federation/store.h"

/*
 * rain-gatewayd's context.  The transport (identity, peers, HTTP, mailbox,
 * blobs) is one half; what the messages mean comes as modules.
 */
struct rain_gateway;

#define RAIN_GATEWAY_MODULES_MAX 8

/* What a peer may bring: how much, and whose it will be. */
struct rain_blob_leave {
	int64_t size_max;
	char owner[RAIN_BLOB_OWNER_SIZE];
};

struct rain_gateway_module {
	const char *name;

	/* After the transport is up and before anything listens.  The database may
	 * be away: init doesn't need it.  NULL where there is nothing to do. */
	int (*init)(struct rain_gateway *gateway, struct rain_error *err);
	void (*fini)(struct rain_gateway *gateway); /* also after a failed init */
	/* Peers have been read from the store: recovery may begin. Called once. */
	void (*ready)(struct rain_gateway *gateway);
	/* A peer has been added. */
	void (*peer_joined)(struct rain_gateway *gateway, struct rain_peer *peer);

	const struct rain_http_route *routes;	      /* may be NULL */
	const struct rain_message_handler *messages;  /* may be NULL */
	const struct rain_rpc_op *ops; /* of the control socket; arg is the gateway; may be NULL */

	/* Adds what this peer (NULL: one that is just joining) should know to our card. */
	void (*card)(struct rain_gateway *gateway, const struct rain_peer *peer, json_t *card);
	/* May this peer read (or write) this blob, as it says for `burst` (NULL: it
	 * doesn't say)?  Fills *leave when it may write. false with err, whose text
	 * the peer gets. */
	bool (*blob_allow)(struct rain_gateway *gateway, const struct rain_peer *peer,
			   const char *sha256, bool write, const char *burst,
			   struct rain_blob_leave *leave, struct rain_error *err);
	/* The peer has brought this blob. */
	void (*blob_came)(struct rain_gateway *gateway, const struct rain_peer *peer,
			  const char *sha256);
	/* Is this blob still needed? */
	bool (*blob_in_use)(struct rain_gateway *gateway, const char *sha256);
	/* Writes families of OpenMetrics of its own; may be NULL. */
	void (*metrics)(const struct rain_gateway *gateway, FILE *out);
};

struct rain_gateway {
	struct rain_config *config; /* replaced on SIGHUP: ask it anew each time */
	struct rain_config *config_first; /* that of the start; what can't change is taken from it */
	const char *config_path;
	const struct rain_gateway_module *const *modules; /* NULL-terminated */
	struct event_base *base;
	struct rain_identity identity;
	struct rain_store *store;
	struct rain_blob_store *blobs;
	struct rain_http_client *client;
	struct rain_peers *peers;
	struct rain_mailbox *mailbox;
	struct rain_http_server *server;
	struct rain_rpc_client *broker;
	struct rain_rpc_op *ops; /* of all modules together */
	struct rain_rpc_server *control;
	struct event *signals[3];
	struct event *clean; /* old blobs, now and then */
	struct rain_metrics_outlet *outlet;
	char *metrics_text; /* the last, made at metrics_ms (monotonic) */
	int64_t metrics_ms;
	void *mind; /* the mind module's own state */
};

/* Builds everything, says READY=1, runs until SIGTERM or SIGINT, takes
 * everything down.  Returns an exit code of common/cli.h; errors go to the log. */
int rain_gateway_run(const char *config_path, const struct rain_gateway_module *const modules[]);

/* True for root and the administrators of the config (ledger.administrators). */
bool rain_gateway_is_administrator(const struct rain_gateway *gateway, uid_t uid);

#endif
