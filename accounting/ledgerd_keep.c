// SPDX-License-Identifier: GPL-2.0-or-later
/* Housekeeping of the ledger: bites on a connection of its own, one after the other, that the
 * daemon doesn't wait for. */
#include "accounting/ledgerd_keep.h"

#include <stdlib.h>

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
	struct event_base *base;
	struct rain_ledger *store, *next_store; /* next: NULL, or to be used from the next task on */
	struct event *due;			/* timer: the next task */
	struct event *answered;			/* readable, or too late */
	int at;					/* the task under way, or -1 */
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
	if (keep->next_store) {
		rain_ledger_destroy(keep->store);
		keep->store = keep->next_store;
		keep->next_store = NULL;
	}
	schedule(keep);
}

static void await(struct rain_keep *keep)
{
	static const struct timeval limit = {RAIN_LEDGER_TIMEOUT_MS / 1000, 0};

	event_add(keep->answered, &limit);
}

static void on_answered(evutil_socket_t fd, short events, void *arg)
{
	struct rain_keep *keep = arg;
	struct rain_error err;
	json_t *value = NULL;
	enum rain_ledger_result outcome;

	(void)fd;
	outcome = rain_ledger_receive(keep->store, &value, &err);
	if (outcome == RAIN_LEDGER_BUSY && (events & EV_TIMEOUT)) {
		rain_ledger_give_up(keep->store);
		finish(keep, -1, RAIN_LEDGER_SUBJECT " did not answer: it took too long");
		return;
	}
	if (outcome == RAIN_LEDGER_BUSY) {
		await(keep);
		return;
	}
	finish(keep, outcome == RAIN_LEDGER_OK ? json_integer_value(value) : -1, err.text);
	json_decref(value);
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
	if (keep->at < 0) {
		schedule(keep);
	} else if (rain_ledger_send(keep->store, tasks[keep->at].sql, NULL, 0, &err) < 0) {
		finish(keep, -1, err.text);
	} else {
		event_assign(keep->answered, keep->base, rain_ledger_fd(keep->store), EV_READ,
			     on_answered, keep);
		await(keep);
	}
}

struct rain_keep *rain_keep_create(struct event_base *base, const char *database,
				   struct rain_error *err)
{
	struct rain_keep *keep = calloc(1, sizeof(*keep));

	if (keep) {
		keep->base = base;
		keep->at = -1;
		keep->store = rain_ledger_create(database);
		keep->due = evtimer_new(base, on_due, keep);
		keep->answered = event_new(base, -1, 0, on_answered, keep);
	}
	if (!keep || !keep->store || !keep->due || !keep->answered) {
		rain_error_set(err, "no memory for housekeeping");
		rain_keep_destroy(keep);
		return NULL;
	}
	event_active(keep->due, EV_TIMEOUT, 0);
	return keep;
}

int rain_keep_reload(struct rain_keep *keep, const char *database, struct rain_error *err)
{
	struct rain_ledger *store = rain_ledger_create(database);

	if (!store)
		return rain_error_set(err, "no memory for the new configuration");
	rain_ledger_destroy(keep->next_store);
	keep->next_store = store;
	if (keep->at < 0) {
		rain_ledger_destroy(keep->store);
		keep->store = store;
		keep->next_store = NULL;
	}
	return 0;
}

void rain_keep_destroy(struct rain_keep *keep)
{
	if (!keep)
		return;
	if (keep->due)
		event_free(keep->due);
	if (keep->answered)
		event_free(keep->answered);
	rain_ledger_destroy(keep->next_store);
	rain_ledger_destroy(keep->store);
	free(keep);
}
