/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_COMMON_RPC_ASYNC_H
#define RAIN_COMMON_RPC_ASYNC_H

#include <event2/event.h>
#include <jansson.h>

#include "common/error.h"

/* A client of common/rpc.h that never blocks: for daemons that must go on
 * while another one (or the Slurm behind it) is slow or dead. */

struct rain_rpc_client;

/* `result` is borrowed, or NULL with a sentence in `error`. */
typedef void (*rain_rpc_done)(void *arg, const json_t *result, const char *error);

/* Connects when the first call comes, and again after a loss. */
struct rain_rpc_client *rain_rpc_client_create(struct event_base *base, const char *path);

/* Calls done exactly once: with the answer, or with an error when the server
 * can't be reached, went away, or did not answer within timeout_ms (the
 * connection is then given up, and every call on it fails).  Never calls done
 * before it has returned.  Steals no reference of `request`.  -1 only when the
 * request can't be encoded or RAIN_RPC_PENDING_MAX calls are under way. */
#define RAIN_RPC_PENDING_MAX 256
int rain_rpc_client_call(struct rain_rpc_client *client, json_t *request, int timeout_ms,
			 rain_rpc_done done, void *arg, struct rain_error *err);

/* Pending calls are dropped without being told; NULL is fine. */
void rain_rpc_client_destroy(struct rain_rpc_client *client);

#endif
