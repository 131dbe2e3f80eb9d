/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_BLOB_HTTP_H
#define RAIN_FEDERATION_BLOB_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "federation/http_server.h"

struct rain_gateway;
struct rain_http_request;
struct rain_peer;

/*
 * Blobs over HTTP, for any face: the caller of these has already decided that
 * the request is allowed.
 *
 *   HEAD  200, Content-Length: the size, when we have it whole; else 404 with
 *         "Rain-Offset: N", where an upload of `owner` goes on.
 *   GET   200 or, with "Range: bytes=N-" or "bytes=N-M", 206; 404.
 *   PUT   whole body from offset 0, or "Content-Range: bytes N-M/SIZE" to go
 *         on at N.  201 when complete and right (200: we had it), 202 with
 *         Rain-Offset when more is to come, 416 with Rain-Offset when N is beyond
 *         what we have, 422 when the SHA-256 is another one, 413/507 quotas, space.
 */
void rain_blob_http_get(struct rain_gateway *gateway, struct rain_http_request *request,
			const char *sha256, const char *owner);
/* For a route's begin, write and handler. `owner` pays for the space; at most
 * size_max bytes in all. */
void rain_blob_http_put_begin(struct rain_gateway *gateway, struct rain_http_request *request,
			      const char *sha256, const char *owner, int64_t size_max);
int rain_blob_http_put_write(struct rain_gateway *gateway, struct rain_http_request *request,
			     const void *data, size_t size, struct rain_error *err);
void rain_blob_http_put_end(struct rain_gateway *gateway, struct rain_http_request *request);

/* HEAD of who may bring it: 200 when `owner` has, else 404 and how far it is. */
void rain_blob_http_head(struct rain_gateway *gateway, struct rain_http_request *request,
			 const char *sha256, const char *owner);

/* HEAD, GET and PUT /v1/blobs/{sha256} for peers, as the modules' blob_allow
 * decides. */
extern const struct rain_http_route rain_blob_http_routes[];

/* Moving blobs between clusters, in the background: resumed after every cut,
 * given up after RAIN_LIMIT_BLOB_RETRIES tries without progress or when the
 * peer refuses.  `done` gets error NULL on success; it is called exactly once,
 * never from within the start, unless cancelled. */
struct rain_blob_move;
typedef void (*rain_blob_done)(void *arg, const char *error);

/* Gives the peer a blob of ours, for this burst (nothing is sent when it has it). */
struct rain_blob_move *rain_blob_push(struct rain_gateway *gateway, struct rain_peer *peer,
				      const char *sha256, const char *burst, rain_blob_done done,
				      void *arg, struct rain_error *err);
/* Fetches a blob of at most size_max bytes; `owner` pays for the space. */
struct rain_blob_move *rain_blob_pull(struct rain_gateway *gateway, struct rain_peer *peer,
				      const char *sha256, const char *owner, int64_t size_max,
				      rain_blob_done done, void *arg, struct rain_error *err);
/* Bytes moved so far, of how many (-1: not known yet). */
void rain_blob_move_progress(const struct rain_blob_move *move, int64_t *at, int64_t *size);
void rain_blob_move_cancel(struct rain_blob_move *move); /* done isn't called; NULL is fine */

#endif
