// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/test/model_sql.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

const char *const model_names[ACCOUNTS] = {
	"system:issuance", "system:commons", "system:use", "system:expiry",
	"user:u0", "user:u1", "user:u2", "user:u3",
	"project:p0", "project:p1", "peer:b0", "peer:b1",
};

#define ACCOUNT "ledger.account_id('%s')"
#define UUID_HOLD "md5('hold %d')::uuid"
#define UUID_KEY "md5('key %d')::uuid"
#define AT "timestamptz '2030-01-01 00:00Z' + interval '%d min'"

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
		snprintf(sql, MODEL_SQL_MAX, "SELECT ledger.post_batch(%s, %s, %s)", holds, keys, amounts);
	else
		snprintf(sql, MODEL_SQL_MAX, "SELECT ledger.hold_batch(%s, array_fill(" ACCOUNT
			 ", ARRAY[3]), array_fill(" ACCOUNT ", ARRAY[3]), %s)", holds, model_names[op->a],
			 model_names[op->b], amounts);
}

static void write_lot(char *sql, const struct op *op)
{
	char from[96] = "NULL", until[96] = "NULL";

	if (op->from)
		snprintf(from, sizeof(from), AT, op->from);
	if (op->until)
		snprintf(until, sizeof(until), AT, op->until);
	snprintf(sql, MODEL_SQL_MAX, "SELECT ledger.grant_lot('%s', %" PRId64 ", %s, %s, '', '', " UUID_KEY
		 ")", model_names[op->a], op->amount, from, until, op->key);
}

static void write_hold(char *sql, const struct op *op)
{
	if (op->kind == OP_HOLD_UNTIL)
		snprintf(sql, MODEL_SQL_MAX, "SELECT ledger.hold_create_until(" UUID_HOLD ", " ACCOUNT ", "
			 ACCOUNT ", %" PRId64 ", '', " AT ")", op->hold, model_names[op->a],
			 model_names[op->b], op->amount, op->until);
	else if (op->kind == OP_EXTEND)
		snprintf(sql, MODEL_SQL_MAX, "SELECT ledger.hold_extend(" UUID_HOLD ", " AT ")", op->hold,
			 op->until);
	else if (op->kind == OP_EXPIRE)
		snprintf(sql, MODEL_SQL_MAX, "SELECT ledger.hold_expire(" UUID_HOLD ", 'not known')",
			 op->hold);
	else
		snprintf(sql, MODEL_SQL_MAX, "SELECT concat_ws(' ', posted, over, unpaid) FROM "
			 "ledger.hold_post_over(" UUID_HOLD ", " UUID_KEY ", %" PRId64 ")", op->hold,
			 op->key, op->amount);
}

static void write_rate(char *sql, const struct op *op)
{
	char from[96] = "NULL";

	if (op->from)
		snprintf(from, sizeof(from), AT, op->from);
	if (op->kind == OP_RATE)
		snprintf(sql, MODEL_SQL_MAX, "SELECT ledger.rate_set('c', '%s', '%s', '%s', %" PRId64
			 ", %d, %s) IS NOT NULL", op->a & 2 ? "*" : "p", op->a & 1 ? "*" : "q",
			 op->a & 4 ? "mem" : "cpu", op->amount, op->b, from);
	else if (op->kind == OP_QUOTE)
		snprintf(sql, MODEL_SQL_MAX, "SELECT ledger.quote_make(md5('quote %d')::uuid, 'c', 'p', 'q', "
			 "'{\"cpu\": %d, \"mem\": %d}', %" PRId64 ", " AT ")", op->key % QUOTES, op->a,
			 op->b, op->amount, op->until);
	else
		snprintf(sql, MODEL_SQL_MAX, "SELECT ledger.quote_price(md5('quote %d')::uuid, %" PRId64 ")",
			 op->key % QUOTES, op->amount);
}

#define RUN_ID "(SELECT job_run_id FROM ledger.job_run WHERE slurm_job_id = %d)"

static void write_job(char *sql, const struct op *op)
{
	if (op->kind == OP_RUN)
		snprintf(sql, MODEL_SQL_MAX, "SELECT ledger.job_runs_record('[{\"cluster\":\"c\","
			 "\"slurm_job_id\":%d,\"submit_time\":1,\"restart\":0,\"user_name\":\"%s\","
			 "\"account\":\"\",\"partition\":\"p\",\"qos\":\"\",\"job_name\":\"\","
			 "\"state\":\"COMPLETED\",\"exit_code\":0,\"exit_signal\":0,\"start_time\":2,"
			 "\"end_time\":%d,\"nodes\":\"n\",\"node_count\":1,\"cpus\":1,\"core_ms\":1000,"
			 "\"place\":\"home\",\"price\":%" PRId64 "}]')", op->job + 1,
			 strchr(model_names[op->a], ':') + 1, op->job * 9999, op->amount);
	else if (op->kind == OP_REFUND)
		snprintf(sql, MODEL_SQL_MAX, "SELECT ledger.charge_refund(" RUN_ID ", %" PRId64 ", '', "
			 UUID_KEY ")", op->job + 1, op->amount, op->key);
	else
		snprintf(sql, MODEL_SQL_MAX, "SELECT ledger.hold_post_run(" UUID_HOLD ", " UUID_KEY ", %"
			 PRId64 ", 'c', %d, 1, 0)", op->hold, op->key, op->amount, op->job + 1);
}

#define EPOCH "'until', extract(epoch FROM " AT ")::bigint"
#define CALL "SELECT model.grouped(jsonb_build_object('call', '%s', 'hold', " UUID_HOLD \
	", 'key', " UUID_KEY ", 'amount', %" PRId64 ", 'from', '%s', 'to', '%s'"

/* Some of what can be asked for in a group is. */
static bool write_grouped(char *sql, const struct op *op)
{
	static const char *const calls[OP_KINDS] = {
		[OP_GRANT] = "grant", [OP_HOLD] = "hold", [OP_HOLD_UNTIL] = "hold", [OP_POST] = "post",
		[OP_VOID] = "void", [OP_EXTEND] = "extend", [OP_TRANSFER] = "transfer",
	};
	const char *call = calls[op->kind];
	const char *a = op->a < ACCOUNTS ? model_names[op->a] : "", *b = op->b < ACCOUNTS ? model_names[op->b] : "";
	int n;

	if (!call || (op->hold + op->key) % 2)
		return false;
	n = snprintf(sql, MODEL_SQL_MAX, CALL, call, op->hold, op->key, op->amount, a,
		     op->kind == OP_GRANT ? a : b);
	if (op->kind == OP_HOLD_UNTIL || op->kind == OP_EXTEND)
		n += snprintf(sql + n, (size_t)(MODEL_SQL_MAX - n), ", " EPOCH, op->until);
	snprintf(sql + n, (size_t)(MODEL_SQL_MAX - n), "))");
	return true;
}

void model_sql(char *sql, const struct op *op)
{
	const char *a = op->a < ACCOUNTS ? model_names[op->a] : "";
	const char *b = op->b < ACCOUNTS ? model_names[op->b] : "";

	if (write_grouped(sql, op))
		return;
	switch (op->kind) {
	case OP_GRANT:
		snprintf(sql, MODEL_SQL_MAX, "SELECT ledger.grant_tokens(" ACCOUNT ", %" PRId64 ", '', "
			 UUID_KEY ")", a, op->amount, op->key);
		break;
	case OP_HOLD:
		snprintf(sql, MODEL_SQL_MAX, "SELECT ledger.hold_create(" UUID_HOLD ", " ACCOUNT ", " ACCOUNT
			 ", %" PRId64 ", '')", op->hold, a, b, op->amount);
		break;
	case OP_POST:
		snprintf(sql, MODEL_SQL_MAX, "SELECT ledger.hold_post(" UUID_HOLD ", " UUID_KEY ", %" PRId64
			 ")", op->hold, op->key, op->amount);
		break;
	case OP_VOID:
		snprintf(sql, MODEL_SQL_MAX, "SELECT ledger.hold_void(" UUID_HOLD ")", op->hold);
		break;
	case OP_TRANSFER:
		snprintf(sql, MODEL_SQL_MAX, "SELECT ledger.transfer_tokens('%s', '%s', %" PRId64
			 ", '', '', " UUID_KEY ")", a, b, op->amount, op->key);
		break;
	case OP_CORRECT:
		snprintf(sql, MODEL_SQL_MAX, "SELECT ledger.transfer_correct((SELECT transfer_id FROM "
			 "ledger.transfer WHERE idem = " UUID_KEY "), %" PRId64 ", '', '', " UUID_KEY
			 ")", op->a, op->amount, op->key);
		break;
	case OP_LIMIT:
		snprintf(sql, MODEL_SQL_MAX, "SELECT ledger.account_limit_set('%s', %" PRId64 ")", a,
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
	case OP_GRANT_LOT:
		write_lot(sql, op);
		break;
	case OP_HOLD_UNTIL:
	case OP_EXTEND:
	case OP_EXPIRE:
	case OP_POST_OVER:
		write_hold(sql, op);
		break;
	case OP_RATE:
	case OP_QUOTE:
	case OP_QUOTE_PRICE:
		write_rate(sql, op);
		break;
	case OP_TIME:
		snprintf(sql, MODEL_SQL_MAX, "UPDATE model.clock SET at = greatest(at, " AT ") RETURNING 't'",
			 op->from);
		break;
	case OP_SWEEP:
		snprintf(sql, MODEL_SQL_MAX, "SELECT ledger.lots_sweep(1000) >= 0");
		break;
	case OP_KEEP_HOUSE:
	case OP_KINDS:
		snprintf(sql, MODEL_SQL_MAX, "SELECT ledger.seal() + ledger.usage_fold() >= 0");
		break;
	}
}


const char *const model_clock_sql =
	"CREATE SCHEMA model; GRANT USAGE ON SCHEMA model TO PUBLIC;"
	"CREATE TABLE model.clock AS SELECT timestamptz '2030-01-01 00:00Z' AS at;"
	"GRANT SELECT ON model.clock TO PUBLIC;"
	"CREATE FUNCTION ledger.clock_timestamp() RETURNS timestamptz LANGUAGE sql"
	" AS 'SELECT at FROM model.clock';"
	"GRANT EXECUTE ON FUNCTION ledger.clock_timestamp() TO PUBLIC;"
	/* In a group with a call that is always refused; refused as a call by itself is. */
	"CREATE FUNCTION model.grouped(p_call jsonb) RETURNS text LANGUAGE plpgsql AS $$"
	" DECLARE answer jsonb := ledger.group_write_all(jsonb_build_array(p_call,"
	" '{\"call\": \"void\", \"hold\": \"00000000-0000-0000-0000-000000000000\"}'::jsonb)); BEGIN"
	" IF answer->1->>'state' IS DISTINCT FROM 'RN003' THEN RAISE 'the other call: %', answer->1; END IF;"
	" IF answer->0 ? 'state' THEN"
	"  RAISE EXCEPTION '%', answer->0->>'error' USING ERRCODE = answer->0->>'state'; END IF;"
	" RETURN answer->0->>'answer'; END $$;"
	"DO $$ DECLARE f text; c record; BEGIN"
	" FOR f IN SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'ledger'::regnamespace"
	"             AND array_to_string(proconfig, ' ') ~ 'search_path' LOOP"
	"  EXECUTE 'ALTER FUNCTION ' || f || ' SET search_path = ledger, public, pg_catalog, pg_temp';"
	" END LOOP;"
	" FOR c IN SELECT d.adrelid::regclass AS t, a.attname FROM pg_attrdef d JOIN pg_attribute a"
	"             ON (a.attrelid, a.attnum) = (d.adrelid, d.adnum)"
	"             WHERE pg_get_expr(d.adbin, d.adrelid) ~ 'clock_timestamp' LOOP"
	"  EXECUTE format('ALTER TABLE %s ALTER %I SET DEFAULT ledger.clock_timestamp()', c.t, c.attname);"
	" END LOOP; END $$";

#define MINUTES(time) "(extract(epoch FROM " time " - timestamptz '2030-01-01 00:00Z') / 60)::int"

const struct model_state model_states[] = {
	{"accounts (number: balance, held, limit)",
	 "SELECT coalesce(string_agg(format('%s: %s, %s, %s; ', n - 1, b.balance, b.held, b.credit_limit), ''"
	 " ORDER BY n), '') FROM unnest($1::text[]) WITH ORDINALITY u (name, n), ledger.balance(name) b"},
	{"open lots (account: tokens until minute)",
	 "SELECT coalesce(string_agg(format('%s: %s until %s; ', n, s, e), '' ORDER BY n, e), '') FROM"
	 " (SELECT n - 1 AS n, sum(remaining) AS s, CASE expires_at WHEN 'infinity' THEN 2147483647 ELSE "
	 MINUTES("expires_at") " END AS e FROM unnest($1::text[]) WITH ORDINALITY u (name, n), ledger.lots(name)"
	 " WHERE lot_id IS NOT NULL AND remaining > 0 GROUP BY 1, 3) x"},
	{"open holds (number: tokens until minute)",
	 "SELECT coalesce(string_agg(format('%s: %s until %s; ', i, amount, coalesce(" MINUTES("expires_at")
	 ", 0)), '' ORDER BY i), '') FROM generate_series(0, 39) i JOIN ledger.holds()"
	 " ON hold_id = md5('hold ' || i)::uuid WHERE $1::text[] IS NOT NULL"},
	{"transfers (key: what amount from to)",
	 "SELECT coalesce(string_agg(format('%s: %s %s %s %s; ', i, left(t.code, 1), t.amount,"
	 " array_position($1::text[], d.name) - 1, array_position($1::text[], c.name) - 1), '' ORDER BY i), '')"
	 " FROM generate_series(0, 119) i JOIN ledger.transfer t ON idem = md5('key ' || i)::uuid"
	 " JOIN ledger.account d ON d.account_id = t.debit JOIN ledger.account c ON c.account_id = t.credit"},
	{"runs (job: recorded, unpaid, charged, refunded)",
	 "SELECT coalesce(string_agg(format('%s: %s, %s, %s, %s; ', slurm_job_id - 1,"
	 " (recorded_at IS NOT NULL)::int, coalesce(unpaid, 0), coalesce(c.amount, 0), coalesce(c.refunded, 0)), ''"
	 " ORDER BY slurm_job_id), '') FROM ledger.job_run LEFT JOIN ledger.charge c USING (job_run_id)"
	 " WHERE $1::text[] IS NOT NULL"},
	{"violations", "SELECT coalesce(string_agg(v::text, '; '), '') FROM ledger.check_invariants() v"
	 " WHERE $1::text[] IS NOT NULL"},
};

/* Appends as long as there is room: a cut text differs. */
#define ADD(...) (at += at < size ? (size_t)snprintf(text + at, size - at, __VA_ARGS__) : 0)

static void write_lots(const struct model *m, char *text, size_t size)
{
	size_t at = 0;

	for (int a = 0; a < ACCOUNTS; a++) {
		for (int until = 0; until < NEVER;) {
			int next = NEVER;
			int64_t sum = 0;

			for (int i = 0; i < m->lot_count; i++)
				if (m->lots[i].account == a && m->lots[i].left > 0 &&
				    m->lots[i].until > until && m->lots[i].until < next)
					next = m->lots[i].until;
			for (int i = 0; i < m->lot_count; i++)
				if (m->lots[i].account == a && m->lots[i].until == next)
					sum += m->lots[i].left;
			if (sum > 0)
				ADD("%d: %" PRId64 " until %d; ", a, sum, next);
			until = next;
		}
	}
}

void model_state(const struct model *m, size_t which, char *text, size_t size)
{
	size_t at = 0;

	text[0] = '\0';
	if (which == 0)
		for (int i = 0; i < ACCOUNTS; i++)
			ADD("%d: %" PRId64 ", %" PRId64 ", %" PRId64 "; ", i,
			    m->accounts[i].credited - m->accounts[i].debited, m->accounts[i].held,
			    m->accounts[i].limit);
	if (which == 1)
		write_lots(m, text, size);
	for (int i = 0; which == 2 && i < HOLDS; i++)
		if (m->holds[i].used && !m->holds[i].outcome)
			ADD("%d: %" PRId64 " until %d; ", i, m->holds[i].amount, m->holds[i].until);
	for (int i = 0; which == 3 && i < KEYS; i++)
		if (m->transfers[i].code)
			ADD("%d: %c %" PRId64 " %d %d; ", i, m->transfers[i].code, m->transfers[i].amount,
			    m->transfers[i].debit, m->transfers[i].credit);
	for (int i = 0; which == 4 && i < JOBS; i++)
		if (m->jobs[i].recorded || m->jobs[i].hold >= 0)
			ADD("%d: %d, %" PRId64 ", %" PRId64 ", %" PRId64 "; ", i, m->jobs[i].recorded,
			    m->jobs[i].price - (m->jobs[i].key < 0 ? m->jobs[i].charge : 0),
			    m->jobs[i].charge, m->jobs[i].refunded);
}
