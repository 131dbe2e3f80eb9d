// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/ledgerd_group.h"

#include <stdlib.h>
#include <string.h>

#include "accounting/group.h"
#include "accounting/ledgerd_ask.h"
#include "common/clock.h"

#define GROUP "SELECT ledger.group_calls($1::jsonb)"
#define TRIES 3 /* of a group that the database lost, or that got in somebody's way */

struct rain_ledgerd_group {
	struct rain_ledgerd *ledgerd;
	struct rain_group *calls; /* NULL: no more */
	struct rain_ask *ask;
	struct event *due; /* timer: the next group */
	int tries;
};

static void told(void *who, const char *answer, const char *error)
{
	struct rain_ledgerd_call *call = who;
	struct rain_error err = {"it failed without saying why"};
	json_t *result = NULL;

	if (answer && call->tell)
		result = call->tell(call->ledgerd, call, strcmp(answer, "exists") == 0, &err);
	else if (answer)
		result = json_pack("{s:s}", "answer", answer);
	rain_rpc_answer(call->answer, result, error ? error : err.text);
	json_decref(result);
	free(call);
}

static void look(struct rain_ledgerd_group *group);

static void finish(struct rain_ledgerd_group *group, const json_t *answers, const char *error)
{
	struct rain_metrics *metrics = &group->ledgerd->metrics;
	int64_t now_us = rain_clock_monotonic_us();

	metrics->calls += rain_group_answer(group->calls, answers, error, told, now_us);
	metrics->groups++;
	look(group);
}

/* Sends the group under way. */
static void submit(struct rain_ledgerd_group *group)
{
	char *text = json_dumps(rain_group_under_way(group->calls), JSON_COMPACT);
	const char *params[] = {text};
	struct rain_error err = {"no memory for a group of calls"};

	group->tries++;
	if (!text || rain_ask_send(group->ask, GROUP, params, 1, &err) < 0)
		finish(group, NULL, err.text);
	free(text);
}

/* What was lost is asked again: every call has a key. */
static void answered(void *arg, enum rain_ledger_result outcome, json_t *answers,
		     const struct rain_error *err)
{
	struct rain_ledgerd_group *group = arg;

	if (outcome == RAIN_LEDGER_UNAVAILABLE && group->tries < TRIES)
		submit(group);
	else
		finish(group, answers, err->text);
}

static void look(struct rain_ledgerd_group *group)
{
	int64_t wait_us = rain_group_wait_us(group->calls, rain_clock_monotonic_us());
	struct timeval wait;

	if (wait_us < 0)
		return;
	/* Even what is due lets others speak first that have something to say already. */
	if (wait_us == 0) {
		event_active(group->due, EV_TIMEOUT, 0);
		return;
	}
	wait = (struct timeval){0, wait_us};
	evtimer_add(group->due, &wait);
}

static void on_due(evutil_socket_t fd, short events, void *arg)
{
	struct rain_ledgerd_group *group = arg;
	static const struct timeval no_memory = {1, 0};
	int64_t wait_us = rain_group_wait_us(group->calls, rain_clock_monotonic_us());

	(void)fd;
	(void)events;
	if (wait_us > 0)
		look(group);
	if (wait_us != 0)
		return;
	group->tries = 0;
	if (rain_group_next(group->calls))
		submit(group);
	else
		evtimer_add(group->due, &no_memory);
}

struct rain_ledgerd_group *rain_ledgerd_group_create(struct rain_ledgerd *ledgerd,
						     struct rain_error *err)
{
	struct rain_ledgerd_group *group = calloc(1, sizeof(*group));

	if (group) {
		group->ledgerd = ledgerd;
		group->calls = rain_group_create();
		group->ask = rain_ask_create(ledgerd->base, ledgerd->config->ledger.database,
					     RAIN_LEDGER_TIMEOUT_MS, answered, group);
		group->due = evtimer_new(ledgerd->base, on_due, group);
	}
	if (!group || !group->calls || !group->ask || !group->due) {
		rain_error_set(err, "no memory for groups of calls");
		rain_ledgerd_group_destroy(group);
		return NULL;
	}
	return group;
}

void rain_ledgerd_group_end(struct rain_ledgerd_group *group)
{
	rain_ask_end(group->ask);
	event_del(group->due);
	rain_group_destroy(group->calls, told);
	group->calls = NULL;
}

void rain_ledgerd_group_destroy(struct rain_ledgerd_group *group)
{
	if (!group)
		return;
	rain_group_destroy(group->calls, told);
	if (group->due)
		event_free(group->due);
	rain_ask_destroy(group->ask);
	free(group);
}

int rain_ledgerd_group_reload(struct rain_ledgerd_group *group, struct rain_error *err)
{
	return rain_ask_reload(group->ask, group->ledgerd->config->ledger.database, err);
}

json_t *rain_ledgerd_group_call(struct rain_ledgerd *ledgerd, const struct rain_rpc_caller *caller,
				const struct rain_ledgerd_call *call, json_t *json,
				struct rain_error *err)
{
	struct rain_ledgerd_group *group = ledgerd->group;
	struct rain_ledgerd_call *waiting = json ? malloc(sizeof(*waiting)) : NULL;
	struct rain_rpc_answer *answer = NULL;

	if (!group->calls) {
		rain_error_set(err, RAIN_GROUP_ENDED);
	} else if (rain_group_waiting(group->calls) >= RAIN_GROUP_WAITING_MAX) {
		rain_error_set(err, "%d calls wait already: ask again", RAIN_GROUP_WAITING_MAX);
	} else if (!waiting || !(answer = rain_rpc_put_off(caller))) {
		rain_error_set(err, "no memory for the call");
	} else {
		*waiting = *call;
		waiting->ledgerd = ledgerd;
		waiting->answer = answer;
		if (rain_group_add(group->calls, json, waiting) == 0) {
			look(group);
			return NULL;
		}
		rain_rpc_answer(answer, NULL, "no memory for the call");
		json = NULL; /* stolen all the same */
	}
	json_decref(json);
	free(waiting);
	return NULL;
}
