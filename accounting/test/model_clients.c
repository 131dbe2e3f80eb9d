// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Random calls of several clients, made of a seed, against the ledger and against
 * the model in memory: every answer and, again and again, the whole state must be
 * the same. A seed that fails is shrunk to the fewest calls that still fail, which
 * are printed.
 *
 *   model_clients CALLS SEED...     the database is where libpq's environment says;
 *                                database `rain` is the template of each try
 */
#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accounting/test/model.h"

enum { CLIENTS = 4, SQL_MAX = 2048, COMPARE_EVERY = 40, TRIES_MAX = 200 };

static const char *const names[ACCOUNTS] = {
	"system:issuance", "system:commons", "system:use", "system:expiry",
	"user:u0", "user:u1", "user:u2", "user:u3",
	"project:p0", "project:p1", "peer:b0", "peer:b1",
};

struct try {
	PGconn *clients[CLIENTS];
	struct model model;
	char failure[4096];
};

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

static struct op random_op(uint64_t *state)
{
	struct op op = {.kind = (enum op_kind)below(state, OP_KINDS), .client = below(state, CLIENTS),
			.hold = below(state, HOLDS), .key = below(state, KEYS),
			.job = below(state, JOBS), .undone = below(state, 8) == 0};

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
	return op;
}

#define ACCOUNT "ledger.account_id('%s')"
#define UUID_HOLD "md5('hold %d')::uuid"
#define UUID_KEY "md5('key %d')::uuid"

static void write_batch(char *sql, const struct op *op)
{
	char holds[256], keys[256], amounts[128];

	snprintf(holds, sizeof(holds), "ARRAY[" UUID_HOLD "," UUID_HOLD "," UUID_HOLD "]", op->hold,
		 (op->hold + 1) % HOLDS, (op->hold + 2) % HOLDS);
	snprintf(keys, sizeof(keys), "ARRAY[" UUID_KEY "," UUID_KEY "," UUID_KEY "]", op->key,
		 (op->key + 1) % KEYS, (op->key + 2) % KEYS);
	snprintf(amounts, sizeof(amounts), "ARRAY[%" PRId64 ",%" PRId64 ",%" PRId64 "]::bigint[]",
		 op->amount, op->amount + 1, op->amount + 2);
	if (op->kind == OP_POST_BATCH)
		snprintf(sql, SQL_MAX, "SELECT ledger.post_batch(%s, %s, %s)", holds, keys, amounts);
	else
		snprintf(sql, SQL_MAX, "SELECT ledger.hold_batch(%s, array_fill(" ACCOUNT
			 ", ARRAY[3]), array_fill(" ACCOUNT ", ARRAY[3]), %s)", holds, names[op->a],
			 names[op->b], amounts);
}

#define RUN_ID "(SELECT job_run_id FROM ledger.job_run WHERE slurm_job_id = %d)"

static void write_job(char *sql, const struct op *op)
{
	if (op->kind == OP_RUN)
		snprintf(sql, SQL_MAX, "SELECT ledger.job_runs_record('[{\"cluster\":\"c\","
			 "\"slurm_job_id\":%d,\"submit_time\":1,\"restart\":0,\"user_name\":\"%s\","
			 "\"account\":\"\",\"partition\":\"p\",\"qos\":\"\",\"job_name\":\"\","
			 "\"state\":\"COMPLETED\",\"exit_code\":0,\"exit_signal\":0,\"start_time\":2,"
			 "\"end_time\":%d,\"nodes\":\"n\",\"node_count\":1,\"cpus\":1,\"core_ms\":1000,"
			 "\"place\":\"home\",\"price\":%" PRId64 "}]')", op->job + 1,
			 strchr(names[op->a], ':') + 1, op->job * 9999, op->amount);
	else if (op->kind == OP_REFUND)
		snprintf(sql, SQL_MAX, "SELECT ledger.charge_refund(" RUN_ID ", %" PRId64 ", '', "
			 UUID_KEY ")", op->job + 1, op->amount, op->key);
	else
		snprintf(sql, SQL_MAX, "SELECT ledger.hold_post_run(" UUID_HOLD ", " UUID_KEY ", %"
			 PRId64 ", 'c', %d, 1, 0)", op->hold, op->key, op->amount, op->job + 1);
}

static void write_sql(char *sql, const struct op *op)
{
	const char *a = op->a < ACCOUNTS ? names[op->a] : "", *b = names[op->b];

	switch (op->kind) {
	case OP_GRANT:
		snprintf(sql, SQL_MAX, "SELECT ledger.grant_tokens(" ACCOUNT ", %" PRId64 ", '', "
			 UUID_KEY ")", a, op->amount, op->key);
		break;
	case OP_HOLD:
		snprintf(sql, SQL_MAX, "SELECT ledger.hold_create(" UUID_HOLD ", " ACCOUNT ", " ACCOUNT
			 ", %" PRId64 ", '')", op->hold, a, b, op->amount);
		break;
	case OP_POST:
		snprintf(sql, SQL_MAX, "SELECT ledger.hold_post(" UUID_HOLD ", " UUID_KEY ", %" PRId64
			 ")", op->hold, op->key, op->amount);
		break;
	case OP_VOID:
		snprintf(sql, SQL_MAX, "SELECT ledger.hold_void(" UUID_HOLD ")", op->hold);
		break;
	case OP_TRANSFER:
		snprintf(sql, SQL_MAX, "SELECT ledger.transfer_tokens('%s', '%s', %" PRId64
			 ", '', '', " UUID_KEY ")", a, b, op->amount, op->key);
		break;
	case OP_CORRECT:
		snprintf(sql, SQL_MAX, "SELECT ledger.transfer_correct((SELECT transfer_id FROM "
			 "ledger.transfer WHERE idem = " UUID_KEY "), %" PRId64 ", '', '', " UUID_KEY
			 ")", op->a, op->amount, op->key);
		break;
	case OP_LIMIT:
		snprintf(sql, SQL_MAX, "SELECT ledger.account_limit_set('%s', %" PRId64 ")", a,
			 op->amount);
		break;
	case OP_RUN:
	case OP_REFUND:
	case OP_POST_RUN:
		write_job(sql, op);
		break;
	case OP_HOLD_BATCH:
	case OP_POST_BATCH:
		write_batch(sql, op);
		break;
	case OP_KEEP_HOUSE:
	case OP_KINDS:
		snprintf(sql, SQL_MAX, "SELECT ledger.seal() + ledger.usage_fold() + "
			 "ledger.lots_sweep() >= 0");
		break;
	}
}

/* The one value, or the SQLSTATE. */
static void ask(PGconn *client, const char *sql, char *answer, size_t size)
{
	PGresult *result = PQexec(client, sql);
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1)
		snprintf(answer, size, "%s", PQgetvalue(result, 0, 0));
	else if (PQresultStatus(result) == PGRES_TUPLES_OK)
		snprintf(answer, size, "%s", "");
	else
		snprintf(answer, size, "%s", state ? state : PQerrorMessage(client));
	PQclear(result);
}

/* One call, against both. False when the answers differ. */
static bool step(struct try *try, const struct op *op)
{
	char sql[SQL_MAX], expected[64], found[256], ignored[64];
	PGconn *client = try->clients[op->client];

	write_sql(sql, op);
	model_apply(&try->model, op, expected);
	if (op->undone)
		ask(client, "BEGIN", ignored, sizeof(ignored));
	ask(client, sql, found, sizeof(found));
	if (op->undone)
		ask(client, "ROLLBACK", ignored, sizeof(ignored));
	if (strcmp(expected, found) == 0)
		return true;
	snprintf(try->failure, sizeof(try->failure), "%s\n  answers \"%s\", not \"%s\"", sql, found,
		 expected);
	return false;
}

static bool same_state(struct try *try)
{
	char sql[256], found[512], expected[128];

	for (int i = 0; i < ACCOUNTS; i++) {
		const struct model_account *a = &try->model.accounts[i];

		snprintf(sql, sizeof(sql), "SELECT concat_ws(' ', balance, held, credit_limit) FROM "
			 "ledger.balance('%s')", names[i]);
		ask(try->clients[0], sql, found, sizeof(found));
		snprintf(expected, sizeof(expected), "%" PRId64 " %" PRId64 " %" PRId64,
			 a->credited - a->debited, a->held, a->limit);
		if (strcmp(found, expected) != 0) {
			snprintf(try->failure, sizeof(try->failure),
				 "%s has (balance, held, limit) %s, not %s", names[i], found, expected);
			return false;
		}
	}
	ask(try->clients[0], "SELECT string_agg(v::text, '; ') FROM ledger.check_invariants() v",
	    found, sizeof(found));
	snprintf(try->failure, sizeof(try->failure), "the ledger is not sound: %s", found);
	return found[0] == '\0';
}

static void must(PGconn *client, const char *sql)
{
	PGresult *result = PQexec(client, sql);

	if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK) {
		fprintf(stderr, "%s: %s", sql, PQerrorMessage(client));
		exit(99);
	}
	PQclear(result);
}

static void begin(struct try *try, PGconn *server)
{
	char sql[256];

	must(server, "DROP DATABASE IF EXISTS model");
	must(server, "CREATE DATABASE model TEMPLATE rain");
	for (int i = 0; i < CLIENTS; i++) {
		try->clients[i] = PQconnectdb("dbname=model user=postgres");
		must(try->clients[i], "SET client_min_messages = error");
	}
	for (int i = USERS; i < ACCOUNTS; i++) {
		const char *kind = i < PROJECTS ? "user" : i < PEERS ? "project" : "peer";

		snprintf(sql, sizeof(sql), "SELECT ledger.account_ensure_%s('%s'%s)", kind,
			 strchr(names[i], ':') + 1, i < PEERS ? "" : ", 0");
		must(try->clients[0], sql);
	}
	model_init(&try->model);
	try->failure[0] = '\0';
}

/* Plays the calls; how many went well before one failed, or count. */
static int play(struct try *try, PGconn *server, const struct op *ops, int count)
{
	int i;

	begin(try, server);
	for (i = 0; i < count; i++)
		if (!step(try, &ops[i]) || (i % COMPARE_EVERY == COMPARE_EVERY - 1 && !same_state(try)))
			break;
	if (i == count && !same_state(try))
		i--;
	for (int c = 0; c < CLIENTS; c++)
		PQfinish(try->clients[c]);
	return i;
}

/* Leaves out ever smaller parts as long as it still fails. Returns what is left. */
static int shrink(struct try *try, PGconn *server, struct op *ops, int count)
{
	struct op *fewer = calloc((size_t)count, sizeof(*fewer));
	int tries = 0;

	for (int part = count / 2; fewer && part >= 1 && tries < TRIES_MAX; part /= 2) {
		for (int at = 0; at + part <= count && tries < TRIES_MAX; tries++) {
			int left = count - part, ok;

			memcpy(fewer, ops, (size_t)at * sizeof(*ops));
			memcpy(fewer + at, ops + at + part, (size_t)(left - at) * sizeof(*ops));
			ok = play(try, server, fewer, left);
			if (ok == left) {
				at += part;
				continue;
			}
			count = ok + 1;
			memcpy(ops, fewer, (size_t)count * sizeof(*ops));
		}
	}
	free(fewer);
	play(try, server, ops, count);
	return count;
}

static bool run_seed(struct try *try, PGconn *server, uint64_t seed, int count)
{
	struct op *ops = calloc((size_t)count, sizeof(*ops));
	uint64_t state = seed;
	char sql[SQL_MAX];
	int ok;

	for (int i = 0; ops && i < count; i++)
		ops[i] = random_op(&state);
	ok = ops ? play(try, server, ops, count) : 0;
	if (ok == count) {
		printf("ok: seed %" PRIu64 ", %d calls\n", seed, count);
		free(ops);
		return true;
	}
	printf("FAIL: seed %" PRIu64 " after %d calls: %s\nshrunk:\n", seed, ok, try->failure);
	count = ops ? shrink(try, server, ops, ok + 1) : 0;
	for (int i = 0; i < count; i++) {
		write_sql(sql, &ops[i]);
		printf("  %s%s\n", sql, ops[i].undone ? "  -- rolled back" : "");
	}
	printf("%s\nadd the seed to accounting/test/model-seeds\n", try->failure);
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
	must(server, "SET client_min_messages = error");
	for (int i = 2; i < argc; i++)
		failed += !run_seed(&try, server, strtoull(argv[i], NULL, 10), calls);
	PQfinish(server);
	return failed > 0;
}
