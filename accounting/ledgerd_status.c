// SPDX-License-Identifier: GPL-2.0-or-later
/* How the ledger fares: for people (rain ledger) and for monitoring. */
#include "accounting/ledgerd.h"

#include <stdlib.h>

#include "common/clock.h"

/* {} -> {"database", "spool", "waiting", "oldest_ms" (epoch; null: none waits),
 * "rejected", "recorded", "commits", "commit_us", "notes"}; the last figures since
 * the start. For everybody: it says nothing of anybody. */
json_t *rain_ledgerd_op_status(void *arg, const struct rain_rpc_caller *caller,
			       const json_t *request, struct rain_error *err)
{
	struct rain_ledgerd *ledgerd = arg;
	const struct rain_metrics *metrics = &ledgerd->metrics;
	int64_t count, oldest;
	uint64_t commits = 0;

	(void)caller;
	(void)request;
	if (rain_intake_depth(ledgerd->spool, ledgerd->config, &count, &oldest, err) < 0)
		return NULL;
	for (size_t i = 0; i <= RAIN_METRICS_BUCKETS; i++)
		commits += metrics->commits[i];
	return json_pack("{s:b s:s s:I s:o s:i s:I s:I s:I s:I}", "database",
			 ledgerd->failures == 0, "spool", ledgerd->config->ledger.spool, "waiting",
			 (json_int_t)count, "oldest_ms",
			 oldest ? json_integer(oldest) : json_null(), "rejected", ledgerd->rejected,
			 "recorded", (json_int_t)metrics->recorded, "failures",
			 (json_int_t)metrics->failures, "commits", (json_int_t)commits, "commit_us",
			 (json_int_t)metrics->commit_us);
}

char *rain_ledgerd_metrics_text(struct rain_ledgerd *ledgerd)
{
	struct rain_metrics_look look = {.rejected = ledgerd->rejected,
					 .now_ms = rain_clock_realtime_ms()};
	json_t *balances = NULL, *turnover = NULL;
	char *text;

	if (rain_intake_depth(ledgerd->spool, ledgerd->config, &look.spool_count,
			      &look.spool_oldest_ms, NULL) < 0)
		look.spool_count = -1;
	if (rain_ledger_balances(ledgerd->store, NULL, &balances, NULL) == RAIN_LEDGER_OK)
		look.balances = balances;
	/* Its rows have what the others lack; each figure is taken where it is. */
	if (balances && rain_ledger_rows(ledgerd->store,
					 "SELECT name AS account, credited AS credited_utok, "
					 "debited AS debited_utok FROM ledger.account_turnover()",
					 NULL, 0, &turnover, NULL) == RAIN_LEDGER_OK)
		json_array_extend(balances, turnover);
	json_decref(turnover);
	text = rain_metrics_text(&ledgerd->metrics, &look);
	json_decref(balances);
	return text;
}

/* {} for administrators -> {"text": OpenMetrics} */
json_t *rain_ledgerd_op_metrics(void *arg, const struct rain_rpc_caller *caller,
				const json_t *request, struct rain_error *err)
{
	struct rain_ledgerd *ledgerd = arg;
	struct rain_asker asker;
	json_t *answer;
	char *text;

	(void)request;
	if (rain_asker_administrator(ledgerd, caller, "see the metrics", &asker, err) < 0)
		return NULL;
	text = rain_ledgerd_metrics_text(ledgerd);
	answer = text ? json_pack("{s:s}", "text", text) : NULL;
	if (!answer)
		rain_error_set(err, "no memory for the metrics");
	free(text);
	return answer;
}
