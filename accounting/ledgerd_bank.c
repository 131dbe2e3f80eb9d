// SPDX-License-Identifier: GPL-2.0-or-later
/* Statements, transfers, refunds, rates and accounts: who may ask for what. What
 * is right with the sums, the database decides. */
#include "accounting/ledgerd_group.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"
#include "common/tokens.h"

#define ACCOUNT_MAX 80
#define NAME_MAX_CHARS 64
#define REASON_MAX 200
#define PAGE 1000
/* So that the sum of any few rates can be exact. */
#define RATE_DEN_MAX 1000000
#define TIME_MAX (INT64_C(1) << 40)

struct number {
	char text[24];
};

static const char *number(struct number *number, int64_t value)
{
	snprintf(number->text, sizeof(number->text), "%" PRId64, value);
	return number->text;
}

/* Rows of one of the ledger's functions; NULL with err. */
static json_t *rows_of(struct rain_ledgerd *ledgerd, const char *sql, const char *const params[],
		       size_t count, struct rain_error *err)
{
	json_t *rows = NULL;

	if (rain_ledger_rows(ledgerd->store, sql, params, count, &rows, err) != RAIN_LEDGER_OK)
		return NULL;
	return rows;
}

/* The one value of the one row, as text; "" when there is none. */
static const char *answer_of(const json_t *rows)
{
	const char *text = json_string_value(json_object_get(json_array_get(rows, 0), "answer"));

	return text ? text : "";
}

bool rain_asker_has(struct rain_ledgerd *ledgerd, const struct rain_asker *asker,
		    const char *account, bool coordinator, struct rain_error *err)
{
	const char *params[] = {asker->user, account};
	json_t *rows;
	bool has;

	if (asker->administrator || strcmp(account, asker->account) == 0)
		return true;
	rows = rows_of(ledgerd,
		       coordinator ? "SELECT role FROM ledger.account_rights($1) WHERE account = $2 "
				     "AND role = 'coordinator'"
				   : "SELECT role FROM ledger.account_rights($1) WHERE account = $2",
		       params, 2, err);
	has = json_array_size(rows) > 0;
	if (rows && !has)
		rain_error_set(err, "%s is neither your account nor that of a project you %s", account,
			       coordinator ? "coordinate" : "are in");
	json_decref(rows);
	return has;
}

int rain_ledgerd_account_name(const char *text, char name[static ACCOUNT_MAX],
			      struct rain_error *err)
{
	int n = snprintf(name, ACCOUNT_MAX, "%s%s", strchr(text, ':') ? "" : "user:", text);

	if (text[0] == '\0' || n >= ACCOUNT_MAX)
		return rain_error_set(err, "\"%.80s\" is no name of an account", text);
	return 0;
}

/* Somebody who never ran or received anything has a statement, too: an empty one. */
static json_t *empty_statement(struct rain_ledgerd *ledgerd, const char *name)
{
	return json_pack("{s:s s:i s:i s:i s:i s:b s:[] s:o}", "account", name, "opening_utok", 0,
			 "credited_utok", 0, "debited_utok", 0, "closing_utok", 0, "more", 0, "rows",
			 "notes", rain_ledgerd_notes(ledgerd));
}

/* {account?, since, until, after?} -> {"account", "opening_utok", "credited_utok",
 * "debited_utok", "closing_utok", "rows", "more"} */
json_t *rain_ledgerd_op_statement(void *arg, const struct rain_rpc_caller *caller,
				  const json_t *request, struct rain_error *err)
{
	static const char lines[] =
		"SELECT transfer_id, floor(extract(epoch FROM posted_at))::bigint AS at, code, other, "
		"amount AS amount_utok, balance AS balance_utok, reason, actor, cluster, slurm_job_id, "
		"restart, job_name FROM ledger.statement($1, to_timestamp($2::bigint), "
		"to_timestamp($3::bigint), 1000, $4::bigint)";
	static const char totals[] =
		"SELECT $1 AS account, opening AS opening_utok, credited AS credited_utok, "
		"debited AS debited_utok, closing AS closing_utok FROM ledger.statement_totals($1, "
		"to_timestamp($2::bigint), to_timestamp($3::bigint))";
	struct rain_ledgerd *ledgerd = arg;
	struct rain_asker asker;
	const char *wanted;
	char name[ACCOUNT_MAX];
	int64_t since, until, after;
	struct number a, b, c;
	json_t *rows, *sums, *answer;

	if (rain_asker_identify(ledgerd, caller, &asker, err) < 0 ||
	    rain_json_string_or(request, "account", ACCOUNT_MAX - 1, asker.account, &wanted, err) < 0 ||
	    rain_json_int(request, "since", 0, TIME_MAX, &since, err) < 0 ||
	    rain_json_int(request, "until", 0, TIME_MAX, &until, err) < 0 ||
	    rain_json_int_or(request, "after", 0, INT64_MAX, 0, &after, err) < 0 ||
	    rain_ledgerd_account_name(wanted, name, err) < 0 ||
	    !rain_asker_has(ledgerd, &asker, name, true, err))
		return NULL;

	const char *params[] = {name, number(&a, since), number(&b, until), number(&c, after)};

	if (rain_ledgerd_account_awaited(ledgerd, name))
		return empty_statement(ledgerd, name);
	rows = rows_of(ledgerd, lines, params, 4, err);
	sums = rows ? rows_of(ledgerd, totals, params, 3, err) : NULL;
	if (!sums) {
		json_decref(rows);
		return NULL;
	}
	answer = json_incref(json_array_get(sums, 0));
	json_decref(sums);
	json_object_set_new(answer, "more", json_boolean(json_array_size(rows) == PAGE));
	json_object_set_new(answer, "rows", rows);
	json_object_set_new(answer, "notes", rain_ledgerd_notes(ledgerd));
	return answer;
}

static json_t *tell_transfer(struct rain_ledgerd *ledgerd, const struct rain_ledgerd_call *call, bool again,
			     struct rain_error *err)
{
	char text[RAIN_TOKENS_TEXT_SIZE];

	(void)ledgerd;
	(void)err;
	rain_tokens_format(call->amount, text);
	if (!again)
		rain_log_info("tokens are transferred: from=%s to=%s amount=%s by=%s", call->from,
			      call->to, text, call->user);
	return json_pack("{s:b s:o}", "again", again, "sentence",
			 again ? json_string("This transfer had been made before; nothing is moved.")
			       : json_sprintf("%s tokens transferred from %s to %s.", text,
					      call->from, call->to));
}

/* {from?, to, amount_utok, reason?, idem} -> {"sentence", "again"} */
json_t *rain_ledgerd_op_transfer(void *arg, const struct rain_rpc_caller *caller,
				 const json_t *request, struct rain_error *err)
{
	struct rain_ledgerd *ledgerd = arg;
	struct rain_ledgerd_call call = {.tell = tell_transfer};
	struct rain_asker asker;
	const char *from, *to, *reason, *idem;

	if (rain_asker_identify(ledgerd, caller, &asker, err) < 0 ||
	    rain_json_string_or(request, "from", ACCOUNT_MAX - 1, asker.account, &from, err) < 0 ||
	    rain_json_string(request, "to", ACCOUNT_MAX - 1, &to, err) < 0 ||
	    rain_json_int(request, "amount_utok", 1, RAIN_TOKENS_MAX, &call.amount, err) < 0 ||
	    rain_json_string_or(request, "reason", REASON_MAX, "", &reason, err) < 0 ||
	    rain_ledgerd_uuid(request, "idem", &idem, err) < 0 ||
	    rain_ledgerd_account_name(from, call.from, err) < 0 ||
	    rain_ledgerd_account_name(to, call.to, err) < 0 ||
	    !rain_asker_has(ledgerd, &asker, call.from, true, err))
		return NULL;
	/* A misspelt name would take the tokens without a word. */
	if (strncmp(call.to, "user:", 5) == 0 && !rain_ledgerd_user_exists(call.to)) {
		rain_error_set(err, "there is no user \"%s\" on this machine", call.to + 5);
		return NULL;
	}
	strcpy(call.user, asker.user);
	return rain_ledgerd_group_call(
		ledgerd, caller, &call,
		json_pack("{s:s s:s s:s s:s s:I s:s s:s}", "call", "transfer", "key", idem, "from",
			  call.from, "to", call.to, "amount", (json_int_t)call.amount, "text", reason,
			  "actor", asker.user),
		err);
}

struct refund {
	int64_t run, job, restart, amount; /* 0, or restart -1: not named */
	const char *idem;
};

/* The run that was refunded with this key before, whatever is left of its charge now: 1. 0:
 * none. -1 with err when the key was another refund's. */
static int refund_made(struct rain_ledgerd *ledgerd, struct refund *refund, struct rain_error *err)
{
	const char *params[] = {refund->idem};
	json_t *rows = rows_of(ledgerd, "SELECT * FROM ledger.refund_made($1::uuid)", params, 1, err);
	const json_t *made = json_array_get(rows, 0);
	int64_t run = json_integer_value(json_object_get(made, "job_run_id"));
	int64_t amount = json_integer_value(json_object_get(made, "amount"));
	bool same = (refund->run == 0 || refund->run == run) &&
		    (refund->job == 0 ||
		     refund->job == json_integer_value(json_object_get(made, "slurm_job_id"))) &&
		    (refund->restart < 0 ||
		     refund->restart == json_integer_value(json_object_get(made, "restart"))) &&
		    (refund->amount == 0 || refund->amount == amount);
	int found = rows ? made != NULL : -1;

	json_decref(rows);
	if (found == 1 && !same)
		return rain_error_set(err, "this key is of another refund, of run %" PRId64, run);
	if (found == 1) {
		refund->run = run;
		refund->amount = amount;
	}
	return found;
}

/* The run to refund: by its number, or the only one of a job. An amount of 0 becomes what
 * is left of its charge. */
static int run_find(struct rain_ledgerd *ledgerd, struct refund *refund, struct rain_error *err)
{
	struct number a;
	json_t *rows, *row, *found = NULL;
	size_t i, count = 0;
	const char *params[] = {ledgerd->config->cluster_name, number(&a, refund->job)};

	if (refund->run > 0 && refund->amount > 0)
		return 0;
	if (refund->run > 0)
		return rain_error_set(err, "how much of run %" PRId64 " is to be refunded?", refund->run);
	if (refund->job == 0)
		return rain_error_set(err, "which job is to be refunded?");
	rows = rows_of(ledgerd, "SELECT * FROM ledger.job_runs_find($1, $2::bigint) "
		       "WHERE charged > refunded", params, 2, err);
	if (!rows)
		return -1;
	json_array_foreach(rows, i, row)
		if (refund->restart < 0 ||
		    json_integer_value(json_object_get(row, "restart")) == refund->restart) {
			found = row;
			count++;
		}
	if (count == 1)
		refund->run = json_integer_value(json_object_get(found, "job_run_id"));
	if (count == 1 && refund->amount == 0)
		refund->amount = json_integer_value(json_object_get(found, "charged")) -
				 json_integer_value(json_object_get(found, "refunded"));
	json_decref(rows);
	if (count == 0)
		return rain_error_set(err, "no run of job %" PRId64 " has a charge to refund", refund->job);
	if (count > 1)
		return rain_error_set(err, "job number %" PRId64 " has %zu charged runs; name one by "
				      "--restart, or by --run (rain report --by job --json has "
				      "job_run_id)", refund->job, count);
	return 0;
}

/* {run | job [restart], amount_utok? (all that is left), reason?, idem} */
json_t *rain_ledgerd_op_refund(void *arg, const struct rain_rpc_caller *caller,
			       const json_t *request, struct rain_error *err)
{
	struct rain_ledgerd *ledgerd = arg;
	struct rain_asker asker;
	struct refund refund;
	const char *reason;
	char text[RAIN_TOKENS_TEXT_SIZE] = "";
	struct number a, b;
	json_t *rows;
	bool again;
	int made;

	if (rain_asker_administrator(ledgerd, caller, "refund charges", &asker, err) < 0 ||
	    rain_json_int_or(request, "amount_utok", 1, RAIN_TOKENS_MAX, 0, &refund.amount, err) < 0 ||
	    rain_json_int_or(request, "run", 1, INT64_MAX, 0, &refund.run, err) < 0 ||
	    rain_json_int_or(request, "job", 1, UINT32_MAX, 0, &refund.job, err) < 0 ||
	    rain_json_int_or(request, "restart", 0, INT32_MAX, -1, &refund.restart, err) < 0 ||
	    rain_json_string_or(request, "reason", REASON_MAX, "", &reason, err) < 0 ||
	    rain_ledgerd_uuid(request, "idem", &refund.idem, err) < 0)
		return NULL;
	made = refund_made(ledgerd, &refund, err);
	if (made < 0 || (made == 0 && run_find(ledgerd, &refund, err) < 0))
		return NULL;

	const char *params[] = {number(&a, refund.run), number(&b, refund.amount), reason, refund.idem,
				asker.user};

	rows = rows_of(ledgerd, "SELECT ledger.charge_refund($1::bigint, $2::bigint, $3, $4::uuid, $5) "
		       "AS answer", params, 5, err);
	if (!rows)
		return NULL;
	again = strcmp(answer_of(rows), "exists") == 0;
	json_decref(rows);
	rain_tokens_format(refund.amount, text);
	if (!again)
		rain_log_info("a charge is refunded: run=%" PRId64 " amount=%s by=%s reason=\"%s\"",
			      refund.run, text, asker.user, reason);
	return json_pack("{s:b s:I s:I s:o}", "again", again, "run", (json_int_t)refund.run, "amount_utok",
			 (json_int_t)refund.amount, "sentence",
			 again ? json_string("This refund had been made before; nothing is moved.")
			       : json_sprintf("%s tokens refunded for run %" PRId64 ".", text,
					      refund.run));
}

/* {all?} -> {"rows": rates in force now, or all versions} */
json_t *rain_ledgerd_op_rates(void *arg, const struct rain_rpc_caller *caller,
			      const json_t *request, struct rain_error *err)
{
	struct rain_ledgerd *ledgerd = arg;
	const char *params[] = {ledgerd->config->cluster_name};
	json_t *rows, *answer;

	(void)caller;
	rows = rows_of(ledgerd,
		       json_is_true(json_object_get(request, "all"))
			       ? "SELECT rate_id, cluster, partition, qos, tres, num || '/' || den AS rate, "
				 "floor(extract(epoch FROM valid_from))::bigint AS valid_from, "
				 "floor(extract(epoch FROM valid_until))::bigint AS valid_until, reason, actor "
				 "FROM ledger.rates($1)"
			       : "SELECT rate_id, cluster, partition, qos, tres, num || '/' || den AS rate, "
				 "floor(extract(epoch FROM valid_from))::bigint AS valid_from, "
				 "floor(extract(epoch FROM valid_until))::bigint AS valid_until, reason, actor "
				 "FROM ledger.rates($1, clock_timestamp())",
		       params, 1, err);
	answer = rows ? rain_ledgerd_answer(ledgerd, "rows", rows) : NULL;
	/* Its rows would tell nothing to who wants to know what jobs cost. */
	json_array_append_new(json_object_get(answer, "notes"),
			      json_sprintf("where no rate for \"calibrated\" is set, a job at home costs %"
					   PRId64 "/%" PRId64 " of its calibrated price (ledger.home-rate)",
					   ledgerd->config->ledger.home_num,
					   ledgerd->config->ledger.home_den));
	return answer;
}

/* {tres, num, den, partition?, qos?, from?, reason?} */
json_t *rain_ledgerd_op_rate_set(void *arg, const struct rain_rpc_caller *caller,
				 const json_t *request, struct rain_error *err)
{
	struct rain_ledgerd *ledgerd = arg;
	struct rain_asker asker;
	const char *tres, *partition, *qos, *reason;
	int64_t num, den, from;
	struct number a, b, c;
	json_t *rows;

	if (rain_asker_administrator(ledgerd, caller, "set rates", &asker, err) < 0 ||
	    rain_json_string(request, "tres", NAME_MAX_CHARS, &tres, err) < 0 ||
	    rain_json_string_or(request, "partition", NAME_MAX_CHARS, "*", &partition, err) < 0 ||
	    rain_json_string_or(request, "qos", NAME_MAX_CHARS, "*", &qos, err) < 0 ||
	    rain_json_string_or(request, "reason", REASON_MAX, "", &reason, err) < 0 ||
	    rain_json_int(request, "num", 0, INT32_MAX, &num, err) < 0 ||
	    rain_json_int(request, "den", 1, RATE_DEN_MAX, &den, err) < 0 ||
	    rain_json_int_or(request, "from", 0, TIME_MAX, 0, &from, err) < 0)
		return NULL;

	const char *params[] = {ledgerd->config->cluster_name, partition, qos, tres, number(&a, num),
				number(&b, den), from ? number(&c, from) : NULL, reason,
				asker.user};

	rows = rows_of(ledgerd,
		       "SELECT ledger.rate_set($1, $2, $3, $4, $5::bigint, $6::bigint, "
		       "to_timestamp($7::bigint), $8, $9)::text AS answer",
		       params, 9, err);
	if (!rows)
		return NULL;
	json_decref(rows);
	rain_intake_reprice(ledgerd->spool);
	rain_log_info("a rate is set: partition=%s qos=%s tres=%s rate=%" PRId64 "/%" PRId64 " by=%s",
		      partition, qos, tres, num, den, asker.user);
	return json_pack("{s:o}", "sentence",
			 json_sprintf("From %s on, %s costs %" PRId64 "/%" PRId64
				      " micro-tokens a unit and second.", from ? "then" : "now", tres,
				      num, den));
}
