/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_LOCAL_HTTP_H
#define RAIN_FEDERATION_LOCAL_HTTP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "federation/digest.h"

/*
 * The client of the cluster's own gateway, for rain-relay (Unix socket) and
 * rain-agent (TCP, a new munge credential for each request).  It blocks; each
 * thread has its own.
 *
 * A gateway that is down or busy (no connection, 429, 5xx) is tried again, at
 * first soon and then every few seconds, for as long as nobody cancels: its
 * restart must not fail a job.  All requests may therefore arrive twice.
 */
struct rain_local_client;

/* One of the two; `address` is HOST:PORT. */
struct rain_local_client *rain_local_client_create(const char *socket_path, const char *address,
						   struct rain_error *err);
void rain_local_client_destroy(struct rain_local_client *client); /* NULL is fine */

/* Ends the call under way and all later ones with an error; from any thread. */
void rain_local_client_cancel(struct rain_local_client *client);
/* Takes one's own cancel back, when nothing is under way; others' stay. */
void rain_local_client_uncancel(struct rain_local_client *client);
bool rain_local_client_is_cancelled(const struct rain_local_client *client);

/* Called in the calling thread before the first pause of a call, with why:
 * to tell people that something is waited for. May be NULL. */
void rain_local_client_on_retry(struct rain_local_client *client,
				void (*notice)(void *arg, const char *why), void *arg);

/* Waits up to ms or until cancelled. */
void rain_local_client_pause(struct rain_local_client *client, int ms);

struct rain_local_answer {
	int status;	 /* of HTTP; 0: none came, only after a cancel */
	int64_t offset;	 /* header Rain-Offset, or -1 */
	int64_t end;	 /* header Rain-End, or -1 */
	char *body;	 /* NUL-terminated, never NULL when status is not 0 */
	size_t size;
};
void rain_local_answer_release(struct rain_local_answer *answer);

/* One request with an answer of at most `max` bytes in memory. `wait_s` is how
 * long the gateway may keep it waiting.  0 when any answer came that isn't a
 * reason to try again (look at status); -1 with err only when cancelled or
 * when it can't be asked at all. */
int rain_local_call(struct rain_local_client *client, const char *method, const char *path,
		    const void *body, size_t size, int wait_s, size_t max,
		    struct rain_local_answer *answer, struct rain_error *err);

/* The same with JSON both ways (`request` NULL: no body).  Answers other than
 * 2xx are errors with the gateway's own sentence; *status (may be NULL) has the
 * number, 0 when there was no answer. Returns a new reference; {} for an empty
 * answer. */
json_t *rain_local_json(struct rain_local_client *client, const char *method, const char *path,
			const json_t *request, int wait_s, int *status, struct rain_error *err);

/* Brings the blob in `fd` to `path` ("/v1/…/<sha256>"), unless it is there;
 * goes on where an interrupted upload was. *sent: whether bytes travelled. */
int rain_local_blob_put(struct rain_local_client *client, const char *path, int fd,
			const struct rain_digest *digest, bool *sent, struct rain_error *err);

/* Fetches a blob into the empty file `fd`, resuming after cuts, and checks it. */
int rain_local_blob_get(struct rain_local_client *client, const char *path, int fd,
			const struct rain_digest *digest, struct rain_error *err);

/* The same into a pipe, from the beginning. RAIN_LOCAL_PIPE_CLOSED (with err)
 * when nobody reads it any more. */
#define RAIN_LOCAL_PIPE_CLOSED (-2)
int rain_local_blob_pipe(struct rain_local_client *client, const char *path, int pipe,
			 const struct rain_digest *digest, struct rain_error *err);

/* {"sha256":…,"size":…} */
json_t *rain_local_digest_json(const struct rain_digest *digest);
int rain_local_digest_read(const json_t *object, struct rain_digest *digest,
			   struct rain_error *err);
/* The same for a bundle: in several parts it is {"parts":[…]}.  What _read
 * filled is to be released, also after an error. */
json_t *rain_local_digests_json(const struct rain_digests *digests);
int rain_local_digests_read(const json_t *object, struct rain_digests *digests,
			    struct rain_error *err);

#endif
