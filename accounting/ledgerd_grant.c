// SPDX-License-Identifier: GPL-2.0-or-later
/* Grants, and what accounts have of them. */
#include "accounting/ledgerd_group.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"
#include "common/tokens.h"

#define ACCOUNT_MAX 80
#define TIME_MAX (INT64_C(1) << 40)

static json_t *told(const struct rain_ledgerd_call *call, const char *outcome)
{
	bool again = strcmp(outcome, "exists") == 0;
	char text[RAIN_TOKENS_TEXT_SIZE];

	rain_tokens_format(call->amount, text);
	if (!again)
		rain_log_info("tokens are granted: account=%s amount=%s by=%s reason=\"%s\"%s", call->to,
			      text, call->user, call->reason,
			      strcmp(outcome, "scheduled") == 0 ? " later" : "");
	return json_pack("{s:s s:I s:b s:s}", "account", call->to, "amount_utok",
			 (json_int_t)call->amount, "again", again, "outcome", outcome);
}

/* It is done: nothing that fails from here on may make the caller think otherwise. */
static json_t *tell_grant(struct rain_ledgerd *ledgerd, const struct rain_ledgerd_call *call,
			  bool again, struct rain_error *err)
{
	(void)ledgerd;
	(void)err;
	return told(call, again ? "exists" : "granted");
}

/* A grant with a first or last day: rare, so it is made by itself. */
static json_t *grant_lot(struct rain_ledgerd *ledgerd, const struct rain_ledgerd_call *call,
			 int64_t starts, int64_t ends, const char *idem, struct rain_error *err)
{
	char amount[24], from[24], to[24];
	const char *user = strncmp(call->to, "user:", 5) == 0 ? call->to + 5 : NULL;
	const char *params[] = {call->to, amount, starts ? from : NULL, ends ? to : NULL,
				call->reason, call->user, idem};
	json_t *rows = NULL, *answer;

	snprintf(amount, sizeof(amount), "%" PRId64, call->amount);
	snprintf(from, sizeof(from), "%" PRId64, starts);
	snprintf(to, sizeof(to), "%" PRId64, ends);
	if (user && rain_ledger_rows(ledgerd->store, "SELECT ledger.account_ensure_user($1) AS id", &user,
				     1, &rows, err) != RAIN_LEDGER_OK)
		return NULL;
	json_decref(rows);
	if (rain_ledger_rows(ledgerd->store, "SELECT ledger.grant_lot($1, $2::bigint, "
			     "to_timestamp($3::bigint), to_timestamp($4::bigint), $5, $6, $7::uuid) "
			     "AS answer", params, 7, &rows, err) != RAIN_LEDGER_OK)
		return NULL;
	answer = told(call, json_string_value(json_object_get(json_array_get(rows, 0), "answer")));
	json_decref(rows);
	return answer;
}

/* {account, amount_utok, reason?, starts?, ends?, idem} -> {"account", "amount_utok",
 * "again", "outcome": granted, scheduled or exists}; the same idem again grants nothing
 * more. */
json_t *rain_ledgerd_op_grant(void *arg, const struct rain_rpc_caller *caller,
			      const json_t *request, struct rain_error *err)
{
	struct rain_ledgerd *ledgerd = arg;
	struct rain_ledgerd_call call = {.tell = tell_grant};
	struct rain_asker asker;
	const char *wanted, *reason, *idem;
	int64_t starts, ends;

	if (rain_asker_administrator(ledgerd, caller, "grant tokens", &asker, err) < 0 ||
	    rain_json_string(request, "account", ACCOUNT_MAX - 1, &wanted, err) < 0 ||
	    rain_json_int(request, "amount_utok", 1, RAIN_TOKENS_MAX, &call.amount, err) < 0 ||
	    rain_json_string_or(request, "reason", sizeof(call.reason) - 1, "", &reason, err) < 0 ||
	    rain_json_int_or(request, "starts", 1, TIME_MAX, 0, &starts, err) < 0 ||
	    rain_json_int_or(request, "ends", 1, TIME_MAX, 0, &ends, err) < 0 ||
	    rain_ledgerd_uuid(request, "idem", &idem, err) < 0 ||
	    rain_ledgerd_account_name(wanted, call.to, err) < 0)
		return NULL;
	/* A grant to a misspelt name would be lost without a word. */
	if (strncmp(call.to, "user:", 5) == 0 && !rain_ledgerd_user_exists(call.to)) {
		rain_error_set(err, "there is no user \"%s\" on this machine", call.to + 5);
		return NULL;
	}
	strcpy(call.user, asker.user);
	strcpy(call.reason, reason);
	if (starts || ends)
		return grant_lot(ledgerd, &call, starts, ends, idem, err);
	return rain_ledgerd_group_call(ledgerd, caller, &call,
				       json_pack("{s:s s:s s:s s:I s:s s:s}", "call", "grant", "key",
						 idem, "to", call.to, "amount",
						 (json_int_t)call.amount, "text", reason, "actor",
						 call.user),
				       err);
}

/* {account?} -> {"account", "rows": the grants that an account's tokens are of, in the order
 * in which they are spent; lot_id null: what never ends} */
json_t *rain_ledgerd_op_lots(void *arg, const struct rain_rpc_caller *caller,
			     const json_t *request, struct rain_error *err)
{
	static const char sql[] =
		"SELECT lot_id, amount AS amount_utok, spent AS spent_utok, expired AS expired_utok, "
		"remaining AS remaining_utok, floor(extract(epoch FROM starts_at))::bigint AS starts, "
		"CASE WHEN expires_at < 'infinity' THEN floor(extract(epoch FROM expires_at))::bigint END "
		"AS ends, reason FROM ledger.lots($1)";
	struct rain_ledgerd *ledgerd = arg;
	struct rain_asker asker;
	const char *wanted, *params[1];
	char name[ACCOUNT_MAX];
	json_t *rows = NULL, *answer;

	if (rain_asker_identify(ledgerd, caller, &asker, err) < 0 ||
	    rain_json_string_or(request, "account", ACCOUNT_MAX - 1, asker.account, &wanted, err) < 0 ||
	    rain_ledgerd_account_name(wanted, name, err) < 0)
		return NULL;
	if (!rain_asker_has(ledgerd, &asker, name, false, NULL)) {
		rain_error_set(err, "only an administrator may see the grants of others");
		return NULL;
	}
	params[0] = name;
	if (rain_ledgerd_account_awaited(ledgerd, name))
		rows = json_array();
	else if (rain_ledger_rows(ledgerd->store, sql, params, 1, &rows, err) != RAIN_LEDGER_OK)
		return NULL;
	answer = rain_ledgerd_answer(ledgerd, "rows", rows);
	json_object_set_new(answer, "account", json_string(name));
	return answer;
}
