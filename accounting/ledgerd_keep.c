// SPDX-License-Identifier: GPL-2.0-or-later
/* Housekeeping of the ledger, in bites that don't hold up the daemon. */
#include "accounting/ledgerd.h"

#include "common/log.h"

static const struct task {
	const char *what, *sql;
	int64_t every_ms, again_ms; /* again: when there was enough to go on at once */
	int64_t enough;
} tasks[RAIN_KEEP_COUNT] = {
	{"the history isn't sealed", "SELECT ledger.seal(20) AS done", 5000, 50, 20},
	{"usage isn't summed up", "SELECT ledger.usage_fold(20000) AS done", 60000, 50, 20000},
	{"grants that ended aren't taken back", "SELECT ledger.lots_sweep(500) AS done", 60000, 50, 500},
};

/* How much was done, or -1. */
static int64_t run(struct rain_keep *keep, struct rain_ledger *store, size_t i)
{
	struct rain_error err;
	json_t *rows = NULL;
	int64_t done = -1;

	if (rain_ledger_rows(store, tasks[i].sql, NULL, 0, &rows, &err) == RAIN_LEDGER_OK)
		done = json_integer_value(json_object_get(json_array_get(rows, 0), "done"));
	else if (!keep->failed[i])
		rain_log_warning("%s: %s", tasks[i].what, err.text);
	keep->failed[i] = done < 0;
	json_decref(rows);
	return done;
}

int64_t rain_keep_run(struct rain_keep *keep, struct rain_ledger *store, int64_t now_ms)
{
	int64_t wait = INT64_MAX;

	for (size_t i = 0; i < RAIN_KEEP_COUNT; i++) {
		if (keep->due_ms[i] <= now_ms) {
			int64_t done = run(keep, store, i);

			keep->due_ms[i] = now_ms + (done >= tasks[i].enough ? tasks[i].again_ms
									    : tasks[i].every_ms);
		}
		if (keep->due_ms[i] - now_ms < wait)
			wait = keep->due_ms[i] - now_ms;
	}
	return wait;
}
