/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_HTTP_CLIENT_H
#define RAIN_FEDERATION_HTTP_CLIENT_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/*
 * The gateway's HTTP client: requests to peers over mutual TLS 1.3 with the
 * server's key pinned, on the daemon's loop, on connections that are kept.
 * Control requests (messages) and bulk ones (blobs, streams) use separate
 * connections, so that the latter never hold up the former.
 */
struct rain_http_client;
struct rain_http_transfer;

/* What came back. All borrowed, until the callback returns. */
struct rain_http_result {
	int status;	   /* HTTP status; 0: no answer, `error` says why */
	bool connected;	   /* false: the peer wasn't reached at all */
	const char *error; /* sentence when status is 0 or >= 400, else NULL */
	const char *body;  /* NUL-terminated, never NULL; empty when `write` took it */
	size_t size;
	int64_t elapsed_ms; /* from the start to the end of the transfer */
	void *handle;	   /* for rain_http_result_header() */
};

/* A header of the answer, or NULL; valid until the next call or the end of
 * the callback. */
const char *rain_http_result_header(const struct rain_http_result *result, const char *name);

typedef void (*rain_http_done)(void *arg, const struct rain_http_result *result);

struct rain_http_call {
	/* Whom: address "host:port" and the Ed25519 public key it must prove. */
	const char *address;
	const unsigned char *key; /* 32 bytes */

	const char *method; /* "GET", "HEAD", "PUT", "POST" */
	const char *path;   /* with its query */
	const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */

	/* Body: body_size bytes of `body` (copied); or, where that is NULL and
	 * body_fd > 0, of that file from body_offset (the descriptor is duplicated). */
	const void *body;
	int body_fd;
	int64_t body_offset, body_size;

	/* Answer: collected up to reply_max bytes; or, when the status is
	 * below 300, handed to write (-1 cuts the transfer). */
	size_t reply_max;
	int (*write)(void *arg, const void *data, size_t size);

	int64_t timeout_ms; /* the whole; 0: only stalls end it (RAIN_LIMIT_HTTP_STALL_S) */
	bool bulk;

	/* Another client certificate than the cluster's (joins): PEM texts. */
	const char *certificate_pem, *key_pem;

	/* Told what came of it, just before done; for who keeps track of peers. */
	void (*observe)(void *observer, const struct rain_http_result *result);
	void *observer;

	rain_http_done done; /* called exactly once, unless cancelled; never from within start */
	void *arg; /* for write and done */
};

struct rain_http_client *rain_http_client_create(struct event_base *base, const char *state,
						 struct rain_error *err);

/* Starts a request (call is copied). NULL with err when the bounds are
 * reached or the call makes no sense; done isn't called then. */
struct rain_http_transfer *rain_http_client_start(struct rain_http_client *client,
						  const struct rain_http_call *call,
						  struct rain_error *err);

/* Ends it without calling done. NULL is fine; not after done was called. */
void rain_http_transfer_cancel(struct rain_http_transfer *transfer);

/* Cancels everything. */
void rain_http_client_destroy(struct rain_http_client *client);

#endif
