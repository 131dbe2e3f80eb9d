// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/ledgerd_group.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"
#include "common/tokens.h"

#define ACCOUNT_MAX 80

int rain_asker_identify(const struct rain_ledgerd *ledgerd, const struct rain_rpc_caller *caller,
			struct rain_asker *asker, struct rain_error *err)
{
	const struct passwd *entry;

	errno = 0;
	entry = getpwuid(caller->uid);
	if (!entry || strlen(entry->pw_name) >= sizeof(asker->user))
		return rain_error_set(err, "user id %u has no name on this machine%s%s",
				      (unsigned)caller->uid, errno ? ": " : "",
				      errno ? strerror(errno) : "");
	strcpy(asker->user, entry->pw_name);
	snprintf(asker->account, sizeof(asker->account), "user:%s", asker->user);
	asker->administrator = caller->uid == 0;
	for (char **name = ledgerd->config->ledger.administrators; name && *name; name++)
		asker->administrator = asker->administrator || strcmp(*name, asker->user) == 0;
	return 0;
}

int rain_asker_administrator(const struct rain_ledgerd *ledgerd,
			     const struct rain_rpc_caller *caller, const char *what,
			     struct rain_asker *asker, struct rain_error *err)
{
	if (rain_asker_identify(ledgerd, caller, asker, err) < 0)
		return -1;
	if (!asker->administrator)
		return rain_error_set(err, "only an administrator may %s", what);
	return 0;
}

json_t *rain_ledgerd_notes(const struct rain_ledgerd *ledgerd)
{
	json_t *list = json_array();

	if (ledgerd->rejected > 0)
		json_array_append_new(
			list, json_sprintf("%d job record%s could not be booked and %s not counted; "
					   "an administrator finds the reason in %s/rejected",
					   ledgerd->rejected, ledgerd->rejected == 1 ? "" : "s",
					   ledgerd->rejected == 1 ? "is" : "are",
					   ledgerd->config->ledger.spool));
	return list;
}

json_t *rain_ledgerd_answer(const struct rain_ledgerd *ledgerd, const char *key, json_t *rows)
{
	return json_pack("{s:o s:o}", key, rows, "notes", rain_ledgerd_notes(ledgerd));
}

/* Somebody who never ran or received anything has an empty account, not none. */
static json_t *empty_balance(const char *name)
{
	return json_pack("{s:s s:s s:i s:i s:i s:i}", "account", name, "kind", "user",
			 "balance_utok", 0, "held_utok", 0, "available_utok", 0,
			 "credit_limit_utok", 0);
}

bool rain_ledgerd_user_exists(const char *account)
{
	return strncmp(account, "user:", 5) == 0 && getpwnam(account + 5);
}

bool rain_ledgerd_account_awaited(struct rain_ledgerd *ledgerd, const char *account)
{
	json_t *rows = NULL;
	bool awaited = rain_ledgerd_user_exists(account) &&
		       rain_ledger_balances(ledgerd->store, account, &rows, NULL) == RAIN_LEDGER_OK &&
		       json_array_size(rows) == 0;

	json_decref(rows);
	return awaited;
}

/* {account?: name or "all"} */
static json_t *op_balance(void *arg, const struct rain_rpc_caller *caller, const json_t *request,
			  struct rain_error *err)
{
	struct rain_ledgerd *ledgerd = arg;
	struct rain_asker asker;
	const char *wanted;
	char name[ACCOUNT_MAX];
	bool all;
	json_t *rows = NULL;

	if (rain_asker_identify(ledgerd, caller, &asker, err) < 0 ||
	    rain_json_string_or(request, "account", ACCOUNT_MAX - 1, asker.account, &wanted, err) < 0)
		return NULL;
	all = strcmp(wanted, "all") == 0;
	if (!all && rain_ledgerd_account_name(wanted, name, err) < 0)
		return NULL;
	if (all && rain_asker_administrator(ledgerd, caller, "see all accounts", &asker, err) < 0)
		return NULL;
	if (!all && !rain_asker_has(ledgerd, &asker, name, false, NULL)) {
		rain_error_set(err, "only an administrator may see the balance of others");
		return NULL;
	}
	if (rain_ledger_balances(ledgerd->store, all ? NULL : name, &rows, err) != RAIN_LEDGER_OK)
		return NULL;
	if (!all && json_array_size(rows) == 0) {
		if (!rain_ledgerd_user_exists(name)) {
			rain_error_set(err, "there is no account \"%s\"", name);
			json_decref(rows);
			return NULL;
		}
		json_array_append_new(rows, empty_balance(name));
	}
	return rain_ledgerd_answer(ledgerd, "accounts", rows);
}

const struct rain_rpc_op rain_ledgerd_ops[] = {
	{"balance", op_balance},
	{"predict", rain_ledgerd_op_predict},
	{"report", rain_ledgerd_op_report},
	{"history", rain_ledgerd_op_history},
	{"grant", rain_ledgerd_op_grant},
	{"lots", rain_ledgerd_op_lots},
	{"hold", rain_ledgerd_op_hold},
	{"post", rain_ledgerd_op_post},
	{"void", rain_ledgerd_op_void},
	{"extend", rain_ledgerd_op_extend},
	{"check", rain_ledgerd_op_check},
	{"status", rain_ledgerd_op_status},
	{"rejected", rain_ledgerd_op_rejected},
	{"replay", rain_ledgerd_op_replay},
	{"metrics", rain_ledgerd_op_metrics},
	{"statement", rain_ledgerd_op_statement},
	{"transfer", rain_ledgerd_op_transfer},
	{"refund", rain_ledgerd_op_refund},
	{"rates", rain_ledgerd_op_rates},
	{"rate_set", rain_ledgerd_op_rate_set},
	{"accounts", rain_ledgerd_op_accounts},
	{"account_add", rain_ledgerd_op_account_add},
	{"account_member", rain_ledgerd_op_account_member},
	{"account_default", rain_ledgerd_op_account_default},
	{"account_limit", rain_ledgerd_op_account_limit},
	{"audit", rain_ledgerd_op_audit},
	{"audit_head", rain_ledgerd_op_audit_head},
	{"reconcile", rain_ledgerd_op_reconcile},
	{NULL, NULL},
};
