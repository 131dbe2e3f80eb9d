// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/ledgerd_ask.h"

#include <stdlib.h>

#include "common/clock.h"

struct rain_ask {
	struct event_base *base;
	struct rain_ledger *store, *next_store; /* next: NULL, or to be used for the next statement */
	struct event *answered;			/* readable, or too late */
	rain_ask_told *told;
	void *arg;
	int64_t limit_ms, deadline_ms; /* deadline: of what is under way */
	bool under_way, ended;
};

static void on_answered(evutil_socket_t fd, short events, void *arg);

struct rain_ask *rain_ask_create(struct event_base *base, const char *database, int64_t limit_ms,
				 rain_ask_told *told, void *arg)
{
	struct rain_ask *ask = calloc(1, sizeof(*ask));

	if (!ask)
		return NULL;
	ask->base = base;
	ask->limit_ms = limit_ms;
	ask->told = told;
	ask->arg = arg;
	ask->store = rain_ledger_create(database);
	ask->answered = event_new(base, -1, 0, on_answered, ask);
	if (!ask->store || !ask->answered) {
		rain_ask_destroy(ask);
		return NULL;
	}
	return ask;
}

void rain_ask_destroy(struct rain_ask *ask)
{
	if (!ask)
		return;
	if (ask->answered)
		event_free(ask->answered);
	rain_ledger_destroy(ask->next_store);
	rain_ledger_destroy(ask->store);
	free(ask);
}

bool rain_ask_under_way(const struct rain_ask *ask)
{
	return ask->under_way;
}

static void await(struct rain_ask *ask)
{
	int64_t left_ms = ask->deadline_ms - rain_clock_monotonic_ms();
	struct timeval limit = {0, 1};

	if (left_ms > 0)
		limit = (struct timeval){left_ms / 1000, left_ms % 1000 * 1000};
	event_add(ask->answered, &limit);
}

int rain_ask_send(struct rain_ask *ask, const char *sql, const char *const params[], size_t count,
		  struct rain_error *err)
{
	if (ask->ended)
		return rain_error_set(err, "rain-ledgerd stops: ask again with the same key");
	if (rain_ledger_send(ask->store, sql, params, count, err) < 0)
		return -1;
	ask->under_way = true;
	ask->deadline_ms = rain_clock_monotonic_ms() + ask->limit_ms;
	event_assign(ask->answered, ask->base, rain_ledger_fd(ask->store), EV_READ, on_answered, ask);
	await(ask);
	return 0;
}

static void use_next(struct rain_ask *ask)
{
	if (!ask->next_store)
		return;
	rain_ledger_destroy(ask->store);
	ask->store = ask->next_store;
	ask->next_store = NULL;
}

static void tell(struct rain_ask *ask, enum rain_ledger_result outcome, json_t *value,
		 struct rain_error *err)
{
	if (outcome == RAIN_LEDGER_BUSY) {
		rain_ledger_give_up(ask->store);
		rain_error_set(err, RAIN_LEDGER_SUBJECT " did not answer: it took too long");
	}
	ask->under_way = false;
	use_next(ask); /* who is told may send */
	ask->told(ask->arg, outcome, value, err);
	json_decref(value);
}

static void on_answered(evutil_socket_t fd, short events, void *arg)
{
	struct rain_ask *ask = arg;
	struct rain_error err = {""};
	json_t *value = NULL;
	enum rain_ledger_result outcome;

	(void)fd;
	/* What is late may have come by now: libevent tells of the time alone. */
	outcome = rain_ledger_receive(ask->store, &value, &err);
	if (outcome == RAIN_LEDGER_BUSY && !(events & EV_TIMEOUT))
		await(ask);
	else
		tell(ask, outcome, value, &err);
}

int rain_ask_reload(struct rain_ask *ask, const char *database, struct rain_error *err)
{
	struct rain_ledger *store = rain_ledger_create(database);

	if (!store)
		return rain_error_set(err, "no memory for the new configuration");
	rain_ledger_destroy(ask->next_store);
	ask->next_store = store;
	if (!ask->under_way)
		use_next(ask);
	return 0;
}

void rain_ask_end(struct rain_ask *ask)
{
	int64_t last_ms = rain_clock_monotonic_ms() + RAIN_ASK_END_MS;
	struct rain_error err = {""};
	json_t *value = NULL;
	enum rain_ledger_result outcome;

	ask->ended = true;
	if (!ask->under_way)
		return;
	event_del(ask->answered);
	outcome = rain_ledger_await(ask->store, last_ms < ask->deadline_ms ? last_ms : ask->deadline_ms,
				    &value, &err);
	tell(ask, outcome, value, &err);
}
