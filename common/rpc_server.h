/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_COMMON_RPC_SERVER_H
#define RAIN_COMMON_RPC_SERVER_H

#include <event2/event.h>
#include <jansson.h>
#include <sys/types.h>

#include "common/error.h"

/* The server of common/rpc.h on a libevent loop. */

struct rain_rpc_server;

struct rain_rpc_caller {
	uid_t uid;
	gid_t gid;
	pid_t pid;
};

/* Answers one request.  Returns the result (a new reference, json_null() for
 * "done"), or NULL with err, whose text the caller gets.  `caller` is valid during the call. */
typedef json_t *(*rain_rpc_handler)(void *arg, const struct rain_rpc_caller *caller,
				    const json_t *request, struct rain_error *err);

/* A handler that can't answer yet takes this and returns NULL; whoever works at the request
 * then answers, once, with rain_rpc_answer().  The caller may have gone by then, or the
 * server: nothing is sent.  Other requests of the same connection are served meanwhile, their
 * answers wait for their turn; with 64 unanswered, or 1 MiB of answers that it hasn't read, no
 * more is read from it.  NULL: no memory; the handler answers with an error. */
struct rain_rpc_answer;
struct rain_rpc_answer *rain_rpc_put_off(const struct rain_rpc_caller *caller);

/* As a handler returns it: the result (borrowed), or NULL and the text of the error.  Frees
 * `answer`. */
void rain_rpc_answer(struct rain_rpc_answer *answer, json_t *result, const char *error);

struct rain_rpc_op {
	const char *name;
	rain_rpc_handler handler;
};

/* Listens at `path` (a stale socket there is replaced) with the given mode.
 * `ops` ends with a NULL name and stays owned by the caller.  At most 256
 * connections; one more is closed at once. */
struct rain_rpc_server *rain_rpc_server_create(struct event_base *base, const char *path,
					       mode_t mode, const struct rain_rpc_op *ops,
					       void *arg, struct rain_error *err);

/* Closes everything and removes the socket; NULL is fine. */
void rain_rpc_server_destroy(struct rain_rpc_server *server);

#endif
