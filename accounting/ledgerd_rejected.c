// SPDX-License-Identifier: GPL-2.0-or-later
/* What came through the spool and can't be booked. */
#include "accounting/ledgerd.h"

#include "accounting/rejected.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"

#define REJECTED_MAX 1000
#define FOREIGN_MS 30000

void rain_ledgerd_count_rejected(struct rain_ledgerd *ledgerd)
{
	struct rain_error err;
	int count = rain_rejected_count(ledgerd->config->ledger.spool, &err);

	if (count < 0)
		rain_log_warning("the rejected records can't be counted: %s", err.text);
	else
		ledgerd->rejected = count;
}

void rain_ledgerd_look_for_foreign(struct rain_ledgerd *ledgerd)
{
	int64_t now = rain_clock_monotonic_ms();
	struct rain_error err;
	int count;

	if (now < ledgerd->foreign_ms)
		return;
	ledgerd->foreign_ms = now + FOREIGN_MS;
	count = rain_rejected_add_foreign(ledgerd->config->ledger.spool, rain_clock_realtime_ms(), &err);
	/* A spool that can't be read is told by the intake. */
	if (count > 0)
		rain_ledgerd_count_rejected(ledgerd);
}

void rain_ledgerd_readmit(struct rain_ledgerd *ledgerd)
{
	struct rain_error err;
	int count = rain_rejected_readmit(ledgerd->config->ledger.spool, NULL, rain_clock_realtime_ms(), &err);

	if (count < 0)
		rain_log_warning("the rejected records can't be retried: %s", err.text);
	else if (count > 0)
		rain_log_info("records that were put aside are tried again: count=%d", count);
	ledgerd->foreign_ms = 0;
	rain_ledgerd_count_rejected(ledgerd);
}

/* {} for administrators -> {"rejected": [{"file", "reason", "since"}], "notes"} */
json_t *rain_ledgerd_op_rejected(void *arg, const struct rain_rpc_caller *caller,
				 const json_t *request, struct rain_error *err)
{
	struct rain_ledgerd *ledgerd = arg;
	struct rain_asker asker;
	json_t *list;

	(void)request;
	if (rain_asker_administrator(ledgerd, caller, "see the records put aside", &asker, err) < 0)
		return NULL;
	list = rain_rejected_list(ledgerd->config->ledger.spool, REJECTED_MAX, err);
	return list ? json_pack("{s:o}", "rejected", list) : NULL;
}

/* {file?} for administrators -> {"replayed": n}: tries again what was put aside. */
json_t *rain_ledgerd_op_replay(void *arg, const struct rain_rpc_caller *caller,
			       const json_t *request, struct rain_error *err)
{
	struct rain_ledgerd *ledgerd = arg;
	struct rain_asker asker;
	const char *file;
	int count;

	if (rain_asker_administrator(ledgerd, caller, "replay records", &asker, err) < 0 ||
	    rain_json_string_or(request, "file", RAIN_REJECTED_NAME_MAX, NULL, &file, err) < 0)
		return NULL;
	count = rain_rejected_readmit(ledgerd->config->ledger.spool, file, rain_clock_realtime_ms(), err);
	if (count < 0)
		return NULL;
	rain_log_info("records that were put aside are tried again: count=%d by=%s", count, asker.user);
	rain_ledgerd_count_rejected(ledgerd);
	rain_ledgerd_wake(ledgerd);
	return json_pack("{s:i}", "replayed", count);
}
