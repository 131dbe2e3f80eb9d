// SPDX-License-Identifier: GPL-2.0-or-later
/* Whether the ledger is what it should be: its history, its balances, its guards. */
#include "accounting/ledgerd.h"

#include <inttypes.h>
#include <stdio.h>

#include "accounting/ledgerd_checks.h"
#include "common/json.h"

#define FINDINGS "1000"
#define ROWS(query) "(SELECT coalesce(jsonb_agg(r), '[]') FROM (" query " LIMIT " FINDINGS ") r)"

/* {from?, to?} for administrators -> {"findings": [{block_id, stream, seq, problem}]} of
 * these blocks */
json_t *rain_ledgerd_op_audit(void *arg, const struct rain_rpc_caller *caller,
			      const json_t *request, struct rain_error *err)
{
	static const char sql[] = "SELECT jsonb_build_object('findings', "
		ROWS("SELECT * FROM ledger.audit($1::bigint, $2::bigint)") ")";
	struct rain_ledgerd *ledgerd = arg;
	struct rain_asker asker;
	int64_t from, to;

	if (rain_asker_administrator(ledgerd, caller, "audit the ledger", &asker, err) < 0 ||
	    rain_json_int_or(request, "from", 1, INT64_MAX, 0, &from, err) < 0 ||
	    rain_json_int_or(request, "to", 1, INT64_MAX, 0, &to, err) < 0)
		return NULL;
	return rain_checks_ask(ledgerd->checks, caller, sql, from, to, err);
}

/* {} for administrators -> {"violations": what check_invariants() finds, "guards": what
 * check_guards() does} */
json_t *rain_ledgerd_op_check(void *arg, const struct rain_rpc_caller *caller,
			      const json_t *request, struct rain_error *err)
{
	static const char sql[] = "SELECT jsonb_build_object('violations', "
		ROWS("SELECT * FROM ledger.check_invariants()") ", 'guards', "
		ROWS("SELECT * FROM ledger.check_guards()") ") WHERE coalesce($1, $2) IS NULL";
	struct rain_ledgerd *ledgerd = arg;
	struct rain_asker asker;

	(void)request;
	if (rain_asker_administrator(ledgerd, caller, "check the ledger", &asker, err) < 0)
		return NULL;
	return rain_checks_ask(ledgerd->checks, caller, sql, 0, 0, err);
}

/* {block?, hash?} for administrators -> {"head": {block_id, hash, sealed, blocks, unsealed},
 * "known": whether that block has that hash} */
json_t *rain_ledgerd_op_audit_head(void *arg, const struct rain_rpc_caller *caller,
				   const json_t *request, struct rain_error *err)
{
	struct rain_ledgerd *ledgerd = arg;
	struct rain_asker asker;
	json_t *head = NULL, *known = NULL, *answer = NULL;
	const char *hash;
	char text[24];
	int64_t block;

	if (rain_asker_administrator(ledgerd, caller, "audit the ledger", &asker, err) < 0 ||
	    rain_json_int_or(request, "block", 1, INT64_MAX, 0, &block, err) < 0 ||
	    rain_json_string_or(request, "hash", 128, NULL, &hash, err) < 0)
		return NULL;
	snprintf(text, sizeof(text), "%" PRId64, block);

	const char *params[] = {text, hash};

	if (rain_ledger_rows(ledgerd->store, "SELECT *, floor(extract(epoch FROM sealed_at))::bigint AS "
			     "sealed FROM ledger.audit_head()", NULL, 0, &head, err) == RAIN_LEDGER_OK &&
	    (!hash || rain_ledger_rows(ledgerd->store,
				       "SELECT ledger.audit_known($1::bigint, $2) AS known", params, 2,
				       &known, err) == RAIN_LEDGER_OK))
		answer = json_pack("{s:O s:O*}", "head", json_array_get(head, 0), "known",
				   json_object_get(json_array_get(known, 0), "known"));
	json_decref(head);
	json_decref(known);
	return answer;
}
