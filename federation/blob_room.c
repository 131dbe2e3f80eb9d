// SPDX-License-Identifier: GPL-2.0-or-later
/* Room for blobs: quotas, and what goes when it is old. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "federation/blob_internal.h"

/* A blob that came or was used so lately isn't removed to make room: its
 * order may still be on the way. */
#define YOUNG_S 600

static void remove_blob(struct rain_blob_store *store, const struct rain_blob_found *blob)
{
	char path[RAIN_BLOB_PATH_SIZE];
	struct rain_blob_owner *owner;

	TAILQ_FOREACH(owner, &store->owners, entry) {
		rain_blob_owner_path(path, owner->name, blob->sha256);
		if (unlinkat(store->directory, path, 0) == 0)
			owner->bytes -= blob->size;
	}
	rain_blob_path(path, blob->sha256);
	if (unlinkat(store->directory, path, 0) == 0)
		store->bytes -= blob->size;
}

static bool is_owner(struct rain_blob_store *store, const struct rain_blob_owner *owner,
		     const char *sha256)
{
	char path[RAIN_BLOB_PATH_SIZE];

	rain_blob_owner_path(path, owner->name, sha256);
	return faccessat(store->directory, path, F_OK, 0) == 0;
}

static bool is_full(const struct rain_blob_store *store, const struct rain_blob_owner *owner,
		    int64_t size)
{
	return owner->bytes + owner->reserved + size > store->per_owner ||
	       store->bytes + store->reserved + size > store->total;
}

/* Removes what nobody used for a while until `size` bytes fit. */
static void make_room(struct rain_blob_store *store, const struct rain_blob_owner *owner,
		      int64_t size)
{
	struct rain_blob_list list = {0};
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (rain_blob_find_all(store, &list, NULL) < 0)
		list.count = 0;
	for (size_t i = 0; i < list.count && is_full(store, owner, size); i++) {
		bool own_quota = owner->bytes + owner->reserved + size > store->per_owner;

		if (now.tv_sec - list.items[i].used_s < YOUNG_S)
			break;
		if (own_quota && !is_owner(store, owner, list.items[i].sha256))
			continue;
		if (store->in_use && store->in_use(store->in_use_arg, list.items[i].sha256))
			continue;
		remove_blob(store, &list.items[i]);
	}
	free(list.items);
}

int rain_blob_reserve(struct rain_blob_store *store, struct rain_blob_owner *owner, int64_t size,
		      int *status, struct rain_error *err)
{
	struct statvfs space;

	if (is_full(store, owner, size))
		make_room(store, owner, size);
	*status = RAIN_BLOB_TOO_LARGE;
	if (owner->bytes + owner->reserved + size > store->per_owner)
		return rain_error_set(err, "%s may store %lld bytes here and has %lld: %lld more don't "
					   "fit", owner->name, (long long)store->per_owner,
				      (long long)(owner->bytes + owner->reserved), (long long)size);
	*status = RAIN_BLOB_FULL;
	if (store->bytes + store->reserved + size > store->total)
		return rain_error_set(err, "the gateway stores at most %lld bytes: %lld more don't fit",
				      (long long)store->total, (long long)size);
	if (fstatvfs(store->directory, &space) == 0 &&
	    (int64_t)space.f_bavail * (int64_t)space.f_frsize - store->reserved - size <
		    RAIN_LIMIT_BLOB_FREE_BYTES)
		return rain_error_set(err, "the gateway's disk has no room for %lld bytes",
				      (long long)size);
	owner->reserved += size;
	store->reserved += size;
	return 0;
}

int rain_blob_room(struct rain_blob_store *store, const char *name, int64_t size,
		   struct rain_error *err)
{
	struct rain_blob_owner *owner = rain_blob_owner_get(store, name, err);
	int status;

	if (!owner || rain_blob_reserve(store, owner, size, &status, err) < 0)
		return -1;
	owner->reserved -= size;
	store->reserved -= size;
	return 0;
}

struct cleaning {
	int64_t now_s;
	size_t removed;
};

static int clean_partial(struct rain_blob_store *store, const char *directory, const char *name,
			 void *arg, struct rain_error *err)
{
	struct cleaning *cleaning = arg;
	struct rain_blob_upload *upload;
	char path[RAIN_BLOB_PATH_SIZE];
	struct stat status;

	(void)directory;
	(void)err;
	if (snprintf(path, sizeof(path), "partial/%s", name) >= (int)sizeof(path))
		return 0;
	TAILQ_FOREACH(upload, &store->uploads, entry) {
		char its[RAIN_BLOB_PATH_SIZE];

		rain_blob_partial_path(its, upload->whose, upload->sha256);
		if (strcmp(its, path) == 0)
			break;
	}
	if (upload && upload->busy)
		return 0;
	if (fstatat(store->directory, path, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
	    cleaning->now_s - status.st_mtime < RAIN_LIMIT_BLOB_PARTIAL_AGE_S)
		return 0;
	if (upload)
		rain_blob_upload_forget(upload);
	if (unlinkat(store->directory, path, 0) == 0)
		cleaning->removed++;
	return 0;
}

size_t rain_blob_store_clean(struct rain_blob_store *store, int64_t now_ms)
{
	struct cleaning cleaning = {now_ms / 1000, 0};
	struct rain_blob_list list = {0};

	rain_blob_walk(store, "partial", clean_partial, &cleaning, NULL);
	if (rain_blob_find_all(store, &list, NULL) < 0)
		list.count = 0;
	for (size_t i = 0; i < list.count; i++) {
		if (cleaning.now_s - list.items[i].used_s < RAIN_LIMIT_BLOB_AGE_S)
			break;
		if (store->in_use && store->in_use(store->in_use_arg, list.items[i].sha256))
			continue;
		remove_blob(store, &list.items[i]);
		cleaning.removed++;
	}
	free(list.items);
	return cleaning.removed;
}
