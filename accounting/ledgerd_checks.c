// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/ledgerd_checks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "accounting/store.h"

#define WAITING_MAX 8
/* Ten million runs take some minutes; who asked has gone long before. */
#define LIMIT_S 7200

struct check {
	struct check *next;
	struct rain_rpc_answer *answer;
	const char *sql;
	int64_t from, to;
};

struct rain_checks {
	struct event_base *base;
	struct rain_ledger *store, *next_store; /* next: NULL, or to be used from the next check on */
	struct event *answered;			/* readable, or too late */
	struct check *first, **end;		/* first: under way when `asked` */
	size_t count;
	bool asked;
};

static void look(struct rain_checks *checks);

static void finish(struct rain_checks *checks, json_t *value, const char *error)
{
	struct check *check = checks->first;

	checks->first = check->next;
	if (!checks->first)
		checks->end = &checks->first;
	checks->count--;
	checks->asked = false;
	rain_rpc_answer(check->answer, value, error);
	free(check);
}

static void on_answered(evutil_socket_t fd, short events, void *arg)
{
	static const struct timeval limit = {LIMIT_S, 0};
	struct rain_checks *checks = arg;
	struct rain_error err = {""};
	json_t *value = NULL;
	enum rain_ledger_result outcome = rain_ledger_receive(checks->store, &value, &err);

	(void)fd;
	if (outcome == RAIN_LEDGER_BUSY && !(events & EV_TIMEOUT)) {
		event_add(checks->answered, &limit);
		return;
	}
	if (outcome == RAIN_LEDGER_BUSY) {
		rain_ledger_give_up(checks->store);
		rain_error_set(&err, RAIN_LEDGER_SUBJECT " did not answer: it took too long");
	}
	finish(checks, outcome == RAIN_LEDGER_OK ? value : NULL, err.text);
	json_decref(value);
	look(checks);
}

/* Begins the next check, if none is under way. */
static void look(struct rain_checks *checks)
{
	static const struct timeval limit = {LIMIT_S, 0};
	struct rain_error err;
	char from[24], to[24];

	if (!checks->asked && checks->next_store) {
		rain_ledger_destroy(checks->store);
		checks->store = checks->next_store;
		checks->next_store = NULL;
	}
	while (checks->first && !checks->asked) {
		const struct check *check = checks->first;
		const char *params[] = {check->from ? from : NULL, check->to ? to : NULL};

		snprintf(from, sizeof(from), "%" PRId64, check->from);
		snprintf(to, sizeof(to), "%" PRId64, check->to);
		if (rain_ledger_send(checks->store, check->sql, params, 2, &err) < 0) {
			finish(checks, NULL, err.text);
			continue;
		}
		checks->asked = true;
		event_assign(checks->answered, checks->base, rain_ledger_fd(checks->store), EV_READ,
			     on_answered, checks);
		event_add(checks->answered, &limit);
	}
}

struct rain_checks *rain_checks_create(struct event_base *base, const char *database,
				       struct rain_error *err)
{
	struct rain_checks *checks = calloc(1, sizeof(*checks));

	if (checks) {
		checks->base = base;
		checks->end = &checks->first;
		checks->store = rain_ledger_create(database);
		checks->answered = event_new(base, -1, 0, on_answered, checks);
	}
	if (!checks || !checks->store || !checks->answered) {
		rain_error_set(err, "no memory for checks");
		rain_checks_destroy(checks);
		return NULL;
	}
	return checks;
}

int rain_checks_reload(struct rain_checks *checks, const char *database, struct rain_error *err)
{
	struct rain_ledger *store = rain_ledger_create(database);

	if (!store)
		return rain_error_set(err, "no memory for the new configuration");
	rain_ledger_destroy(checks->next_store);
	checks->next_store = store;
	look(checks);
	return 0;
}

void rain_checks_destroy(struct rain_checks *checks)
{
	if (!checks)
		return;
	while (checks->first)
		finish(checks, NULL, "rain-ledgerd stops; ask again");
	if (checks->answered)
		event_free(checks->answered);
	rain_ledger_destroy(checks->next_store);
	rain_ledger_destroy(checks->store);
	free(checks);
}

json_t *rain_checks_ask(struct rain_checks *checks, const struct rain_rpc_caller *caller,
			const char *sql, int64_t from, int64_t to, struct rain_error *err)
{
	struct check *check;

	if (checks->count >= WAITING_MAX) {
		rain_error_set(err, "%d checks wait already: ask again", WAITING_MAX);
		return NULL;
	}
	check = calloc(1, sizeof(*check));
	if (!check || !(check->answer = rain_rpc_put_off(caller))) {
		rain_error_set(err, "no memory for the check");
		free(check);
		return NULL;
	}
	check->sql = sql;
	check->from = from;
	check->to = to;
	*checks->end = check;
	checks->end = &check->next;
	checks->count++;
	look(checks);
	return NULL;
}
