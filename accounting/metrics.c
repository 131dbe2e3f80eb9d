// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/tokens.h"

const int64_t rain_metrics_bucket_us[RAIN_METRICS_BUCKETS] = {
	1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000, 1000000};

void rain_metrics_batch(struct rain_metrics *metrics, const struct rain_intake_result *result)
{
	metrics->recorded += result->recorded;
	metrics->rejected += result->rejected;
	if (result->commit_us > 0) {
		size_t bucket = 0;

		while (bucket < RAIN_METRICS_BUCKETS && result->commit_us > rain_metrics_bucket_us[bucket])
			bucket++;
		metrics->commits[bucket]++;
		metrics->commit_us += result->commit_us;
	}
}

static void head(FILE *out, const char *name, const char *type, const char *unit, const char *help)
{
	fprintf(out, "# TYPE %s %s\n", name, type);
	if (unit)
		fprintf(out, "# UNIT %s %s\n", name, unit);
	fprintf(out, "# HELP %s %s\n", name, help);
}

static void counter(FILE *out, const char *name, const char *help, uint64_t value)
{
	head(out, name, "counter", NULL, help);
	fprintf(out, "%s_total %" PRIu64 "\n", name, value);
}

static void gauge(FILE *out, const char *name, const char *unit, const char *help, int64_t value)
{
	head(out, name, "gauge", unit, help);
	fprintf(out, "%s %" PRId64 "\n", name, value);
}

static void commits(FILE *out, const struct rain_metrics *metrics)
{
	static const char name[] = "rain_ledger_commit_seconds";
	uint64_t sum = 0;

	head(out, name, "histogram", "seconds", "How long transactions that book job runs take.");
	for (size_t i = 0; i < RAIN_METRICS_BUCKETS; i++) {
		sum += metrics->commits[i];
		fprintf(out, "%s_bucket{le=\"%" PRId64 ".%03" PRId64 "\"} %" PRIu64 "\n", name,
			rain_metrics_bucket_us[i] / 1000000,
			rain_metrics_bucket_us[i] / 1000 % 1000, sum);
	}
	sum += metrics->commits[RAIN_METRICS_BUCKETS];
	fprintf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, sum);
	fprintf(out, "%s_count %" PRIu64 "\n", name, sum);
	fprintf(out, "%s_sum %" PRId64 ".%06" PRId64 "\n", name, metrics->commit_us / 1000000,
		metrics->commit_us % 1000000);
}

/* A label's value: backslash, quote and newline are escaped. */
static void label(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\n')
			fputs("\\n", out);
		else
			fprintf(out, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
	}
}

static void per_account(FILE *out, const json_t *rows, const char *name, const char *key,
			const char *help)
{
	char tokens[RAIN_TOKENS_TEXT_SIZE];
	const json_t *row;
	size_t i;

	head(out, name, "gauge", "tokens", help);
	json_array_foreach(rows, i, row) {
		const json_t *value = json_object_get(row, key);
		const char *account = json_string_value(json_object_get(row, "account"));

		if (!account || !json_is_integer(value))
			continue;
		fprintf(out, "%s{account=\"", name);
		label(out, account);
		fprintf(out, "\"} %s\n", rain_tokens_format(json_integer_value(value), tokens));
	}
}

static void per_account_counter(FILE *out, const json_t *rows, const char *name, const char *key,
				const char *help)
{
	char tokens[RAIN_TOKENS_TEXT_SIZE];
	const json_t *row;
	size_t i;

	head(out, name, "counter", "tokens", help);
	json_array_foreach(rows, i, row) {
		const json_t *value = json_object_get(row, key);
		const char *account = json_string_value(json_object_get(row, "account"));

		if (!account || !json_is_integer(value))
			continue;
		fprintf(out, "%s_total{account=\"", name);
		label(out, account);
		fprintf(out, "\"} %s\n", rain_tokens_format(json_integer_value(value), tokens));
	}
}

static void look_write(FILE *out, const struct rain_metrics_look *look)
{
	int64_t age = look->now_ms - look->spool_oldest_ms;

	if (look->spool_count >= 0) {
		gauge(out, "rain_ledger_spool_records", NULL, "Job records that wait to be booked.",
		      look->spool_count);
		gauge(out, "rain_ledger_spool_oldest_seconds", "seconds",
		      "How long the oldest job record has waited.",
		      look->spool_oldest_ms == 0 || age < 0 ? 0 : age / 1000);
	}
	gauge(out, "rain_ledger_rejected_records", NULL, "Job records put aside, to be looked at.",
	      look->rejected);
	gauge(out, "rain_ledger_database_up", NULL, "1 when the database answers.",
	      look->balances != NULL);
	if (!look->balances)
		return;
	per_account(out, look->balances, "rain_account_balance_tokens", "balance_utok",
		    "What is booked on an account.");
	per_account(out, look->balances, "rain_account_held_tokens", "held_utok",
		    "What is held for jobs that run elsewhere.");
	per_account(out, look->balances, "rain_account_available_tokens", "available_utok",
		    "What an account can spend.");
	per_account_counter(out, look->balances, "rain_account_credited_tokens", "credited_utok",
			    "All that an account has got.");
	per_account_counter(out, look->balances, "rain_account_debited_tokens", "debited_utok",
			    "All that an account has given.");
}

char *rain_metrics_text(const struct rain_metrics *metrics, const struct rain_metrics_look *look)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	counter(out, "rain_ledger_runs_recorded", "Job records booked.", metrics->recorded);
	counter(out, "rain_ledger_calls", "Grants, transfers and holds asked for.", metrics->calls);
	counter(out, "rain_ledger_groups", "Transactions that these calls were made in.", metrics->groups);
	counter(out, "rain_ledger_runs_rejected", "Job records put aside.", metrics->rejected);
	counter(out, "rain_ledger_failures", "Times that the database or the spool couldn't be used.",
		metrics->failures);
	commits(out, metrics);
	look_write(out, look);
	fputs("# EOF\n", out);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
