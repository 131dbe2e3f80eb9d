/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_TEST_MODEL_H
#define RAIN_ACCOUNTING_TEST_MODEL_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The ledger, as simple as it can be said: arrays in memory. It answers what the
 * database must answer to each call, and has the state that it must have after. Keys of
 * holds, transfers, jobs and quotes come from small ranges, so that calls repeat and
 * collide. Times are minutes; the clock stands still between two OP_TIME.
 *
 * Lots are spent at once here and by settlements there. Accounts with lots have no
 * credit: which lot paid a debt is for test_lots.sh.
 */
enum {
	ISSUANCE, COMMONS, USE, EXPIRY, /* system */
	USERS = 4, PROJECTS = 8, PEERS = 10, ACCOUNTS = 12,
	HOLDS = 40, KEYS = 120, JOBS = 30, BATCH = 3, QUOTES = 12,
	LOTS = 1500, PARTS = 4000, RATES = 200,
	NEVER = 0x7fffffff
};

enum op_kind {
	OP_GRANT, OP_HOLD, OP_POST, OP_VOID, OP_TRANSFER, OP_CORRECT, OP_LIMIT, OP_RUN, OP_REFUND,
	OP_POST_RUN, OP_HOLD_BATCH, OP_POST_BATCH, OP_KEEP_HOUSE, OP_GRANT_LOT, OP_HOLD_UNTIL,
	OP_EXTEND, OP_EXPIRE, OP_POST_OVER, OP_QUOTE, OP_QUOTE_PRICE, OP_RATE, OP_TIME, OP_SWEEP,
	OP_KINDS
};

/* One call. What a and b are depends on the kind: accounts, a key of a transfer, units
 * of TRES, which rate. */
struct op {
	enum op_kind kind;
	int client, a, b, hold, key, job;
	int from, until; /* minutes; 0: now, no end */
	int64_t amount;
	bool undone; /* its client rolls it back */
};

struct model_account {
	int64_t credited, debited, held, limit;
	int next; /* when its lots are looked at */
};

struct model_lot {
	int account, key, from, until;
	bool begun;
	int64_t granted, left;
};

struct model_parts {
	int first, count; /* in model.parts, the order of spending */
};

struct model_transfer {
	char code; /* 0: the key is unused; else the first letter of its kind */
	int debit, credit, reverses; /* key, or -1 - job for a charge; */
	int hold, run; /* -1: none */
	int64_t amount, corrected;
	struct model_parts parts; /* the lots that it was paid from */
};

struct model_rate {
	int which, from; /* which: bit 0 '*' as QOS, bit 1 '*' as partition, bit 2 mem */
	int64_t num, den;
};

struct model {
	int now;
	struct model_account accounts[ACCOUNTS];
	struct model_transfer transfers[KEYS];
	struct {
		bool used;
		int debit, credit, key;
		int asked, until; /* the deadline asked for, and as extended; 0: none */
		char outcome; /* 0 open, 'p' posted, 'v' voided, 'e' expired */
		int64_t amount, posted, over;
	} holds[HOLDS];
	struct {
		bool recorded, charged;
		int hold, key; /* -1: none; key of the post that pays it */
		int user;
		int64_t price, charge, refunded;
		struct model_parts parts;
	} jobs[JOBS];
	struct {
		bool made;
		int cpu, mem, until;
		int64_t ms, amount, num[2], den[2];
	} quotes[QUOTES];
	int lot_count, part_count, rate_count;
	struct model_lot lots[LOTS];
	struct {
		int lot;
		int64_t amount;
	} parts[PARTS];
	struct model_rate rates[RATES];
};

void model_init(struct model *model);

/* Does the call and writes what the database must answer: a word, or an SQLSTATE.
 * After an SQLSTATE the model is as before. `answer` has room for 64 bytes. */
void model_apply(struct model *model, const struct op *op, char *answer);

bool model_has_lots(int account); /* may have some */

/* What model.c needs of model_lots.c. */
struct model_parts model_debit(struct model *m, int account, int64_t amount);
void model_settle(struct model *m, int account); /* when it ever had a lot */
void model_due(struct model *m, int account);	 /* when a lot begins or ends */
void model_lot_add(struct model *m, int account, int64_t amount, int from, int until, int key, bool begun);
void model_carry(struct model *m, struct model_parts parts, int credit);
void model_give_back(struct model *m, int account, struct model_parts parts, int64_t whole, int64_t before,
		     int64_t amount);
bool model_lotted(const struct model *m, int account); /* ever had a lot */
bool model_awaited(const struct model *m, int key); /* a grant for a later day has it */

/* And of model_rates.c. */
const char *model_rate_set(struct model *m, const struct op *op);
const char *model_quote(struct model *m, const struct op *op, char *text);
const char *model_quote_price(struct model *m, const struct op *op, char *text);

#endif
