/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_MAILBOX_H
#define RAIN_FEDERATION_MAILBOX_H

#include <jansson.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "federation/http_server.h"

struct rain_gateway;
struct rain_mailbox;
struct rain_peer;

/*
 * Messages between clusters: numbered per direction, stored in the transaction
 * of the state change that causes them, delivered in order at least once,
 * applied exactly once (doc/protocol.txt).
 */

/* Applies one message within the transaction that also advances the inbox.
 * 0: applied.  -1 with err: the message is wrong; all that the handler did is
 * rolled back, the message is recorded in federation.refused with err, the
 * sender is told by an "undelivered" message, and the mailbox goes on.  (When
 * the database was at fault the message isn't refused but tried again.)  May
 * be called again for the same message after a rollback: no side effects
 * outside tx but by rain_store_after_commit(). */
struct rain_message_handler {
	const char *type; /* NULL ends a table */
	int (*apply)(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
		     const json_t *body, struct rain_error *err);
};

/* Puts a message into the peer's outbox, in the caller's transaction; it
 * leaves as soon as that is committed.  `body` is a JSON object of at most
 * RAIN_LIMIT_MESSAGE_BODY bytes; stays the caller's. */
int rain_mailbox_post(struct rain_gateway *gateway, PGconn *tx, const struct rain_peer *peer,
		      const char *type, const json_t *body, struct rain_error *err);

struct rain_mailbox *rain_mailbox_create(struct rain_gateway *gateway, struct rain_error *err);
void rain_mailbox_destroy(struct rain_mailbox *mailbox);

/* POST and GET /v1/messages, and the transport's own messages ("card",
 * "undelivered"; a module that has a handler for the latter gets it instead). */
extern const struct rain_http_route rain_mailbox_routes[];
extern const struct rain_message_handler rain_mailbox_messages[];

/* A peer has been added, or something has been put into its outbox: what
 * waits for it goes out now. */
void rain_mailbox_wake(struct rain_mailbox *mailbox, struct rain_peer *peer);

/* True while a request of the peer waits here for messages. */
bool rain_mailbox_is_polled(const struct rain_peer *peer);

/* The peer has just been in contact with us: no waiting after failures. */
void rain_mailbox_contact(struct rain_mailbox *mailbox, struct rain_peer *peer);

#endif
