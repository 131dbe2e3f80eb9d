// SPDX-License-Identifier: GPL-2.0-or-later
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "accounting/client.h"
#include "accounting/show.h"
#include "common/cli.h"
#include "panel/report_nodes.h"

/* RAIN_RECORD_ROWS_MAX of panel/record.h; the hour that has begun is one of them. */
#define NODE_HOURS_MAX 166

static const char help[] =
	"Usage: rain report [usage | efficiency | estimates | ledger | peers | nodes] [OPTION]...\n"
	"  usage       what ended jobs used and what was charged for them (default)\n"
	"  efficiency  how long jobs waited, and how much of the time completed\n"
	"  estimates   how good the predictions of run times were, and what was held for\n"
	"              jobs at peers beside what they cost\n"
	"  ledger      what moved, by code, account, day, week or month\n"
	"  peers       what each peer gave and took\n"
	"  nodes       how hot the nodes were, how fast their clocks ran, when they were\n"
	"              throttled, where sensors tell; asks each node's rain-paneld\n"
	"Users see their own jobs, coordinators those of the account that they name,\n"
	"administrators of RAIN see all; only they see ledger and peers.\n"
	"\n"
	"  -b, --by KEY       one line for each user (default), account, cluster, peer,\n"
	"                     partition, place (home, overflow, guest), day, week, month\n"
	"                     or, of usage, job; of nodes: node (default), hour or event\n"
	"  -S, --since TIME   jobs that ended at TIME or later (default: month; nodes\n"
	"                     --by hour: -24h)\n"
	"  -E, --until TIME   and before TIME (default: now)\n"
	"  -u, --user NAME    only this user's jobs\n"
	"  -A, --account NAME only jobs of this account of Slurm\n"
	RAIN_SHOW_HELP RAIN_SHOW_TIMES
	"UNPAID is the part of a price that the tokens of who pays did not cover.\n"
	RAIN_SHOW_EXIT;

static const struct rain_column job_columns[] = {
	{"JOBID", "slurm_job_id", RAIN_COLUMN_PLAIN},
	{"USER", "user_name", RAIN_COLUMN_PLAIN},
	{"ACCOUNT", "account", RAIN_COLUMN_PLAIN, 120},
	{"PARTITION", "partition", RAIN_COLUMN_PLAIN, 100},
	{"NAME", "job_name", RAIN_COLUMN_PLAIN},
	{"STATE", "state", RAIN_COLUMN_PLAIN},
	{"EXIT", "exit_code", RAIN_COLUMN_NUMBER, 100},
	{"START", "start_time", RAIN_COLUMN_WHEN, 140},
	{"END", "end_time", RAIN_COLUMN_WHEN},
	{"NODELIST", "nodes", RAIN_COLUMN_PLAIN, 120},
	{"CPUS", "cpus", RAIN_COLUMN_NUMBER, 140},
	{"CORE-HOURS", "core_ms", RAIN_COLUMN_HOURS, 100},
	{"TOKENS", "charged_utok", RAIN_COLUMN_TOKENS},
	{"UNPAID", "unpaid_utok", RAIN_COLUMN_TOKENS, 140},
	{NULL, NULL, RAIN_COLUMN_PLAIN},
};

/* The first header becomes that of --by. */
static struct rain_column usage_columns[] = {
	{NULL, "key", RAIN_COLUMN_PLAIN},
	{"RUNS", "runs", RAIN_COLUMN_NUMBER},
	{"CORE-HOURS", "core_ms", RAIN_COLUMN_HOURS},
	{"TOKENS", "charged_utok", RAIN_COLUMN_TOKENS},
	{"UNPAID", "unpaid_utok", RAIN_COLUMN_TOKENS},
	{"", "core_ms", RAIN_COLUMN_BAR},
	{NULL, NULL, RAIN_COLUMN_PLAIN},
};
static struct rain_column efficiency_columns[] = {
	{NULL, "key", RAIN_COLUMN_PLAIN},
	{"RUNS", "runs", RAIN_COLUMN_NUMBER},
	{"COMPLETED%", "completed/runs", RAIN_COLUMN_PERCENT},
	{"CORE-HOURS", "core_ms", RAIN_COLUMN_HOURS},
	{"USEFUL%", "completed_core_ms/core_ms", RAIN_COLUMN_PERCENT},
	{"MEAN-WAIT", "wait_s/runs", RAIN_COLUMN_MEAN},
	{"MEAN-RUN", "run_s/runs", RAIN_COLUMN_MEAN},
	{NULL, NULL, RAIN_COLUMN_PLAIN},
};
/* WITHIN90% should be about 90: the share of jobs that kept within the figure that
 * nine of ten were to keep within. */
static struct rain_column estimates_columns[] = {
	{NULL, "key", RAIN_COLUMN_PLAIN},
	{"RUNS", "runs", RAIN_COLUMN_NUMBER},
	{"PREDICTED", "predicted", RAIN_COLUMN_NUMBER},
	{"WITHIN90%", "within/predicted", RAIN_COLUMN_PERCENT},
	{"EXPECTED/RUN%", "expected_s/run_s", RAIN_COLUMN_PERCENT},
	{"AT-PEERS", "bursts", RAIN_COLUMN_NUMBER},
	{"HELD", "held_utok", RAIN_COLUMN_TOKENS},
	{"PAID", "paid_utok", RAIN_COLUMN_TOKENS},
	{"PAID/HELD%", "paid_utok/held_utok", RAIN_COLUMN_PERCENT},
	{NULL, NULL, RAIN_COLUMN_PLAIN},
};
static struct rain_column ledger_columns[] = {
	{NULL, "key", RAIN_COLUMN_PLAIN},
	{"MOVES", "count", RAIN_COLUMN_NUMBER},
	{"TOKENS", "amount_utok", RAIN_COLUMN_TOKENS},
	{"", "amount_utok", RAIN_COLUMN_BAR},
	{NULL, NULL, RAIN_COLUMN_PLAIN},
};
static struct rain_column peers_columns[] = {
	{NULL, "key", RAIN_COLUMN_PLAIN},
	{"GAVE", "gave_utok", RAIN_COLUMN_TOKENS},
	{"JOBS", "gave_runs", RAIN_COLUMN_NUMBER},
	{"TOOK", "took_utok", RAIN_COLUMN_TOKENS},
	{"THEIRS", "took_runs", RAIN_COLUMN_NUMBER},
	{"BALANCE", "balance_utok", RAIN_COLUMN_TOKENS},
	{"HELD", "held_utok", RAIN_COLUMN_TOKENS},
	{"LIMIT", "credit_limit_utok", RAIN_COLUMN_TOKENS},
	{NULL, NULL, RAIN_COLUMN_PLAIN},
};

static const struct kind {
	const char *name, *title;
	struct rain_column *columns;
	const char *keys[12]; /* of --by; the first is the default */
} kinds[] = {
	{"usage", "Jobs that ended", usage_columns,
	 {"user", "account", "cluster", "peer", "partition", "place", "qos", "day", "week", "month", "job"}},
	{"efficiency", "Jobs that ended", efficiency_columns,
	 {"user", "account", "cluster", "peer", "partition", "place", "day", "week", "month"}},
	{"estimates", "Predictions of jobs that ended", estimates_columns,
	 {"user", "account", "cluster", "peer", "partition", "place", "day", "week", "month"}},
	{"ledger", "Transfers", ledger_columns, {"code", "account", "day", "week", "month"}},
	{"peers", "Peers", peers_columns, {"peer"}},
	{"nodes", "Nodes", NULL, {"node", "hour", "event"}}, /* panel/report_nodes.h */
};

struct report {
	struct rain_show show;
	const struct kind *kind;
	const char *by, *user, *account, *since_text, *until_text;
	char zone[64];
	int64_t since, until;
};

static bool is_about_nodes(const struct report *report)
{
	return strcmp(report->kind->name, "nodes") == 0;
}

static bool by_job(const struct report *report)
{
	return strcmp(report->by, "job") == 0;
}

/* The name of the time zone, whose days and weeks are meant: of TZ, or of
 * /etc/localtime. Without a name, UTC, which the table says. */
static void zone_find(struct report *report)
{
	static const char mark[] = "zoneinfo/";
	const char *tz = getenv("TZ"), *name = NULL;
	char path[PATH_MAX];
	ssize_t n;

	if (report->show.utc) {
		name = "UTC";
	} else if (tz && tz[0]) {
		name = tz[0] == ':' ? tz + 1 : tz;
	} else if ((n = readlink("/etc/localtime", path, sizeof(path) - 1)) > 0) {
		path[n] = '\0';
		name = strstr(path, mark);
		name = name ? name + strlen(mark) : NULL;
	}
	snprintf(report->zone, sizeof(report->zone), "%s", name && name[0] != '/' ? name : "UTC");
}

static json_t *request_make(const struct report *report, int64_t until, int64_t until_run)
{
	return json_pack("{s:s s:s s:s s:I s:I s:I s:s* s:s* s:s}", "op", "report", "kind",
			 report->kind->name, "by", report->by, "since", (json_int_t)report->since,
			 "until", (json_int_t)until, "until_run", (json_int_t)until_run, "user",
			 report->user, "account", report->account, "zone", report->zone);
}

/* All pages in one answer: {"rows", "notes"}. NULL with *code and err. */
static json_t *fetch(const struct report *report, int *code, struct rain_error *err)
{
	int64_t until = report->until, until_run = 0;
	json_t *all = NULL, *page;
	bool more;

	do {
		json_t *last;

		page = rain_client_call(report->show.config, request_make(report, until, until_run), code,
					err);
		if (!page) {
			json_decref(all);
			return NULL;
		}
		more = json_is_true(json_object_get(page, "more"));
		if (!all) {
			all = page;
		} else {
			json_array_extend(json_object_get(all, "rows"), json_object_get(page, "rows"));
			json_decref(page);
		}
		last = json_object_get(all, "rows");
		if (more)
			rain_show_progress("jobs read", (int64_t)json_array_size(last));
		last = json_array_get(last, json_array_size(last) - 1);
		until = json_integer_value(json_object_get(last, "end_time"));
		until_run = json_integer_value(json_object_get(last, "job_run_id"));
	} while (more);
	rain_show_progress(NULL, 0);
	json_object_del(all, "more");
	return all;
}

/* For people: a key that is nothing has a name. */
static void name_nothing(const json_t *rows)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		const char *key = json_string_value(json_object_get(row, "key"));

		if (key && !key[0])
			json_object_set_new(row, "key", json_string("(none)"));
	}
}

static int print(struct report *report, json_t *answer)
{
	char title[16];
	size_t i;

	json_object_set_new(answer, "since", json_integer(report->since));
	json_object_set_new(answer, "until", json_integer(report->until));
	json_object_set_new(answer, "zone", json_string(report->zone));
	rain_show_heading(&report->show, report->kind->title, report->since, report->until);
	if (by_job(report))
		return rain_show_rows(&report->show, job_columns, answer, "rows");
	for (i = 0; report->by[i] && i < sizeof(title) - 1; i++)
		title[i] = (char)(report->by[i] - 'a' + 'A');
	title[i] = '\0';
	report->kind->columns[0].header = title;
	if (!report->show.json)
		name_nothing(json_object_get(answer, "rows"));
	return rain_show_rows(&report->show, report->kind->columns, answer, "rows");
}

static bool is_key(const struct kind *kind, const char *by)
{
	for (size_t i = 0; kind->keys[i]; i++)
		if (strcmp(by, kind->keys[i]) == 0)
			return true;
	return false;
}

static const struct kind *kind_find(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(name, kinds[i].name) == 0)
			return &kinds[i];
	return NULL;
}

/* 0, or the exit code of a wrong command line. */
static int read_options(struct report *report, int argc, char *argv[])
{
	static const struct option options[] = {{"by", required_argument, NULL, 'b'},
						{"since", required_argument, NULL, 'S'},
						{"until", required_argument, NULL, 'E'},
						{"user", required_argument, NULL, 'u'},
						{"account", required_argument, NULL, 'A'},
						RAIN_SHOW_OPTIONS};
	struct rain_error err;
	int option;

	while ((option = getopt_long(argc, argv, "b:S:E:u:A:" RAIN_SHOW_LETTERS, options, NULL)) != -1) {
		switch (option) {
		case 'b': report->by = optarg; break;
		case 'S': report->since_text = optarg; break;
		case 'E': report->until_text = optarg; break;
		case 'u': report->user = optarg; break;
		case 'A': report->account = optarg; break;
		default:
			if (!rain_show_option(&report->show, option, optarg))
				return rain_cli_usage("wrong option");
		}
	}
	if (optind < argc && !(report->kind = kind_find(argv[optind++])))
		return rain_cli_usage("there is no report \"%s\"", argv[optind - 1]);
	if (optind < argc)
		return rain_cli_usage("unexpected argument '%s'", argv[optind]);
	if (!report->by)
		report->by = report->kind->keys[0];
	if (!is_key(report->kind, report->by))
		return rain_cli_usage("--by %s: a %s report has no such key", report->by,
				      report->kind->name);
	if (!report->since_text)
		report->since_text = is_about_nodes(report) && strcmp(report->by, "hour") == 0
					     ? "-24h" : "month";
	if (rain_show_period(report->since_text, report->until_text, &report->since, &report->until, &err) < 0)
		return rain_cli_usage("%s", err.text);
	if (is_about_nodes(report) && (report->user || report->account))
		return rain_cli_usage("a nodes report is not about users or accounts");
	if (is_about_nodes(report) && strcmp(report->by, "hour") == 0 &&
	    report->until - report->since > NODE_HOURS_MAX * 3600)
		return rain_cli_usage("--by hour tells at most %d days at once: name --since and --until",
				      NODE_HOURS_MAX / 24);
	zone_find(report);
	return 0;
}

int main(int argc, char *argv[])
{
	struct report report = {.show = {.style = RAIN_TABLE_TEXT}, .kind = &kinds[0],
				.until_text = "now"};
	struct rain_error err;
	json_t *answer;
	int code;

	rain_cli_standard_options(argc, argv, help);
	code = read_options(&report, argc, argv);
	if (code != 0)
		return code;
	if (is_about_nodes(&report))
		return rain_report_nodes(&report.show, report.by, report.since, report.until);
	answer = fetch(&report, &code, &err);
	if (!answer)
		return rain_cli_fail(code, &err);
	code = print(&report, answer);
	json_decref(answer);
	return code;
}
