/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accounting/history.h"

#include <stdlib.h>
#include <string.h>

#include "scheduler/predict_key.h"

struct user {
	uint32_t uid;
	uint32_t count; /* of all runs ever; 0: the slot is empty */
	struct rain_history_run *runs; /* a ring of RAIN_HISTORY_DEPTH */
};

/* Two open hash tables, sizes powers of 2, at most half full. */
struct rain_history {
	struct user *users;
	size_t user_size, user_count;
	struct rain_snapshot_entry *kinds;
	size_t kind_size, kind_count;
};

#define FIRST_SIZE 64

struct rain_history *rain_history_create(void)
{
	struct rain_history *history = calloc(1, sizeof *history);

	if (!history)
		return NULL;
	history->user_size = history->kind_size = FIRST_SIZE;
	history->users = calloc(FIRST_SIZE, sizeof *history->users);
	history->kinds = calloc(FIRST_SIZE, sizeof *history->kinds);
	if (history->users && history->kinds)
		return history;
	rain_history_destroy(history);
	return NULL;
}

void rain_history_destroy(struct rain_history *history)
{
	if (!history)
		return;
	for (size_t i = 0; history->users && i < history->user_size; i++)
		free(history->users[i].runs);
	free(history->users);
	free(history->kinds);
	free(history);
}

static struct user *user_slot(struct user *users, size_t size, uint32_t uid)
{
	size_t at = (uid * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (size - 1);

	while (users[at].count && users[at].uid != uid)
		at = (at + 1) & (size - 1);
	return &users[at];
}

static struct rain_snapshot_entry *kind_slot(struct rain_snapshot_entry *kinds, size_t size, uint64_t key)
{
	size_t at = (key >> 16) & (size - 1);

	while (kinds[at].key && kinds[at].key != key)
		at = (at + 1) & (size - 1);
	return &kinds[at];
}

static int users_grow(struct rain_history *history)
{
	struct user *users = calloc(history->user_size * 2, sizeof *users);

	if (!users)
		return -1;
	for (size_t i = 0; i < history->user_size; i++)
		if (history->users[i].count)
			*user_slot(users, history->user_size * 2, history->users[i].uid) = history->users[i];
	free(history->users);
	history->users = users;
	history->user_size *= 2;
	return 0;
}

static int kinds_grow(struct rain_history *history)
{
	struct rain_snapshot_entry *kinds = calloc(history->kind_size * 2, sizeof *kinds);

	if (!kinds)
		return -1;
	for (size_t i = 0; i < history->kind_size; i++)
		if (history->kinds[i].key)
			*kind_slot(kinds, history->kind_size * 2, history->kinds[i].key) = history->kinds[i];
	free(history->kinds);
	history->kinds = kinds;
	history->kind_size *= 2;
	return 0;
}

void rain_history_predict(const struct rain_history *history, uint32_t uid, uint64_t name,
			  int32_t procs, int32_t limit, int64_t asof,
			  struct rain_prediction *prediction)
{
	const struct user *user = user_slot(history->users, history->user_size, uid);
	uint32_t kept = user->count < RAIN_HISTORY_DEPTH ? user->count : RAIN_HISTORY_DEPTH;
	const struct rain_predict_shape shape = {.name = name, .procs = procs, .limit = limit};
	struct rain_predict *predict = rain_predict_create();
	struct rain_error unused;

	for (uint32_t back = kept; predict && back >= 1; back--) {
		const struct rain_history_run *run = &user->runs[(user->count - back) % RAIN_HISTORY_DEPTH];
		/* Records don't tell the limit: all runs count as asked like this one. */
		const struct rain_predict_shape like = {.name = run->name, .procs = run->procs,
							.limit = limit};

		if (run->end <= asof)
			rain_predict_learn(predict, uid, &like, run->run, &unused);
	}
	if (predict)
		rain_predict_job(predict, uid, &shape, prediction);
	else
		*prediction = (struct rain_prediction){.expected = limit, .median = limit, .high = limit,
						       .confidence = 99};
	rain_predict_destroy(predict);
	/* After two that were longer than nine of ten a third one is likely: nobody is told
	 * a bound below what is expected. */
	if (prediction->high < prediction->expected)
		prediction->high = prediction->expected;
}

static void keep_ready(struct rain_history *history, uint32_t uid, uint64_t name, int32_t procs)
{
	uint64_t key = rain_predict_key(uid, name, procs);
	struct rain_snapshot_entry *kind = kind_slot(history->kinds, history->kind_size, key);
	struct rain_prediction prediction;

	if (!kind->key)
		history->kind_count++;
	rain_history_predict(history, uid, name, procs, INT32_MAX, INT64_MAX, &prediction);
	*kind = (struct rain_snapshot_entry){
		.key = key, .expected_s = prediction.expected, .high_s = prediction.high,
		.samples = prediction.samples,
	};
}

static int make_room(struct rain_history *history)
{
	if (history->user_count * 2 >= history->user_size && users_grow(history) < 0)
		return -1;
	if (history->kind_count + 3 > RAIN_HISTORY_KINDS_MAX) {
		memset(history->kinds, 0, history->kind_size * sizeof *history->kinds);
		history->kind_count = 0;
	}
	return (history->kind_count + 3) * 2 >= history->kind_size ? kinds_grow(history) : 0;
}

int rain_history_learn(struct rain_history *history, const struct rain_history_run *run,
		       struct rain_error *err)
{
	struct user *user;

	if (make_room(history) < 0)
		return rain_error_set(err, "no memory for the history of run times");
	user = user_slot(history->users, history->user_size, run->uid);
	if (!user->runs) {
		user->runs = calloc(RAIN_HISTORY_DEPTH, sizeof *user->runs);
		if (!user->runs)
			return rain_error_set(err, "no memory for the history of run times");
		user->uid = run->uid;
		history->user_count++;
	}
	user->runs[user->count % RAIN_HISTORY_DEPTH] = *run;
	/* It wraps to a multiple of the ring, so that places stay. */
	if (++user->count == UINT32_MAX)
		user->count = RAIN_HISTORY_DEPTH + user->count % RAIN_HISTORY_DEPTH;
	keep_ready(history, run->uid, run->name, run->procs);
	keep_ready(history, run->uid, 0, run->procs);
	keep_ready(history, run->uid, 0, 0);
	return 0;
}

struct rain_snapshot_entry *rain_history_entries(const struct rain_history *history, size_t *count)
{
	struct rain_snapshot_entry *entries = calloc(history->kind_count + 1, sizeof *entries);

	*count = 0;
	for (size_t i = 0; entries && i < history->kind_size; i++)
		if (history->kinds[i].key)
			entries[(*count)++] = history->kinds[i];
	return entries;
}
