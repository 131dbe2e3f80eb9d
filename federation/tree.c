/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TREE_PATH_MAX 1024
#define TREE_NAMES_MAX 100000
#define DIRECTORY_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static int name_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void rain_tree_names_free(char **names)
{
	if (!names)
		return;
	for (size_t i = 0; names[i]; i++)
		free(names[i]);
	free(names);
}

static bool name_is_dots(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

/* Grows the array by doubling; keeps it NULL-terminated. */
static int names_add(char ***names, size_t *count, const char *name)
{
	if ((*count & (*count + 1)) == 0) { /* 0, 1, 3, 7, …: full */
		char **larger = realloc(*names, (2 * (*count + 1) + 1) * sizeof(*larger));

		if (!larger)
			return -1;
		*names = larger;
	}
	(*names)[*count] = strdup(name);
	if (!(*names)[*count])
		return -1;
	(*names)[++*count] = NULL;
	return 0;
}

char **rain_tree_names(int dir, size_t max, struct rain_error *err)
{
	int copy = openat(dir, ".", DIRECTORY_FLAGS);
	DIR *stream = copy < 0 ? NULL : fdopendir(copy);
	char **names = calloc(1, sizeof(*names));
	size_t count = 0;
	struct dirent *entry;

	if (!stream || !names) {
		rain_error_set(err, "can't read a directory: %s", strerror(errno));
		goto failed;
	}
	while ((errno = 0, entry = readdir(stream))) {
		if (name_is_dots(entry->d_name))
			continue;
		if (count >= max) {
			rain_error_set(err, "a directory has more than %zu entries", max);
			goto failed;
		}
		if (names_add(&names, &count, entry->d_name) < 0) {
			rain_error_set(err, "out of memory");
			goto failed;
		}
	}
	if (errno) {
		rain_error_set(err, "can't read a directory: %s", strerror(errno));
		goto failed;
	}
	qsort(names, count, sizeof(*names), name_compare);
	closedir(stream);
	return names;
failed:
	if (stream)
		closedir(stream);
	else if (copy >= 0)
		close(copy);
	rain_tree_names_free(names);
	return NULL;
}

struct removal {
	int top; /* of the tree; what lies too deep is moved there */
	unsigned int moved;
	int result;
	struct rain_error *err;
};

static void directory_clear(struct removal *removal, int dir, int depth);

static void entry_remove(struct removal *removal, int dir, const char *name, int depth)
{
	char shallow[32];
	int sub;

	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return;
	if (errno == EISDIR || errno == EPERM) {
		/* Somebody may have nested deeper than descriptors reach. */
		if (depth >= RAIN_TREE_DEPTH_MAX) {
			snprintf(shallow, sizeof(shallow), ".rain-deep-%u", removal->moved++);
			if (renameat(dir, name, removal->top, shallow) == 0)
				return;
		}
		sub = openat(dir, name, DIRECTORY_FLAGS);
		if (sub >= 0) {
			directory_clear(removal, sub, depth + 1);
			close(sub);
		}
		if (unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
			return;
	}
	if (removal->result == 0)
		rain_error_set(removal->err, "can't remove %s: %s", name, strerror(errno));
	removal->result = -1;
}

/* Entries are removed while they are read, so it begins again until a round
 * finds none (or nothing more that it could remove). */
static void directory_clear(struct removal *removal, int dir, int depth)
{
	int copy = openat(dir, ".", DIRECTORY_FLAGS);
	DIR *stream = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;
	bool found = true;

	if (!stream) {
		if (copy >= 0)
			close(copy);
		return; /* removing the directory will fail, and say so */
	}
	/* Its owner may have taken away the right to write. */
	if (fchmod(dir, 0700) < 0)
		found = errno == EPERM;
	while (found && removal->result == 0) {
		found = false;
		rewinddir(stream);
		while ((entry = readdir(stream)))
			if (!name_is_dots(entry->d_name)) {
				found = true;
				entry_remove(removal, dir, entry->d_name, depth);
			}
	}
	closedir(stream);
}

int rain_tree_remove(int dir, const char *name, struct rain_error *err)
{
	struct removal removal = {.err = err};

	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	removal.top = openat(dir, name, DIRECTORY_FLAGS);
	if (removal.top < 0)
		return rain_error_set(err, "can't remove %s: %s", name, strerror(errno));
	directory_clear(&removal, removal.top, 0);
	close(removal.top);
	if (removal.result == 0 && unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return rain_error_set(err, "can't remove %s: %s", name, strerror(errno));
	return removal.result;
}

int rain_tree_remove_owned(int dir, uid_t uid, struct rain_error *err)
{
	char **names = rain_tree_names(dir, TREE_NAMES_MAX, err);
	int result = 0;

	if (!names)
		return -1;
	for (size_t i = 0; names[i]; i++) {
		struct stat st;

		if (fstatat(dir, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_uid == uid &&
		    rain_tree_remove(dir, names[i], result == 0 ? err : NULL) < 0)
			result = -1;
	}
	rain_tree_names_free(names);
	return result;
}

bool rain_tree_path_is_clean(const char *path)
{
	int depth = 0;

	if (strlen(path) > TREE_PATH_MAX)
		return false;
	while (*path) {
		size_t length = strcspn(path, "/");

		if (length == 0 || length > NAME_MAX || ++depth > RAIN_TREE_DEPTH_MAX)
			return false;
		if ((length == 1 && path[0] == '.') ||
		    (length == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		path += length;
		if (*path == '/' && !*++path)
			return false;
	}
	return depth > 0;
}

int rain_tree_open(int dir, const char *path, bool create, struct rain_error *err)
{
	int current = openat(dir, ".", DIRECTORY_FLAGS);

	if (current < 0)
		return rain_error_set(err, "can't open a directory: %s", strerror(errno));
	while (*path) {
		size_t length = strcspn(path, "/");
		char name[NAME_MAX + 1];
		int next;

		if (length == 0 || length > NAME_MAX) {
			close(current);
			return rain_error_set(err, "a path has an empty or too long part");
		}
		memcpy(name, path, length);
		name[length] = '\0';
		if (create && mkdirat(current, name, 0755) < 0 && errno != EEXIST) {
			rain_error_set(err, "can't make the directory %s: %s", name,
				       strerror(errno));
			close(current);
			return -1;
		}
		next = openat(current, name, DIRECTORY_FLAGS);
		if (next < 0) {
			rain_error_set(err, "can't open the directory %s: %s", name,
				       errno == ELOOP || errno == ENOTDIR
					       ? "it is no directory (links are not followed)"
					       : strerror(errno));
			close(current);
			return -1;
		}
		close(current);
		current = next;
		path += length;
		path += *path == '/';
	}
	return current;
}

static int merge_level(int from, int into, int depth, struct rain_error *err);

/* A directory whose name is taken by a directory: merge them. */
static int merge_directory(int from, int into, const char *name, int depth, struct rain_error *err)
{
	int a = openat(from, name, DIRECTORY_FLAGS), b = openat(into, name, DIRECTORY_FLAGS),
	    result = -1;

	if (a < 0)
		rain_error_set(err, "can't open %s: %s", name, strerror(errno));
	else if (b < 0)
		rain_error_set(err, "%s is in the way: %s", name,
			       errno == ELOOP || errno == ENOTDIR
				       ? "it is no directory (links are not followed)"
				       : strerror(errno));
	else
		result = merge_level(a, b, depth + 1, err);
	if (a >= 0)
		close(a);
	if (b >= 0)
		close(b);
	return result;
}

static int merge_level(int from, int into, int depth, struct rain_error *err)
{
	char **names;
	int result = 0;

	if (depth > RAIN_TREE_DEPTH_MAX)
		return rain_error_set(err, "directories are nested deeper than %d",
				      RAIN_TREE_DEPTH_MAX);
	names = rain_tree_names(from, TREE_NAMES_MAX, err);
	if (!names)
		return -1;
	for (size_t i = 0; names[i] && result == 0; i++) {
		if (renameat(from, names[i], into, names[i]) == 0)
			continue;
		/* Over a directory that isn't empty: merge. Anything else fails there. */
		if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR)
			result = merge_directory(from, into, names[i], depth, err);
		else if (errno == EISDIR)
			result = rain_error_set(err, "%s is in the way: it is a directory",
						names[i]);
		else
			result = rain_error_set(err, "can't put %s in its place: %s", names[i],
						strerror(errno));
		if (result < 0 && depth == 0)
			rain_error_prefix(err, "%s", names[i]);
	}
	rain_tree_names_free(names);
	return result;
}

int rain_tree_merge(int from, int into, struct rain_error *err)
{
	return merge_level(from, into, 0, err);
}
