// SPDX-License-Identifier: GPL-2.0-or-later
#include "federation/blob.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "federation/blob_internal.h"

bool rain_blob_name_is_valid(const char *sha256)
{
	return strlen(sha256) == RAIN_BLOB_NAME_SIZE - 1 &&
	       strspn(sha256, "0123456789abcdef") == RAIN_BLOB_NAME_SIZE - 1;
}

void rain_blob_path(char *path, const char *sha256)
{
	snprintf(path, RAIN_BLOB_PATH_SIZE, "%.2s/%s", sha256, sha256);
}

void rain_blob_partial_path(char *path, const char *owner, const char *sha256)
{
	snprintf(path, RAIN_BLOB_PATH_SIZE, "partial/%s.%s", owner, sha256);
}

void rain_blob_owner_path(char *path, const char *owner, const char *sha256)
{
	snprintf(path, RAIN_BLOB_PATH_SIZE, "owner/%s/%s", owner, sha256);
}

static int make_directory(struct rain_blob_store *store, const char *name, struct rain_error *err)
{
	if (mkdirat(store->directory, name, 0700) < 0 && errno != EEXIST)
		return rain_error_set(err, "can't make %s/%s: %s", store->path, name, strerror(errno));
	return 0;
}

bool rain_blob_owner_is_valid(const char *name)
{
	return *name && strlen(name) < RAIN_BLOB_OWNER_SIZE &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(name);
}

struct rain_blob_owner *rain_blob_owner_get(struct rain_blob_store *store, const char *name,
					    struct rain_error *err)
{
	struct rain_blob_owner *owner;
	char path[RAIN_BLOB_PATH_SIZE];

	TAILQ_FOREACH(owner, &store->owners, entry)
		if (strcmp(owner->name, name) == 0)
			return owner;
	if (!rain_blob_owner_is_valid(name)) {
		rain_error_set(err, "'%s' can't own blobs", name);
		return NULL;
	}
	snprintf(path, sizeof(path), "owner/%s", name);
	if (make_directory(store, path, err) < 0)
		return NULL;
	owner = calloc(1, sizeof(*owner));
	if (!owner) {
		rain_error_set(err, "out of memory");
		return NULL;
	}
	strcpy(owner->name, name);
	TAILQ_INSERT_TAIL(&store->owners, owner, entry);
	return owner;
}

/* ---- walking ---- */

int rain_blob_walk(struct rain_blob_store *store, const char *directory, rain_blob_visit visit,
		   void *arg, struct rain_error *err)
{
	int fd = openat(store->directory, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int result = 0;

	if (!stream) {
		if (fd >= 0)
			close(fd);
		return rain_error_set(err, "can't read %s/%s: %s", store->path, directory,
				      strerror(errno));
	}
	while (result == 0 && (entry = readdir(stream)))
		if (entry->d_name[0] != '.')
			result = visit(store, directory, entry->d_name, arg, err);
	closedir(stream);
	return result;
}

static int count_owned(struct rain_blob_store *store, const char *directory, const char *name,
		       void *arg, struct rain_error *err)
{
	struct rain_blob_owner *owner = arg;
	char path[RAIN_BLOB_PATH_SIZE];
	struct stat status;

	(void)err;
	(void)directory;
	if (!rain_blob_name_is_valid(name))
		return 0;
	rain_blob_owner_path(path, owner->name, name);
	if (fstatat(store->directory, path, &status, 0) == 0)
		owner->bytes += status.st_size;
	return 0;
}

static int count_owner(struct rain_blob_store *store, const char *directory, const char *name,
		       void *arg, struct rain_error *err)
{
	struct rain_blob_owner *owner = rain_blob_owner_get(store, name, err);
	char path[RAIN_BLOB_PATH_SIZE];

	(void)directory;
	(void)arg;
	if (!owner)
		return -1;
	snprintf(path, sizeof(path), "owner/%s", owner->name);
	return rain_blob_walk(store, path, count_owned, owner, err);
}

static int find_blob(struct rain_blob_store *store, const char *directory, const char *name,
		     void *arg, struct rain_error *err)
{
	struct rain_blob_list *list = arg;
	char path[RAIN_BLOB_PATH_SIZE];
	struct stat status;

	(void)directory;
	if (!rain_blob_name_is_valid(name))
		return 0;
	rain_blob_path(path, name);
	if (fstatat(store->directory, path, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (list->count == list->space) {
		size_t space = list->space ? 2 * list->space : 64;
		struct rain_blob_found *items = realloc(list->items, space * sizeof(*items));

		if (!items)
			return rain_error_set(err, "out of memory");
		list->items = items;
		list->space = space;
	}
	strcpy(list->items[list->count].sha256, name);
	list->items[list->count].size = status.st_size;
	list->items[list->count].used_s = status.st_mtime;
	list->count++;
	return 0;
}

static int find_shelf(struct rain_blob_store *store, const char *directory, const char *name,
		      void *arg, struct rain_error *err)
{
	(void)directory;
	if (strlen(name) != 2) /* "partial", "owner" */
		return 0;
	return rain_blob_walk(store, name, find_blob, arg, err);
}

static int by_use(const void *a, const void *b)
{
	const struct rain_blob_found *x = a, *y = b;

	return (x->used_s > y->used_s) - (x->used_s < y->used_s);
}

int rain_blob_find_all(struct rain_blob_store *store, struct rain_blob_list *list, struct rain_error *err)
{
	if (rain_blob_walk(store, ".", find_shelf, list, err) < 0)
		return -1;
	if (list->count)
		qsort(list->items, list->count, sizeof(*list->items), by_use);
	return 0;
}

/* ---- creation ---- */

static int scan(struct rain_blob_store *store, struct rain_error *err)
{
	struct rain_blob_list list = {0};
	int result = rain_blob_find_all(store, &list, err);

	for (size_t i = 0; i < list.count; i++)
		store->bytes += list.items[i].size;
	free(list.items);
	return result < 0 ? -1 : rain_blob_walk(store, "owner", count_owner, NULL, err);
}

struct rain_blob_store *rain_blob_store_create(const char *state, struct rain_error *err)
{
	struct rain_blob_store *store = calloc(1, sizeof(*store));

	if (!store || asprintf(&store->path, "%s/blobs", state) < 0) {
		free(store);
		rain_error_set(err, "out of memory");
		return NULL;
	}
	store->directory = -1;
	store->per_owner = RAIN_LIMIT_BLOB_CALLER_BYTES;
	store->total = RAIN_LIMIT_BLOB_TOTAL_BYTES;
	TAILQ_INIT(&store->owners);
	TAILQ_INIT(&store->uploads);
	if (mkdir(store->path, 0700) < 0 && errno != EEXIST) {
		rain_error_set(err, "can't make %s: %s", store->path, strerror(errno));
		goto fail;
	}
	store->directory = open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store->directory < 0) {
		rain_error_set(err, "can't open %s: %s", store->path, strerror(errno));
		goto fail;
	}
	if (make_directory(store, "partial", err) < 0 || make_directory(store, "owner", err) < 0 ||
	    scan(store, err) < 0)
		goto fail;
	return store;
fail:
	rain_blob_store_destroy(store);
	return NULL;
}

void rain_blob_store_destroy(struct rain_blob_store *store)
{
	struct rain_blob_owner *owner;
	struct rain_blob_upload *upload;

	if (!store)
		return;
	while ((upload = TAILQ_FIRST(&store->uploads)))
		rain_blob_upload_forget(upload);
	while ((owner = TAILQ_FIRST(&store->owners))) {
		TAILQ_REMOVE(&store->owners, owner, entry);
		free(owner);
	}
	if (store->directory >= 0)
		close(store->directory);
	free(store->path);
	free(store);
}

void rain_blob_store_set_in_use(struct rain_blob_store *store, rain_blob_in_use in_use, void *arg)
{
	store->in_use = in_use;
	store->in_use_arg = arg;
}

void rain_blob_store_set_quota(struct rain_blob_store *store, int64_t per_owner, int64_t total)
{
	store->per_owner = per_owner;
	store->total = total;
}

/* ---- looking ---- */

static int64_t size_of(const struct rain_blob_store *store, const char *path)
{
	struct stat status;

	if (fstatat(store->directory, path, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(status.st_mode))
		return -1;
	return status.st_size;
}

int64_t rain_blob_size(const struct rain_blob_store *store, const char *sha256)
{
	char path[RAIN_BLOB_PATH_SIZE];

	if (!rain_blob_name_is_valid(sha256))
		return -1;
	rain_blob_path(path, sha256);
	return size_of(store, path);
}

int64_t rain_blob_partial_size(const struct rain_blob_store *store, const char *sha256,
			       const char *owner)
{
	char path[RAIN_BLOB_PATH_SIZE];
	int64_t size;

	if (!rain_blob_name_is_valid(sha256) || !rain_blob_owner_is_valid(owner))
		return 0;
	rain_blob_partial_path(path, owner, sha256);
	size = size_of(store, path);
	return size < 0 ? 0 : size;
}

int rain_blob_open(struct rain_blob_store *store, const char *sha256, int64_t *size,
		   struct rain_error *err)
{
	char path[RAIN_BLOB_PATH_SIZE];
	struct stat status;
	int fd;

	if (!rain_blob_name_is_valid(sha256))
		return rain_error_set(err, "a blob's name is 64 hexadecimal digits in small letters");
	rain_blob_path(path, sha256);
	fd = openat(store->directory, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &status) < 0) {
		rain_error_set(err, "there is no blob %.12s here: %s", sha256, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	futimens(fd, NULL); /* used now; at worst it is removed too early and sent again */
	*size = status.st_size;
	return fd;
}

int64_t rain_blob_owner_bytes(const struct rain_blob_store *store, const char *name)
{
	const struct rain_blob_owner *owner;

	TAILQ_FOREACH(owner, &store->owners, entry)
		if (strcmp(owner->name, name) == 0)
			return owner->bytes;
	return 0;
}

int64_t rain_blob_total_bytes(const struct rain_blob_store *store)
{
	return store->bytes;
}

/* ---- owning ---- */

int rain_blob_status(int error)
{
	return error == ENOSPC || error == EDQUOT ? RAIN_BLOB_FULL : RAIN_BLOB_FAULT;
}

int rain_blob_link(struct rain_blob_store *store, struct rain_blob_owner *owner, const char *sha256,
		   int64_t size, int *status, struct rain_error *err)
{
	char path[RAIN_BLOB_PATH_SIZE], link[RAIN_BLOB_PATH_SIZE];

	rain_blob_path(path, sha256);
	rain_blob_owner_path(link, owner->name, sha256);
	if (linkat(store->directory, path, store->directory, link, 0) < 0) {
		*status = rain_blob_status(errno);
		return rain_error_set(err, "can't keep blob %.12s: %s", sha256, strerror(errno));
	}
	owner->bytes += size;
	return 0;
}

int rain_blob_own(struct rain_blob_store *store, const char *sha256, const char *name, int *status,
		  struct rain_error *err)
{
	struct rain_blob_owner *owner = rain_blob_owner_get(store, name, err);
	int64_t size = rain_blob_size(store, sha256);

	*status = RAIN_BLOB_FAULT;
	if (!owner)
		return -1;
	if (size < 0)
		return rain_error_set(err, "there is no blob %.12s here", sha256);
	if (rain_blob_is_owned(store, sha256, name))
		return 0;
	*status = RAIN_BLOB_TOO_LARGE;
	if (owner->bytes + owner->reserved + size > store->per_owner)
		return rain_error_set(err, "%s would have more than its %lld bytes stored here", name,
				      (long long)store->per_owner);
	return rain_blob_link(store, owner, sha256, size, status, err);
}

bool rain_blob_is_owned(const struct rain_blob_store *store, const char *sha256, const char *name)
{
	char link[RAIN_BLOB_PATH_SIZE];

	if (rain_blob_size(store, sha256) < 0 || !rain_blob_owner_is_valid(name))
		return false;
	rain_blob_owner_path(link, name, sha256);
	return faccessat(store->directory, link, F_OK, 0) == 0;
}
