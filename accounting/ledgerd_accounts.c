// SPDX-License-Identifier: GPL-2.0-or-later
/* Accounts, their limits, and who belongs to a project. */
#include "accounting/ledgerd.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"
#include "common/tokens.h"

#define ACCOUNT_MAX 80
#define NAME_MAX_CHARS 64
#define REASON_MAX 200

static json_t *rows_of(struct rain_ledgerd *ledgerd, const char *sql, const char *const params[],
		       size_t count, struct rain_error *err)
{
	json_t *rows = NULL;

	if (rain_ledger_rows(ledgerd->store, sql, params, count, &rows, err) != RAIN_LEDGER_OK)
		return NULL;
	return rows;
}

/* Calls for its effect. */
static int call(struct rain_ledgerd *ledgerd, const char *sql, const char *const params[],
		size_t count, struct rain_error *err)
{
	json_t *rows = rows_of(ledgerd, sql, params, count, err);

	json_decref(rows);
	return rows ? 0 : -1;
}

/* "project:heat" and "heat" are the same project. */
static const char *project_name(const char *text)
{
	return strncmp(text, "project:", 8) == 0 ? text + 8 : text;
}

/* {} -> {"rows"}: administrators see all accounts, others those they have a part in. */
json_t *rain_ledgerd_op_accounts(void *arg, const struct rain_rpc_caller *caller,
				 const json_t *request, struct rain_error *err)
{
	static const char all[] =
		"SELECT name AS account, kind, parent, balance AS balance_utok, held AS held_utok, "
		"available AS available_utok, credit_limit AS credit_limit_utok, NULL AS role "
		"FROM ledger.accounts()";
	static const char mine[] =
		"SELECT a.name AS account, a.kind, a.parent, a.balance AS balance_utok, a.held AS held_utok, "
		"a.available AS available_utok, a.credit_limit AS credit_limit_utok, r.role "
		"FROM ledger.accounts() a JOIN ledger.account_rights($1) r ON r.account = a.name";
	struct rain_ledgerd *ledgerd = arg;
	struct rain_asker asker;
	json_t *rows;

	(void)request;
	if (rain_asker_identify(ledgerd, caller, &asker, err) < 0)
		return NULL;

	const char *params[] = {asker.user};

	rows = asker.administrator ? rows_of(ledgerd, all, NULL, 0, err)
				   : rows_of(ledgerd, mine, params, 1, err);
	return rows ? rain_ledgerd_answer(ledgerd, "rows", rows) : NULL;
}

/* {project, parent?}: makes one, below a parent that the asker coordinates, or at
 * the top for administrators. */
json_t *rain_ledgerd_op_account_add(void *arg, const struct rain_rpc_caller *caller,
				    const json_t *request, struct rain_error *err)
{
	struct rain_ledgerd *ledgerd = arg;
	struct rain_asker asker;
	const char *project, *parent;
	char above[ACCOUNT_MAX];

	if (rain_asker_identify(ledgerd, caller, &asker, err) < 0 ||
	    rain_json_string(request, "project", NAME_MAX_CHARS, &project, err) < 0 ||
	    rain_json_string_or(request, "parent", NAME_MAX_CHARS, NULL, &parent, err) < 0)
		return NULL;
	project = project_name(project);
	if (parent) {
		parent = project_name(parent);
		snprintf(above, sizeof(above), "project:%s", parent);
		if (!rain_asker_has(ledgerd, &asker, above, true, err))
			return NULL;
	} else if (rain_asker_administrator(ledgerd, caller, "make a project at the top", &asker, err) < 0) {
		return NULL;
	}

	const char *params[] = {project, parent};

	if (call(ledgerd, "SELECT ledger.account_ensure_project($1, $2)::text AS answer", params, 2,
		 err) < 0)
		return NULL;
	rain_log_info("a project is there: project=%s parent=%s by=%s", project,
		      parent ? parent : "-", asker.user);
	return json_pack("{s:o}", "sentence", json_sprintf("The account project:%s is there.", project));
}

/* {project, user, role: "member" | "coordinator" | null} */
json_t *rain_ledgerd_op_account_member(void *arg, const struct rain_rpc_caller *caller,
				       const json_t *request, struct rain_error *err)
{
	struct rain_ledgerd *ledgerd = arg;
	struct rain_asker asker;
	const char *project, *user, *role;
	char account[ACCOUNT_MAX];

	if (rain_asker_identify(ledgerd, caller, &asker, err) < 0 ||
	    rain_json_string(request, "project", NAME_MAX_CHARS, &project, err) < 0 ||
	    rain_json_string(request, "user", NAME_MAX_CHARS, &user, err) < 0 ||
	    rain_json_string_or(request, "role", 16, NULL, &role, err) < 0)
		return NULL;
	project = project_name(project);
	snprintf(account, sizeof(account), "project:%s", project);
	if (!rain_asker_has(ledgerd, &asker, account, true, err))
		return NULL;

	/* A misspelt member would wait for whoever gets that name one day; who left may go. */
	if (role && !getpwnam(user)) {
		rain_error_set(err, "there is no user \"%s\" on this machine", user);
		return NULL;
	}

	const char *params[] = {project, user, role, asker.user};

	if (call(ledgerd, "SELECT ledger.project_member_set($1, $2, $3, $4)::text AS answer", params, 4,
		 err) < 0)
		return NULL;
	rain_log_info("a project has other members: project=%s user=%s role=%s by=%s", project, user,
		      role ? role : "-", asker.user);
	return json_pack("{s:o}", "sentence",
			 role ? json_sprintf("%s is %s of project:%s.", user, role, project)
			      : json_sprintf("%s is no longer in project:%s.", user, project));
}

/* {account?}: what pays for the asker's jobs from now on; null: the own one */
json_t *rain_ledgerd_op_account_default(void *arg, const struct rain_rpc_caller *caller,
					const json_t *request, struct rain_error *err)
{
	struct rain_ledgerd *ledgerd = arg;
	struct rain_asker asker;
	const char *account;

	if (rain_asker_identify(ledgerd, caller, &asker, err) < 0 ||
	    rain_json_string_or(request, "account", ACCOUNT_MAX - 1, NULL, &account, err) < 0)
		return NULL;
	if (account && !rain_asker_has(ledgerd, &asker, account, false, err))
		return NULL;

	const char *params[] = {asker.user, account};

	if (call(ledgerd, "SELECT ledger.account_default_set($1, $2)::text AS answer", params, 2, err) < 0)
		return NULL;
	return json_pack("{s:o}", "sentence", json_sprintf("%s pays for your jobs.",
							   account ? account : asker.account));
}

/* {account, limit_utok, reason?} */
json_t *rain_ledgerd_op_account_limit(void *arg, const struct rain_rpc_caller *caller,
				      const json_t *request, struct rain_error *err)
{
	struct rain_ledgerd *ledgerd = arg;
	struct rain_asker asker;
	const char *wanted, *reason;
	char name[ACCOUNT_MAX], amount[24], text[RAIN_TOKENS_TEXT_SIZE];
	int64_t limit;

	if (rain_asker_administrator(ledgerd, caller, "set limits", &asker, err) < 0 ||
	    rain_json_string(request, "account", ACCOUNT_MAX - 1, &wanted, err) < 0 ||
	    rain_json_int(request, "limit_utok", 0, RAIN_TOKENS_MAX, &limit, err) < 0 ||
	    rain_json_string_or(request, "reason", REASON_MAX, "", &reason, err) < 0 ||
	    rain_ledgerd_account_name(wanted, name, err) < 0)
		return NULL;
	snprintf(amount, sizeof(amount), "%" PRId64, limit);

	const char *params[] = {name, amount, reason, asker.user};

	if (call(ledgerd, "SELECT ledger.account_limit_set($1, $2::bigint, $3, $4)::text AS answer", params,
		 4, err) < 0)
		return NULL;
	rain_tokens_format(limit, text);
	rain_log_info("a credit limit is set: account=%s limit=%s by=%s", name, text, asker.user);
	return json_pack("{s:o}", "sentence",
			 json_sprintf("%s may go %s tokens below zero.", name, text));
}
