/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_LENDER_INTERNAL_H
#define RAIN_FEDERATION_LENDER_INTERNAL_H

/* Inside of lender_ask.c, lender_decide.c, lender_lease.c and lender_room.c: what is asked of us and
 * what we have promised, in memory. */
#include "federation/policy.h"

#define RAIN_LEASES_MAX 256

struct rain_lease {
	struct rain_lease *next;
	char id[RAIN_UUID_SIZE], user[RAIN_USER_SIZE];
	int64_t peer, until_ms;
	struct rain_shape shape;
	struct rain_terms terms;
};

struct rain_lender_ask {
	struct rain_lender_ask *next;
	struct rain_peer *peer;
	char id[RAIN_UUID_SIZE], user[RAIN_USER_SIZE], arch[RAIN_ARCH_SIZE];
	struct rain_shape shape;
	int64_t expected_s, asked_ms;
	int64_t waiting; /* jobs of its home that wait for room, too */
	int64_t limit_utok;  /* what the ledger would still let the peer owe us */
	int64_t credit_utok; /* … and what the policy would */
	int64_t owed_utok;   /* what we owe the peer */
	bool offer, capacity;
	struct rain_capacity room; /* … that there is, of a refusal for want of it */
	int64_t credit_left_utok; /* of a refusal for want of credit: what would be within it */
	struct rain_terms terms;
	char reason[RAIN_REASON_SIZE];
};

struct rain_leases {
	struct rain_lease *list;
	struct rain_lender_ask *pending;
	size_t lease_count, pending_count;
	struct event *answer, *room;
	bool asking;
	struct rain_turned_away *turned_away; /* lender_room.c: the line */
	int looks; /* for nodes that became free */
	int64_t told_nodes, told_ms; /* of how many somebody was told who hasn't asked yet */
	int64_t collect_ms; /* monotonic: asks are answered together then */
	int64_t read_ms, asked_ms; /* monotonic, of the picture */
	int64_t nodes_idle, nodes_planned; /* planned: idle until window_ms, then an owner's job's */
	int64_t window_ms, nodes_total, cpus_per_node, mem_mb_per_node;
	char reason[RAIN_REASON_SIZE], arch[RAIN_ARCH_SIZE];
	bool known;
};

static inline int64_t rain_lender_least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

struct rain_leases *rain_leases_of(const struct rain_gateway *gateway);

/* --- lender_lease.c --- */
void rain_leases_expire(struct rain_leases *leases);
/* Keeps the nodes of an offer free for some seconds. */
void rain_leases_make(struct rain_gateway *gateway, const struct rain_lender_ask *ask);
/* Nodes that are promised but don't show as taken yet. */
int64_t rain_leases_nodes_promised(const struct rain_gateway *gateway);
/* Tokens that leases would hold, of one peer. */
int64_t rain_leases_tokens_promised(const struct rain_gateway *gateway, int64_t peer);

/* --- lender_room.c --- */
int rain_room_start(struct rain_gateway *gateway, struct rain_error *err);
void rain_room_stop(struct rain_leases *leases);
/* The ask found no room, or more of its home's jobs wait: its peer will hear when there is some. */
void rain_room_turned_away(struct rain_gateway *gateway, const struct rain_lender_ask *ask);
/* So many nodes are promised. */
void rain_room_taken(struct rain_leases *leases, int64_t nodes);
/* There is a new picture of the nodes: perhaps the first in line is to be told. */
void rain_room_seen(struct rain_gateway *gateway);
/* Somebody stands in line, and the picture is old. */
bool rain_room_is_to_look(const struct rain_leases *leases);

/* --- lender_ask.c --- */
/* Asks the broker for a new picture of the nodes, unless it is being asked. */
void rain_leases_look(struct rain_gateway *gateway);
/* Reads what the ask's peer may owe us, and what it does, into the ask. */
int rain_lender_ask_credit(struct rain_gateway *gateway, PGconn *tx, struct rain_lender_ask *ask, struct rain_error *err);
/* The order among asks that compete is the policy's. */
bool rain_lender_ask_before(const struct rain_gateway *gateway, const struct rain_lender_ask *a,
			    const struct rain_lender_ask *b);

/* --- lender_terms.c --- */
/* What guests may have beyond what they have and are promised. */
int64_t rain_lender_nodes_left(const struct rain_gateway *gateway);

/* --- lender_decide.c --- */
/* An offer with its terms, or a refusal with its reason: into the ask. */
void rain_lender_decide(struct rain_gateway *gateway, struct rain_lender_ask *ask);

#endif
