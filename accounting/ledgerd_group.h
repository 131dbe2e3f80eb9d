/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_LEDGERD_GROUP_H
#define RAIN_ACCOUNTING_LEDGERD_GROUP_H

#include "accounting/ledgerd.h"

/*
 * The calls of rain-ledgerd's socket that move tokens, made in groups (accounting/group.h)
 * on a connection of their own.  Each is answered when it is on disk, or refused, as if it had
 * come alone.  A caller that gets no answer asks again with the same keys.
 */

struct rain_ledgerd_call;

/* Tells a caller of a call that is done; `again`: it had been done before.  Returns the
 * result, or NULL with err. */
typedef json_t *rain_ledgerd_tell(struct rain_ledgerd *ledgerd, const struct rain_ledgerd_call *call,
				  bool again, struct rain_error *err);

/* What telling needs to know. */
struct rain_ledgerd_call {
	rain_ledgerd_tell *tell; /* NULL: {"answer": …} */
	char user[65];		 /* who asks */
	char from[80], to[80];
	char reason[201];
	int64_t amount;
	/* of ledgerd_group.c */
	struct rain_ledgerd *ledgerd;
	struct rain_rpc_answer *answer;
};

struct rain_ledgerd_group *rain_ledgerd_group_create(struct rain_ledgerd *ledgerd,
						     struct rain_error *err);

/* Finishes what is under way; callers of the rest are told to ask again.  Their answers are
 * sent by the loop. */
void rain_ledgerd_group_end(struct rain_ledgerd_group *group);

/* NULL is fine. */
void rain_ledgerd_group_destroy(struct rain_ledgerd_group *group);

/* The database may be another one from the next group on. */
int rain_ledgerd_group_reload(struct rain_ledgerd_group *group, struct rain_error *err);

/* Puts the caller's answer off and makes `json` (as group_calls wants it; stolen) with others.
 * `call` is copied.  Returns what the handler returns. */
json_t *rain_ledgerd_group_call(struct rain_ledgerd *ledgerd, const struct rain_rpc_caller *caller,
				const struct rain_ledgerd_call *call, json_t *json,
				struct rain_error *err);

#endif
