// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/group.h"

#include <stdlib.h>

struct call {
	struct call *next;
	json_t *call;
	void *who;
};

struct list {
	struct call *first, **end;
	size_t count;
};

struct rain_group {
	struct list waiting, under_way;
	json_t *calls; /* those under way; NULL: none is */
	size_t expected;
	int64_t answered_us; /* the last group */
};

static void list_init(struct list *list)
{
	*list = (struct list){.end = &list->first};
}

static void append(struct list *list, struct call *call)
{
	call->next = NULL;
	*list->end = call;
	list->end = &call->next;
	list->count++;
}

static struct call *take(struct list *list)
{
	struct call *call = list->first;

	if (!call)
		return NULL;
	list->first = call->next;
	if (!list->first)
		list->end = &list->first;
	list->count--;
	return call;
}

struct rain_group *rain_group_create(void)
{
	struct rain_group *group = calloc(1, sizeof(*group));

	if (group) {
		list_init(&group->waiting);
		list_init(&group->under_way);
	}
	return group;
}

static void tell(struct list *list, const json_t *answers, const char *error, rain_group_told *told)
{
	struct call *call;

	for (size_t i = 0; (call = take(list)); i++) {
		const json_t *answer = json_array_get(answers, i);
		const char *text = json_string_value(json_object_get(answer, "answer"));
		const char *why = json_string_value(json_object_get(answer, "error"));

		told(call->who, text, text ? NULL : why ? why : error);
		json_decref(call->call);
		free(call);
	}
}

void rain_group_destroy(struct rain_group *group, rain_group_told *told)
{
	if (!group)
		return;
	tell(&group->under_way, NULL, RAIN_GROUP_ENDED, told);
	tell(&group->waiting, NULL, RAIN_GROUP_ENDED, told);
	json_decref(group->calls);
	free(group);
}

int rain_group_add(struct rain_group *group, json_t *call, void *who)
{
	struct call *added = NULL;

	if (call && group->waiting.count < RAIN_GROUP_WAITING_MAX)
		added = calloc(1, sizeof(*added));
	if (!added) {
		json_decref(call);
		return -1;
	}
	added->call = call;
	added->who = who;
	append(&group->waiting, added);
	return 0;
}

int64_t rain_group_wait_us(const struct rain_group *group, int64_t now_us)
{
	int64_t left = group->answered_us + RAIN_GROUP_PATIENCE_US - now_us;

	if (group->calls || group->waiting.count == 0)
		return -1;
	if (group->waiting.count >= group->expected || left <= 0)
		return 0;
	return left;
}

const json_t *rain_group_next(struct rain_group *group)
{
	if (group->calls || group->waiting.count == 0)
		return NULL;
	group->calls = json_array();
	while (group->calls && group->waiting.count > 0 &&
	       group->under_way.count < RAIN_GROUP_CALLS_MAX) {
		if (json_array_append(group->calls, group->waiting.first->call) < 0)
			break;
		append(&group->under_way, take(&group->waiting));
	}
	if (group->under_way.count == 0) {
		json_decref(group->calls);
		group->calls = NULL;
	}
	return group->calls;
}

const json_t *rain_group_under_way(const struct rain_group *group)
{
	return group->calls;
}

size_t rain_group_answer(struct rain_group *group, const json_t *answers, const char *error,
			 rain_group_told *told, int64_t now_us)
{
	struct list answered = group->under_way;
	size_t count = answered.count;

	/* Who is told may call again, so nothing of this group is left here by then. */
	json_decref(group->calls);
	group->calls = NULL;
	list_init(&group->under_way);
	group->expected = count + group->waiting.count;
	if (group->expected > RAIN_GROUP_CALLS_MAX)
		group->expected = RAIN_GROUP_CALLS_MAX;
	group->answered_us = now_us;
	if (!answers && !error)
		error = "the group failed without saying why";
	if (answers && json_array_size(answers) != count) {
		answers = NULL;
		error = "the ledger's database gave an unexpected answer: does its schema fit this "
			"version? (rain-migrate)";
	}
	tell(&answered, answers, error ? error : "the ledger said nothing", told);
	return count;
}

size_t rain_group_waiting(const struct rain_group *group)
{
	return group->waiting.count;
}
