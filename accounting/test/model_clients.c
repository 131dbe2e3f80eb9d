// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Random calls of several clients, made of a seed, against the ledger and against
 * the model in memory: every answer and, again and again, the whole state must be
 * the same. Each seed is played twice: one call after another, and with all clients
 * at once. A seed that fails is shrunk to the fewest calls that still fail, which
 * are printed.
 *
 *   model_clients CALLS SEED...     the database is where libpq's environment says;
 *                                database `rain` is the template of each try
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accounting/test/model_play.h"

enum { TRIES_MAX = 200, AGAIN_MAX = 30 };

static const struct way {
	const char *name;
	model_player *player;
} ways[] = {{"one after another", model_play}, {"of all clients at once", model_race}};

static uint64_t next(uint64_t *state) /* splitmix64 */
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static int below(uint64_t *state, int bound)
{
	return (int)(next(state) % (uint64_t)bound);
}

static int64_t random_amount(uint64_t *state, enum op_kind kind)
{
	switch (below(state, 20)) {
	case 0:
		return kind == OP_HOLD_BATCH ? 1 : 0;
	case 1:
		return kind == OP_HOLD_BATCH || kind == OP_LIMIT ? 7 : -5;
	case 2:
		return 100000;
	default:
		return kind == OP_GRANT ? below(state, 3000) + 1 : below(state, 120) + 1;
	}
}

/* Lots, deadlines and rates begin and end some time around `clock`. */
static void random_times(uint64_t *state, struct op *op, int *clock)
{
	op->from = below(state, 3) ? 0 : *clock + below(state, 3000) - 100;
	op->from = op->from < 0 ? 0 : op->from;
	op->until = *clock + below(state, 4000) - 200;
	op->until = op->until < 1 ? 1 : op->until;
	if (op->kind == OP_GRANT_LOT && below(state, 6) == 0)
		op->until = 0;
	if (op->kind == OP_TIME)
		op->from = *clock += below(state, 4) ? 1 + below(state, 90) : 1 + below(state, 2500);
	if (op->kind == OP_TIME || op->kind == OP_SWEEP || op->kind == OP_RATE)
		op->undone = false;
}

static void random_particulars(uint64_t *state, struct op *op)
{
	static const int lotted[] = {USERS, USERS + 1, PROJECTS};

	if (op->kind == OP_GRANT_LOT && below(state, 10))
		op->a = lotted[below(state, 3)];
	if (op->kind == OP_GRANT_LOT && op->amount > 0 && op->amount < 1000)
		op->amount *= 10;
	if (op->kind == OP_LIMIT && model_has_lots(op->a))
		op->a = PEERS + below(state, 2);
	if (op->kind == OP_TRANSFER && model_has_lots(op->a) != model_has_lots(op->b))
		op->a = model_has_lots(op->b) ? lotted[(op->b + 1) % 3] : USERS + 2;
	if (op->kind == OP_TRANSFER && op->a == op->b)
		op->a = op->a == USERS ? USERS + 1 : op->a == PROJECTS ? USERS : USERS + 2 + (op->a == USERS + 2);
	if (op->kind == OP_RATE) {
		op->a = below(state, 8);
		op->b = 1 + below(state, 40);
		op->amount = below(state, 100);
	}
	if (op->kind == OP_QUOTE) {
		op->a = below(state, 3);
		op->b = below(state, 3);
		op->amount = below(state, 3) * 3777;
	}
}

static struct op random_op(uint64_t *state, int *clock)
{
	struct op op = {.kind = (enum op_kind)below(state, OP_KINDS), .client = below(state, CLIENTS),
			.hold = below(state, HOLDS), .key = below(state, KEYS),
			.job = below(state, JOBS), .undone = below(state, 8) == 0};

	if (op.kind >= OP_RATE && below(state, 2)) /* all have to wait for these */
		op.kind = OP_POST;
	op.amount = random_amount(state, op.kind);
	op.a = below(state, ACCOUNTS);
	op.b = below(state, ACCOUNTS);
	if (op.kind == OP_HOLD || op.kind == OP_HOLD_BATCH || op.kind == OP_TRANSFER)
		op.b = op.b == op.a ? (op.a + 1) % ACCOUNTS : op.b;
	if (op.kind == OP_HOLD_BATCH) { /* kinds that don't fit are OP_HOLD's */
		op.a = USERS + below(state, ACCOUNTS - USERS - 1);
		op.b = below(state, 2) ? ACCOUNTS - 1 : COMMONS;
	}
	if (op.kind == OP_CORRECT)
		op.a = below(state, KEYS);
	if (op.kind == OP_RUN)
		op.a = USERS + below(state, PROJECTS - USERS);
	random_times(state, &op, clock);
	random_particulars(state, &op);
	return op;
}

/* Leaves out ever smaller parts as long as it still fails. Returns what is left. */
static int shrink(struct try *try, PGconn *server, model_player *player, struct op *ops, int count)
{
	struct op *fewer = calloc((size_t)count, sizeof(*fewer));
	int tries = 0;

	for (int part = count / 2; fewer && part >= 1 && tries < TRIES_MAX; part /= 2) {
		for (int at = 0; at + part <= count && tries < TRIES_MAX; tries++) {
			int left = count - part, ok;

			memcpy(fewer, ops, (size_t)at * sizeof(*ops));
			memcpy(fewer + at, ops + at + part, (size_t)(left - at) * sizeof(*ops));
			ok = player(try, server, fewer, left);
			if (ok == left) {
				at += part;
				continue;
			}
			count = ok + 1;
			memcpy(ops, fewer, (size_t)count * sizeof(*ops));
		}
	}
	free(fewer);
	player(try, server, ops, count);
	return count;
}

/* Callers that got no answer ask again, and some with another amount: now and then a call
 * made before comes once more, maybe from another client. It comes between those of the seed,
 * which stay as they are. Returns how many there are then. */
static int random_ops(struct op *ops, int count, uint64_t seed)
{
	uint64_t state = seed, again = ~seed;
	int clock = 0, n = 0;

	for (int i = 0; i < count; i++) {
		int oldest;

		ops[n++] = random_op(&state, &clock);
		if (below(&again, 6))
			continue;
		oldest = n > AGAIN_MAX ? n - AGAIN_MAX : 0;
		ops[n] = ops[oldest + below(&again, n - oldest)];
		ops[n].client = below(&again, CLIENTS);
		ops[n].amount += below(&again, 3) ? 0 : 1;
		n += ops[n].kind != OP_TIME; /* which never goes back */
	}
	return n;
}

static bool run_seed(struct try *try, PGconn *server, const struct way *way, uint64_t seed, int count)
{
	struct op *ops = calloc(2 * (size_t)count, sizeof(*ops));
	char sql[MODEL_SQL_MAX];
	int ok;

	count = ops ? random_ops(ops, count, seed) : count;
	ok = ops ? way->player(try, server, ops, count) : 0;
	if (ok == count) {
		printf("ok: seed %" PRIu64 ", %d calls %s\n", seed, count, way->name);
		free(ops);
		return true;
	}
	printf("FAIL: seed %" PRIu64 " %s after %d calls: %s\nshrunk:\n", seed, way->name, ok, try->failure);
	fflush(stdout);
	count = ops ? shrink(try, server, way->player, ops, ok + 1) : 0;
	for (int i = 0; i < count; i++) {
		model_sql(sql, &ops[i]);
		printf("  %d: %s%s\n", ops[i].client, sql, ops[i].undone ? "  -- rolled back" : "");
	}
	printf("%s\nit is tried first from now on; when it is mended, add the seed to accounting/test/model-seeds\n", try->failure);
	free(ops);
	return false;
}

int main(int argc, char *argv[])
{
	static struct try try;
	PGconn *server = PQconnectdb("dbname=postgres user=postgres");
	int calls = argc > 1 ? atoi(argv[1]) : 0, failed = 0;

	if (calls < 1 || argc < 3 || PQstatus(server) != CONNECTION_OK) {
		fprintf(stderr, "Usage: model_clients CALLS SEED... (PGHOST: a test's server)\n");
		PQfinish(server);
		return 99;
	}
	model_prepare(server);
	for (int i = 2; i < argc; i++)
		for (size_t way = 0; way < sizeof(ways) / sizeof(ways[0]); way++)
			failed += !run_seed(&try, server, &ways[way], strtoull(argv[i], NULL, 10), calls);
	PQfinish(server);
	return failed > 0;
}
