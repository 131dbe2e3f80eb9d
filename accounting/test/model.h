/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_TEST_MODEL_H
#define RAIN_ACCOUNTING_TEST_MODEL_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The ledger, as simple as it can be said: arrays in memory. It answers what the
 * database must answer to each call, and has the balances that it must have after.
 * Keys of holds, transfers and jobs come from small ranges, so that calls repeat
 * and collide. Lots and rates are not part of it.
 */
enum {
	ISSUANCE, COMMONS, USE, EXPIRY, /* system */
	USERS = 4, PROJECTS = 8, PEERS = 10, ACCOUNTS = 12,
	HOLDS = 40, KEYS = 120, JOBS = 30, BATCH = 3,
};

enum op_kind {
	OP_GRANT, OP_HOLD, OP_POST, OP_VOID, OP_TRANSFER, OP_CORRECT, OP_LIMIT, OP_RUN, OP_REFUND,
	OP_POST_RUN, OP_HOLD_BATCH, OP_POST_BATCH, OP_KEEP_HOUSE, OP_KINDS
};

/* One call. What a and b are depends on the kind: accounts, a key of a transfer. */
struct op {
	enum op_kind kind;
	int client, a, b, hold, key, job;
	int64_t amount;
	bool undone; /* its client rolls it back */
};

struct model_account {
	int64_t credited, debited, held, limit;
};

struct model_transfer {
	char code; /* 0: the key is unused; else the first letter of its kind */
	int debit, credit, reverses; /* key, or -1 - job for a charge; */
	int hold, run; /* -1: none */
	int64_t amount, corrected;
};

struct model {
	struct model_account accounts[ACCOUNTS];
	struct model_transfer transfers[KEYS];
	struct {
		bool used;
		int debit, credit, key;
		char outcome; /* 0 open, 'p' posted, 'v' voided */
		int64_t amount, posted;
	} holds[HOLDS];
	struct {
		bool recorded, charged;
		int hold, key; /* -1: none; key of the post that pays it */
		int user;
		int64_t price, charge, refunded;
	} jobs[JOBS];
};

void model_init(struct model *model);

/* Does the call and writes what the database must answer: a word, or an SQLSTATE.
 * After an SQLSTATE the model is as before. `answer` has room for 64 bytes. */
void model_apply(struct model *model, const struct op *op, char *answer);

#endif
