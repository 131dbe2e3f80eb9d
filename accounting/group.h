/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_GROUP_H
#define RAIN_ACCOUNTING_GROUP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Calls of many callers, collected into groups that are one transaction each
 * (group_calls of accounting/sql/0097-groups.sql).  Pure: who sends a group and brings the
 * answers is another's business.
 *
 * One group is under way at a time; what comes meanwhile is the next.  Who is alone never
 * waits: only when several were answered together, and may so come again together, does the
 * next group wait for as many, at most RAIN_GROUP_PATIENCE_US since that answer.
 */
#define RAIN_GROUP_PATIENCE_US 1500
#define RAIN_GROUP_CALLS_MAX 1000   /* of one group */
#define RAIN_GROUP_WAITING_MAX 10000
#define RAIN_GROUP_ENDED "rain-ledgerd stops: ask again with the same key"

struct rain_group;

/* NULL: no memory. */
struct rain_group *rain_group_create(void);

/* Told of one call: its answer ("held"), or NULL and why not. `who` is what was added. */
typedef void rain_group_told(void *who, const char *answer, const char *error);

/* Tells the rest RAIN_GROUP_ENDED. NULL is fine. */
void rain_group_destroy(struct rain_group *group, rain_group_told *told);

/* `call` as group_calls wants it; stolen, also on failure.  -1 with nothing told:
 * RAIN_GROUP_WAITING_MAX wait already, or no memory. */
int rain_group_add(struct rain_group *group, json_t *call, void *who);

/* How long the next group has still to wait; 0: it is due.  -1: there is none, or one is under
 * way.  `now_us` is of a clock that only goes forward. */
int64_t rain_group_wait_us(const struct rain_group *group, int64_t now_us);

/* The next group, under way from now on: an array of calls, borrowed until it is answered.
 * NULL: none waits, one is under way, or no memory. */
const json_t *rain_group_next(struct rain_group *group);

/* What is under way, again; NULL: nothing. */
const json_t *rain_group_under_way(const struct rain_group *group);

/* The group under way is answered: `answers` of group_calls, or NULL and the error for all.
 * Returns how many calls it had.  `told` may add calls. */
size_t rain_group_answer(struct rain_group *group, const json_t *answers, const char *error,
			 rain_group_told *told, int64_t now_us);

size_t rain_group_waiting(const struct rain_group *group);

#endif
