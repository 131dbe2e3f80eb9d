// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/publish.h"

#include <jansson.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "accounting/snapshot_file.h"

/* A user's number is asked for again after this time. */
#define ASK_AGAIN_MS (10 * 60 * 1000)

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct rain_publish_user *)a)->name,
		      ((const struct rain_publish_user *)b)->name);
}

static void users_free(struct rain_publish_user *users, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(users[i].name);
	free(users);
}

/* Fills `user`, from what is known or from the system. 0 or -1: no memory. */
static int user_find(const struct rain_publish *publish, const char *name, int64_t now_ms,
		     struct rain_publish_user *user)
{
	struct rain_publish_user key = {.name = (char *)(uintptr_t)name};
	const struct rain_publish_user *known = NULL;
	const struct passwd *entry;

	if (publish->user_count > 0)
		known = bsearch(&key, publish->users, publish->user_count, sizeof(key), compare);
	if (known && now_ms - known->asked_ms < ASK_AGAIN_MS) {
		*user = *known;
	} else {
		entry = getpwnam(name);
		*user = (struct rain_publish_user){.asked_ms = now_ms, .exists = entry != NULL,
						   .uid = entry ? (uint32_t)entry->pw_uid : 0};
	}
	user->name = strdup(name);
	return user->name ? 0 : -1;
}

static int64_t number(const json_t *row, const char *key)
{
	return (int64_t)json_integer_value(json_object_get(row, key));
}

/* Replaces the known users by those of `rows`, and makes the entries. Returns how
 * many of these, or -1. */
static ssize_t entries_make(struct rain_publish *publish, const json_t *rows, int64_t now_ms,
			    struct rain_snapshot_entry *entries,
			    struct rain_publish_user *users)
{
	size_t count = 0, user_count = 0, i;
	const json_t *row;

	json_array_foreach(rows, i, row) {
		const char *account = json_string_value(json_object_get(row, "account"));
		struct rain_publish_user *user = &users[user_count];

		if (!account || strncmp(account, "user:", 5) != 0)
			continue;
		if (user_find(publish, account + 5, now_ms, user) < 0) {
			users_free(users, user_count);
			return -1;
		}
		user_count++;
		if (user->exists)
			entries[count++] = (struct rain_snapshot_entry){
				.key = rain_snapshot_user(user->uid),
				.balance_utok = number(row, "balance_utok"),
				.held_utok = number(row, "held_utok"),
				.available_utok = number(row, "available_utok"),
			};
	}
	qsort(users, user_count, sizeof(*users), compare);
	users_free(publish->users, publish->user_count);
	publish->users = users;
	publish->user_count = user_count;
	return (ssize_t)count;
}

int rain_publish_run(struct rain_publish *publish, struct rain_ledger *store,
		     const char *directory, int64_t now_ms, struct rain_error *err)
{
	struct rain_snapshot_entry *entries;
	struct rain_publish_user *users;
	json_t *rows = NULL;
	ssize_t count = -1;
	size_t most;
	int rc;

	if (rain_ledger_balances(store, NULL, &rows, err) != RAIN_LEDGER_OK)
		return -1;
	most = json_array_size(rows) + 1;
	entries = calloc(most, sizeof(*entries));
	users = calloc(most, sizeof(*users));
	if (entries && users)
		count = entries_make(publish, rows, now_ms, entries, users);
	else
		free(users);
	json_decref(rows);
	rc = count < 0 ? rain_error_set(err, "no memory for the balances")
		       : rain_snapshot_publish(&publish->writer, directory, RAIN_SNAPSHOT_BALANCES,
					       entries, (size_t)count, now_ms, err);
	free(entries);
	return rc;
}

void rain_publish_release(struct rain_publish *publish)
{
	rain_snapshot_writer_release(&publish->writer);
	users_free(publish->users, publish->user_count);
	*publish = (struct rain_publish){0};
}
