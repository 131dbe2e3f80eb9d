// SPDX-License-Identifier: GPL-2.0-or-later
/* Reports, and what reconciling with Slurm needs. */
#include "accounting/ledgerd.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"

#define TIME_MAX (INT64_C(1) << 40)
#define JOBS_PAGE 200
#define RUNS_MAX 1000

struct report {
	const char *kind, *by, *user, *account, *zone;
	int64_t since, until, until_run;
};

static int report_read(const json_t *request, struct report *report, struct rain_error *err)
{
	if (rain_json_string_or(request, "kind", 16, "usage", &report->kind, err) < 0 ||
	    rain_json_string_or(request, "by", 16, "user", &report->by, err) < 0 ||
	    rain_json_string_or(request, "user", 64, NULL, &report->user, err) < 0 ||
	    rain_json_string_or(request, "account", 64, NULL, &report->account, err) < 0 ||
	    rain_json_string_or(request, "zone", 64, "UTC", &report->zone, err) < 0 ||
	    rain_json_int(request, "since", 0, TIME_MAX, &report->since, err) < 0 ||
	    rain_json_int(request, "until", 0, TIME_MAX, &report->until, err) < 0 ||
	    rain_json_int_or(request, "until_run", 0, INT64_MAX, 0, &report->until_run, err) < 0)
		return -1;
	return 0;
}

/* Users see their own jobs, coordinators those of an account that they name. */
static int report_restrict(struct rain_ledgerd *ledgerd, const struct rain_asker *asker,
			   struct report *report, struct rain_error *err)
{
	char project[80];

	if (asker->administrator || (report->user && strcmp(report->user, asker->user) == 0))
		return 0;
	if (report->account) {
		snprintf(project, sizeof(project), "project:%s", report->account);
		if (rain_asker_has(ledgerd, asker, project, true, NULL))
			return 0;
	}
	if (report->user)
		return rain_error_set(err, "only an administrator, or a coordinator of the --account "
				      "named, may see the usage of others");
	report->user = asker->user;
	return 0;
}

#define USAGE_ROWS \
	"SELECT key, runs, core_ms, wait_s, charged AS charged_utok, unpaid AS unpaid_utok FROM "

struct statement {
	const char *kind, *by; /* by NULL: any other */
	const char *sql;
	size_t params; /* since, until, by, zone, user, account: as many as these */
	bool administrators;
};

static const struct statement statements[] = {
	{"usage", "peer",
	 USAGE_ROWS "ledger.usage_by_peer($1::bigint, $2::bigint, $5, $6) WHERE $3 || $4 <> ''", 6, false},
	{"usage", NULL, USAGE_ROWS "ledger.usage_by($1::bigint, $2::bigint, $3, $5, $6, $4)", 6, false},
	{"efficiency", NULL,
	 "SELECT * FROM ledger.efficiency_by($1::bigint, $2::bigint, $3, $5, $6, $4)", 6, false},
	{"estimates", NULL,
	 "SELECT key, runs, predicted, within, expected_s, run_s, bursts, held AS held_utok, paid AS paid_utok "
	 "FROM ledger.estimates_by($1::bigint, $2::bigint, $3, $5, $6, $4)", 6, false},
	{"ledger", NULL,
	 "SELECT key, count, amount AS amount_utok FROM ledger.movements_by($1::bigint, $2::bigint, $3, "
	 "$4)", 4, true},
	{"peers", NULL,
	 "SELECT peer AS key, gave AS gave_utok, gave_runs, took AS took_utok, took_runs, "
	 "balance AS balance_utok, held AS held_utok, credit_limit AS credit_limit_utok "
	 "FROM ledger.peers_report($1::bigint, $2::bigint)", 2, true},
};

static const struct statement *statement_find(const struct report *report)
{
	for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
		if (strcmp(statements[i].kind, report->kind) == 0 &&
		    (!statements[i].by || strcmp(statements[i].by, report->by) == 0))
			return &statements[i];
	return NULL;
}

static json_t *report_rows(struct rain_ledgerd *ledgerd, const struct rain_asker *asker,
			   const struct report *report, struct rain_error *err)
{
	const struct statement *statement = statement_find(report);
	char since[24], until[24];
	const char *params[] = {since, until, report->by, report->zone, report->user,
				report->account};
	json_t *rows = NULL;

	if (!statement) {
		rain_error_set(err, "there is no report \"%s\"; there are usage, efficiency, estimates, "
			       "ledger and peers", report->kind);
		return NULL;
	}
	if (statement->administrators && !asker->administrator) {
		rain_error_set(err, "only an administrator may see the %s report", report->kind);
		return NULL;
	}
	snprintf(since, sizeof(since), "%" PRId64, report->since);
	snprintf(until, sizeof(until), "%" PRId64, report->until);
	if (rain_ledger_rows(ledgerd->store, statement->sql, params, statement->params, &rows, err) !=
	    RAIN_LEDGER_OK)
		return NULL;
	return rows;
}

/* {kind, by, since, until, user?, account?, zone?, until_run?}; by "job" answers pages
 * of JOBS_PAGE, newest first, and says whether there is more. */
json_t *rain_ledgerd_op_report(void *arg, const struct rain_rpc_caller *caller,
			       const json_t *request, struct rain_error *err)
{
	struct rain_ledgerd *ledgerd = arg;
	struct rain_asker asker;
	struct report report;
	json_t *rows = NULL, *answer;
	bool jobs;

	if (rain_asker_identify(ledgerd, caller, &asker, err) < 0 ||
	    report_read(request, &report, err) < 0 ||
	    report_restrict(ledgerd, &asker, &report, err) < 0)
		return NULL;
	jobs = strcmp(report.kind, "usage") == 0 && strcmp(report.by, "job") == 0;
	/* Single jobs are their owners' business. */
	if (jobs && !asker.administrator)
		report.user = asker.user;
	if (!jobs)
		rows = report_rows(ledgerd, &asker, &report, err);
	else if (rain_ledger_jobs(ledgerd->store, report.since, report.until, report.until_run, JOBS_PAGE,
				  report.user, &rows, err) != RAIN_LEDGER_OK)
		rows = NULL;
	if (!rows)
		return NULL;
	answer = rain_ledgerd_answer(ledgerd, "rows", rows);
	if (answer && jobs)
		json_object_set_new(answer, "more", json_boolean(json_array_size(rows) == JOBS_PAGE));
	return answer;
}

/* {since, until, points, users} -> {"rows": ledger.balance_history()}: for administrators,
 * and for the page's server, which shows it to those who may see names. */
json_t *rain_ledgerd_op_history(void *arg, const struct rain_rpc_caller *caller,
				const json_t *request, struct rain_error *err)
{
	static const struct {
		const char *name;
		int64_t least, most;
	} numbers[] = {{"since", 0, TIME_MAX}, {"until", 0, TIME_MAX}, {"points", 1, 500}, {"users", 0, 100}};
	struct rain_ledgerd *ledgerd = arg;
	struct rain_asker asker;
	char texts[4][24];
	const char *params[4];
	json_t *rows = NULL;

	if (rain_asker_identify(ledgerd, caller, &asker, err) < 0)
		return NULL;
	if (!asker.administrator && strcmp(asker.user, ledgerd->config->panel.web_user) != 0) {
		rain_error_set(err, "only an administrator may see the history of all accounts");
		return NULL;
	}
	for (int i = 0; i < 4; i++) {
		int64_t value;

		if (rain_json_int(request, numbers[i].name, numbers[i].least, numbers[i].most, &value,
				  err) < 0)
			return NULL;
		snprintf(texts[i], sizeof(texts[i]), "%" PRId64, value);
		params[i] = texts[i];
	}
	if (rain_ledger_rows(ledgerd->store,
			     "SELECT * FROM ledger.balance_history($1::bigint, $2::bigint, $3::integer, "
			     "$4::integer)", params, 4, &rows, err) != RAIN_LEDGER_OK)
		return NULL;
	return rain_ledgerd_answer(ledgerd, "rows", rows);
}

/* {runs: [{slurm_job_id, submit_time, restart}]} -> {"unknown": those of these runs
 * of this cluster whose record hasn't come}; or {since, until} -> {"recorded": […]} */
json_t *rain_ledgerd_op_reconcile(void *arg, const struct rain_rpc_caller *caller,
				  const json_t *request, struct rain_error *err)
{
	struct rain_ledgerd *ledgerd = arg;
	struct rain_asker asker;
	const char *cluster = ledgerd->config->cluster_name;
	char since[24], until[24], *text;
	const char *params[3] = {NULL};
	json_t *runs, *run, *rows = NULL;
	int64_t from, to;
	size_t i;

	if (rain_asker_administrator(ledgerd, caller, "reconcile", &asker, err) < 0)
		return NULL;
	if (!json_object_get(request, "runs")) {
		if (rain_json_int(request, "since", 0, TIME_MAX, &from, err) < 0 ||
		    rain_json_int(request, "until", 0, TIME_MAX, &to, err) < 0)
			return NULL;
		snprintf(since, sizeof(since), "%" PRId64, from);
		snprintf(until, sizeof(until), "%" PRId64, to);
		params[0] = cluster;
		params[1] = since;
		params[2] = until;
		if (rain_ledger_rows(ledgerd->store,
				     "SELECT * FROM ledger.runs_recorded($1, $2::bigint, $3::bigint)", params,
				     3, &rows, err) != RAIN_LEDGER_OK)
			return NULL;
		return json_pack("{s:s s:o}", "cluster", cluster, "recorded", rows);
	}
	if (rain_json_array(request, "runs", RUNS_MAX, &runs, err) < 0)
		return NULL;
	json_array_foreach(runs, i, run) {
		int64_t job, submit, restart;

		if (rain_json_int(run, "slurm_job_id", 1, UINT32_MAX, &job, err) < 0 ||
		    rain_json_int(run, "submit_time", 0, TIME_MAX, &submit, err) < 0 ||
		    rain_json_int(run, "restart", 0, INT32_MAX, &restart, err) < 0)
			return NULL;
		json_object_set_new(run, "cluster", json_string(cluster));
	}
	text = json_dumps(runs, JSON_COMPACT);
	if (!text) {
		rain_error_set(err, "no memory for %zu runs", json_array_size(runs));
		return NULL;
	}
	params[0] = text;
	if (rain_ledger_rows(ledgerd->store,
			     "SELECT jsonb_array_elements(ledger.runs_unknown($1::jsonb)) AS run", params, 1,
			     &rows, err) != RAIN_LEDGER_OK)
		rows = NULL;
	free(text);
	return rows ? json_pack("{s:o}", "unknown", rows) : NULL;
}
