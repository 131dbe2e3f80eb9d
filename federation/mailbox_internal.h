/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_MAILBOX_INTERNAL_H
#define RAIN_FEDERATION_MAILBOX_INTERNAL_H

#include <event2/event.h>
#include <stdbool.h>

#include "federation/envelope.h"
#include "federation/gateway.h"
#include "federation/limits.h"

/* What the files of the mailbox share; nobody else includes this. */

/* The mailbox's side of one peer. */
struct rain_mailbox_link {
	struct rain_gateway *gateway;
	struct rain_peer *peer;

	/* Sending by POST. */
	struct rain_http_transfer *posting;
	int64_t posted_ms; /* monotonic: when that began */
	struct event *post_timer; /* the next try */
	int64_t post_backoff_ms;
	bool post_waits; /* for post_timer, after a failure */

	/* Asking by GET. */
	struct rain_http_transfer *polling;
	struct event *poll_timer;
	int64_t poll_backoff_ms;
	struct rain_error poll_error; /* the last failure, which is logged once */
	bool poll_waits;
	bool poll_is_long;
	int64_t inbox_seq; /* -1: not read yet */

	/* Its GET that waits here. */
	struct rain_http_request *waiter;
	int64_t polled_ms; /* monotonic: its last long poll, 0: never */
	int64_t hint_ms;   /* monotonic: no sign of life counts before */
};

struct rain_mailbox {
	struct rain_gateway *gateway;
	struct rain_mailbox_link *links[RAIN_LIMIT_PEERS];
	size_t count;
};

/* mailbox.c: the peer's link, made when there is none; NULL: out of memory. */
struct rain_mailbox_link *rain_mailbox_link_of(struct rain_gateway *gateway,
					       struct rain_peer *peer);

/* The wait before the next try: doubles *backoff_ms up to the bound, +-50 %. */
struct timeval rain_mailbox_backoff(int64_t *backoff_ms);

/* mailbox_store.c: the part in the database.  All return 0, or -1 with err. */

/* What waits for the peer beyond `after` (a batch), as the JSON text of an
 * envelope in *text (free()), and how many messages are in it; what is up to
 * `after` is acknowledged and forgotten. `after` < 0: from the last
 * acknowledged.  dials is put into the envelope when >= 0. */
int rain_mailbox_read(struct rain_gateway *gateway, struct rain_peer *peer, int64_t after,
		      int dials, char **text, size_t *count, struct rain_error *err);

/* The peer has applied everything up to seq. */
int rain_mailbox_acknowledge(struct rain_gateway *gateway, struct rain_peer *peer, int64_t seq,
			     struct rain_error *err);

/* Applies a batch, one transaction each.  *applied is the last number that is
 * applied now, whatever the outcome, or -1 when that can't be known.  1: there is a gap
 * before the batch. */
int rain_mailbox_apply(struct rain_gateway *gateway, struct rain_peer *peer,
		       const struct rain_envelope *envelope, int64_t *applied,
		       struct rain_error *err);

/* The last number applied from the peer. */
int rain_mailbox_applied(struct rain_gateway *gateway, struct rain_peer *peer, int64_t *applied,
			 struct rain_error *err);

/* mailbox_poll.c */
void rain_mailbox_on_get(struct rain_gateway *gateway, struct rain_http_request *request);
void rain_mailbox_poll_now(struct rain_mailbox_link *link);
int rain_mailbox_poll_init(struct rain_mailbox_link *link);
void rain_mailbox_waiter_answer(struct rain_mailbox_link *link);

#endif
