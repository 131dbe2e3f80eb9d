// SPDX-License-Identifier: GPL-2.0-or-later
/* Housekeeping of the ledger: bites on a connection of its own, one after the other, that the
 * daemon doesn't wait for. */
#include "accounting/ledgerd_keep.h"

#include <stdlib.h>

#include "accounting/ledgerd_ask.h"
#include "common/clock.h"
#include "common/log.h"

static const struct task {
	const char *what, *sql;
	int64_t every_ms, again_ms; /* again: when there was enough to go on at once */
	int64_t enough;
} tasks[] = {
	{"the history isn't sealed", "SELECT to_jsonb(ledger.seal(20))", 5000, 50, 20},
	{"usage isn't summed up", "SELECT to_jsonb(ledger.usage_fold(20000))", 60000, 50, 20000},
	{"grants that ended aren't taken back", "SELECT to_jsonb(ledger.lots_sweep(500))", 60000, 50, 500},
};
enum { COUNT = sizeof(tasks) / sizeof(tasks[0]) };

struct rain_keep {
	struct rain_ask *ask;
	struct event *due; /* timer: the next task */
	int at;		   /* the task under way, or -1 */
	int64_t due_ms[COUNT];
	bool failed[COUNT]; /* and it is said */
};

static void schedule(struct rain_keep *keep)
{
	int64_t wait = INT64_MAX, now_ms = rain_clock_monotonic_ms();
	struct timeval delay = {0, 0};

	for (int i = 0; i < COUNT; i++)
		if (keep->due_ms[i] - now_ms < wait)
			wait = keep->due_ms[i] - now_ms;
	if (wait > 0)
		delay = (struct timeval){wait / 1000, wait % 1000 * 1000};
	evtimer_add(keep->due, &delay);
}

/* done: how much, or -1 with the reason */
static void finish(struct rain_keep *keep, int64_t done, const char *why)
{
	const struct task *task = &tasks[keep->at];

	if (done < 0 && !keep->failed[keep->at])
		rain_log_warning("%s: %s", task->what, why);
	keep->failed[keep->at] = done < 0;
	keep->due_ms[keep->at] =
		rain_clock_monotonic_ms() + (done >= task->enough ? task->again_ms : task->every_ms);
	keep->at = -1;
	schedule(keep);
}

static void answered(void *arg, enum rain_ledger_result outcome, json_t *value,
		     const struct rain_error *err)
{
	finish(arg, outcome == RAIN_LEDGER_OK ? json_integer_value(value) : -1, err->text);
}

static void on_due(evutil_socket_t fd, short events, void *arg)
{
	struct rain_keep *keep = arg;
	int64_t now_ms = rain_clock_monotonic_ms();
	struct rain_error err;

	(void)fd;
	(void)events;
	for (int i = 0; i < COUNT && keep->at < 0; i++)
		if (keep->due_ms[i] <= now_ms)
			keep->at = i;
	if (keep->at < 0)
		schedule(keep);
	else if (rain_ask_send(keep->ask, tasks[keep->at].sql, NULL, 0, &err) < 0)
		finish(keep, -1, err.text);
}

struct rain_keep *rain_keep_create(struct event_base *base, const char *database,
				   struct rain_error *err)
{
	struct rain_keep *keep = calloc(1, sizeof(*keep));

	if (keep) {
		keep->at = -1;
		keep->ask = rain_ask_create(base, database, RAIN_LEDGER_TIMEOUT_MS, answered, keep);
		keep->due = evtimer_new(base, on_due, keep);
	}
	if (!keep || !keep->ask || !keep->due) {
		rain_error_set(err, "no memory for housekeeping");
		rain_keep_destroy(keep);
		return NULL;
	}
	event_active(keep->due, EV_TIMEOUT, 0);
	return keep;
}

int rain_keep_reload(struct rain_keep *keep, const char *database, struct rain_error *err)
{
	return rain_ask_reload(keep->ask, database, err);
}

void rain_keep_destroy(struct rain_keep *keep)
{
	if (!keep)
		return;
	if (keep->due)
		event_free(keep->due);
	rain_ask_destroy(keep->ask);
	free(keep);
}
