// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/ledgerd_checks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "accounting/ledgerd_ask.h"

#define WAITING_MAX 8
/* Ten million runs take some minutes; who asked has gone long before. */
#define LIMIT_MS (7200 * INT64_C(1000))
#define STOPS "rain-ledgerd stops; ask again"

struct check {
	struct check *next;
	struct rain_rpc_answer *answer;
	const char *sql;
	int64_t from, to;
};

struct rain_checks {
	struct rain_ask *ask;
	struct check *first, **end; /* first: under way, when something is */
	size_t count;
};

static void finish(struct rain_checks *checks, json_t *value, const char *error)
{
	struct check *check = checks->first;

	checks->first = check->next;
	if (!checks->first)
		checks->end = &checks->first;
	checks->count--;
	rain_rpc_answer(check->answer, value, error);
	free(check);
}

/* Begins the next check, if none is under way. */
static void look(struct rain_checks *checks)
{
	struct rain_error err;
	char from[24], to[24];

	while (checks->first && !rain_ask_under_way(checks->ask)) {
		const struct check *check = checks->first;
		const char *params[] = {check->from ? from : NULL, check->to ? to : NULL};

		snprintf(from, sizeof(from), "%" PRId64, check->from);
		snprintf(to, sizeof(to), "%" PRId64, check->to);
		if (rain_ask_send(checks->ask, check->sql, params, 2, &err) < 0)
			finish(checks, NULL, err.text);
	}
}

static void answered(void *arg, enum rain_ledger_result outcome, json_t *value,
		     const struct rain_error *err)
{
	(void)outcome;
	finish(arg, value, err->text);
	look(arg);
}

struct rain_checks *rain_checks_create(struct event_base *base, const char *database,
				       struct rain_error *err)
{
	struct rain_checks *checks = calloc(1, sizeof(*checks));

	if (checks) {
		checks->end = &checks->first;
		checks->ask = rain_ask_create(base, database, LIMIT_MS, answered, checks);
	}
	if (!checks || !checks->ask) {
		rain_error_set(err, "no memory for checks");
		rain_checks_destroy(checks);
		return NULL;
	}
	return checks;
}

int rain_checks_reload(struct rain_checks *checks, const char *database, struct rain_error *err)
{
	return rain_ask_reload(checks->ask, database, err);
}

void rain_checks_destroy(struct rain_checks *checks)
{
	if (!checks)
		return;
	while (checks->first)
		finish(checks, NULL, STOPS);
	rain_ask_destroy(checks->ask);
	free(checks);
}

json_t *rain_checks_ask(struct rain_checks *checks, const struct rain_rpc_caller *caller,
			const char *sql, int64_t from, int64_t to, struct rain_error *err)
{
	struct check *check;

	if (!checks) {
		rain_error_set(err, STOPS);
		return NULL;
	}
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
