/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_COMMON_RPC_H
#define RAIN_COMMON_RPC_H

#include <jansson.h>
#include <stdbool.h>

#include "common/error.h"

/*
 * Calls between RAIN's processes of one host.  A Unix stream socket carries
 * one JSON object per line each way: requests of at most RAIN_RPC_LINE_MAX bytes, answers
 * of at most RAIN_RPC_ANSWER_MAX (what daemons of ours list may be long; who asks may be
 * anybody):
 *
 *   -> {"op":"balance", …}
 *   <- {"ok":true,"result":…}   or   {"ok":false,"error":"a sentence"}
 *
 * The server knows its caller by SO_PEERCRED.  Several calls may follow each
 * other on one connection; answers come in the order of the requests.
 */
#define RAIN_RPC_LINE_MAX (1024 * 1024)
#define RAIN_RPC_ANSWER_MAX (16 * 1024 * 1024)

/* One call, waiting at most timeout_ms.  Steals no reference of `request`.
 * Returns the "result" (a new reference) or NULL with err: the server's own
 * sentence, or why it can't be reached. */
json_t *rain_rpc_call(const char *socket_path, json_t *request, int timeout_ms,
		      struct rain_error *err);

/* The same; *told becomes whether the server answered, if only to refuse: when it didn't,
 * nobody knows whether it did what was asked. */
json_t *rain_rpc_ask(const char *socket_path, json_t *request, int timeout_ms, bool *told,
		     struct rain_error *err);

/* Whether anybody listens at socket_path; if not, err says that `daemon` isn't
 * running.  For callers that tell this from a call that failed. */
bool rain_rpc_listens(const char *socket_path, const char *daemon, struct rain_error *err);

#endif
