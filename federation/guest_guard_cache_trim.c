/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How large the cache of guests' inputs is, and what has to go. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "common/file.h"
#include "federation/guest_guard_cache.h"
#include "federation/tree.h"

#define DIRECTORY_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define ENTRIES_MAX 4096
/* Of the smallest one: its directories and its note. */
#define ENTRY_BYTES_MIN (INT64_C(12) << 10)
#define AGE_MAX_S (7 * 24 * 3600)

/* More than what ends a guest (sandbox_inside.c): the cache gives way before. */
#define FREE_SHARE 10
#define FREE_BYTES_MAX (INT64_C(4) << 30)

struct walk {
	uid_t from, to;
	gid_t gid;
	int64_t bytes;
	struct rain_error *err;
};

static int walk_level(struct walk *walk, int dir, int depth);

static int walk_one(struct walk *walk, int dir, const char *name, int depth)
{
	struct stat st;
	int sub, result;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return rain_error_set(walk->err, "can't look at %s: %s", name, strerror(errno));
	if (st.st_uid != walk->from || (!S_ISDIR(st.st_mode) && st.st_nlink > 1) ||
	    (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode)))
		return rain_error_set(walk->err, "%s is no plain file of the guest's alone", name);
	walk->bytes += (int64_t)st.st_blocks * 512;
	if (S_ISDIR(st.st_mode)) {
		sub = openat(dir, name, DIRECTORY_FLAGS);
		result = sub < 0 ? rain_error_set(walk->err, "can't open %s: %s", name, strerror(errno))
				 : walk_level(walk, sub, depth + 1);
		if (sub >= 0)
			close(sub);
		if (result < 0)
			return -1;
	}
	if (walk->to != walk->from &&
	    fchownat(dir, name, walk->to, walk->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return rain_error_set(walk->err, "can't give %s to uid %u: %s", name, walk->to,
				      strerror(errno));
	return 0;
}

static int walk_level(struct walk *walk, int dir, int depth)
{
	char **names;
	int result = 0;

	if (depth > RAIN_TREE_DEPTH_MAX)
		return rain_error_set(walk->err, "directories are nested deeper than %d",
				      RAIN_TREE_DEPTH_MAX);
	names = rain_tree_names(dir, SIZE_MAX, walk->err);
	if (!names)
		return -1;
	for (size_t i = 0; result == 0 && names[i]; i++)
		result = walk_one(walk, dir, names[i], depth);
	rain_tree_names_free(names);
	return result;
}

int64_t rain_guard_cache_walk(int tree, uid_t from, uid_t to, gid_t gid, struct rain_error *err)
{
	struct walk walk = {.from = from, .to = to, .gid = gid, .err = err};

	if (walk_level(&walk, tree, 0) < 0)
		return -1;
	/* Last: only a tree whose top is his is wholly his. */
	if (to != from && fchown(tree, to, gid) < 0)
		return rain_error_set(err, "can't give a directory to uid %u: %s", to,
				      strerror(errno));
	return walk.bytes;
}

/* What was noted; else it is counted now, and noted. */
static int64_t entry_bytes(int entry, struct rain_error *err)
{
	int note = openat(entry, "bytes", O_RDONLY | O_NOFOLLOW | O_CLOEXEC), tree;
	char text[32] = "";
	struct stat st;
	int64_t bytes;

	if (note >= 0) {
		ssize_t got = read(note, text, sizeof(text) - 1);

		close(note);
		/* The kernel may have gone down in the middle of it: count again. */
		if (got > 0 && text[got - 1] == '\n')
			return strtoll(text, NULL, 10);
	}
	tree = openat(entry, "tree", DIRECTORY_FLAGS);
	if (tree < 0 || fstat(tree, &st) < 0)
		bytes = rain_error_set(err, "it has no tree");
	else
		bytes = rain_guard_cache_walk(tree, st.st_uid, st.st_uid, st.st_gid, err);
	if (tree >= 0)
		close(tree);
	note = bytes < 0 ? -1
			 : openat(entry, "bytes", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
				  0600);
	if (note >= 0) {
		snprintf(text, sizeof(text), "%" PRId64 "\n", bytes);
		/* Without it, it is counted again. */
		(void)rain_file_write_fd(note, text, strlen(text), NULL);
		close(note);
	}
	return bytes;
}

/* What can't be counted is nothing that was kept, and has to go. -1: that too. */
static int entry_look(const struct rain_guard_cache *cache, const char *name,
		      struct rain_guest_cache_entry *entry)
{
	int fd = openat(cache->entries, name, DIRECTORY_FLAGS);
	struct stat st;

	*entry = (struct rain_guest_cache_entry){.in_use = rain_guard_cache_is_used(cache, name)};
	if (fd < 0 || strlen(name) >= sizeof(entry->name) || fstat(fd, &st) < 0)
		entry->bytes = -1;
	else
		entry->bytes = entry_bytes(fd, NULL);
	if (fd >= 0)
		close(fd);
	if (entry->bytes < 0)
		return -1;
	if (entry->bytes < ENTRY_BYTES_MIN)
		entry->bytes = ENTRY_BYTES_MIN;
	memcpy(entry->name, name, strlen(name) + 1);
	entry->used_s = st.st_mtime;
	return 0;
}

/* All entries, under the lock; the caller frees them. -1 with err. */
static int look(const struct rain_guard_cache *cache, struct rain_guest_cache_entry **list,
		size_t *count, struct rain_error *err)
{
	char **names = rain_tree_names(cache->entries, SIZE_MAX, err);
	int result = names ? 0 : -1;
	size_t all = 0;

	while (names && names[all])
		all++;
	*count = 0;
	*list = names ? calloc(all + 1, sizeof(**list)) : NULL;
	if (names && !*list)
		result = rain_error_set(err, "out of memory");
	for (size_t i = 0; result == 0 && names[i]; i++) {
		struct rain_guest_cache_entry *entry = &(*list)[*count];

		if (entry_look(cache, names[i], entry) == 0)
			++*count;
		else if (!entry->in_use)
			result = rain_guard_cache_throw(cache, cache->entries, names[i], err);
	}
	rain_tree_names_free(names);
	if (result < 0) {
		free(*list);
		*list = NULL;
	}
	return result;
}

static int choose_and_throw(const struct rain_guard_cache *cache, int64_t bytes_max, int64_t need,
			    struct rain_error *err)
{
	struct rain_guest_cache_bounds bounds = {.bytes_max = bytes_max,
						.entries_max = ENTRIES_MAX,
						.now_s = time(NULL),
						.age_max_s = AGE_MAX_S};
	struct rain_guest_cache_entry *list;
	struct statvfs space;
	size_t count;
	int result = 0;

	if (fstatvfs(cache->top, &space) < 0)
		return rain_error_set(err, "can't ask for the free space: %s", strerror(errno));
	bounds.free = (int64_t)space.f_bavail * (int64_t)space.f_frsize;
	bounds.free_min = (int64_t)(space.f_blocks / FREE_SHARE) * (int64_t)space.f_frsize;
	if (bounds.free_min > FREE_BYTES_MAX)
		bounds.free_min = FREE_BYTES_MAX;
	bounds.free_min += need;
	if (look(cache, &list, &count, err) < 0)
		return -1;
	rain_guest_cache_choose(list, count, &bounds);
	for (size_t i = 0; i < count && result == 0; i++)
		if (list[i].goes)
			result = rain_guard_cache_throw(cache, cache->entries, list[i].name, err);
	free(list);
	return result;
}

/* Without the lock: it may take its time, and two at it are no worse than one. */
static int trash_empty(const struct rain_guard_cache *cache, struct rain_error *err)
{
	char **names = rain_tree_names(cache->trash, SIZE_MAX, err);
	int result = names ? 0 : -1;

	for (size_t i = 0; names && names[i]; i++)
		if (rain_tree_remove(cache->trash, names[i], result == 0 ? err : NULL) < 0)
			result = -1;
	rain_tree_names_free(names);
	return result;
}

int rain_guard_cache_trim(const struct rain_guard_cache *cache, int64_t bytes_max, int64_t need,
			  struct rain_error *err)
{
	int lock = rain_guard_cache_lock(cache, err), result;

	if (lock < 0)
		return -1;
	result = choose_and_throw(cache, bytes_max, need, err);
	close(lock);
	return result < 0 ? -1 : trash_empty(cache, err);
}

json_t *rain_guard_cache_list(const struct rain_guard_cache *cache, struct rain_error *err)
{
	struct rain_guest_cache_entry *list = NULL;
	int lock = rain_guard_cache_lock(cache, err);
	json_t *array = json_array();
	size_t count;

	if (lock < 0 || look(cache, &list, &count, err) < 0) {
		if (lock >= 0)
			close(lock);
		json_decref(array);
		return NULL;
	}
	close(lock);
	for (size_t i = 0; i < count; i++) {
		int owner = (int)strcspn(list[i].name, ".");
		const char *key = list[i].name + owner;

		json_array_append_new(array,
				      json_pack("{s:s%, s:s, s:I, s:I, s:b}", "owner", list[i].name,
						(size_t)owner, "key", *key ? key + 1 : "", "bytes",
						(json_int_t)list[i].bytes, "used",
						(json_int_t)list[i].used_s, "in_use", list[i].in_use));
	}
	free(list);
	return array;
}
