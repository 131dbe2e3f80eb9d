/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/bundle_match.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "federation/bundle.h"
#include "federation/options.h"
#include "federation/tree.h"

static bool is_pattern(const char *text)
{
	return strpbrk(text, "*?[\\") != NULL;
}

static int sources_add(struct rain_bundle_sources *sources, int root, bool own_root,
		       const char *found, const char *path, struct rain_error *err)
{
	struct rain_bundle_source *source;

	if (sources->count >= RAIN_BUNDLE_ENTRIES_MAX)
		return rain_error_set(err, "the patterns name more than %d files",
				      RAIN_BUNDLE_ENTRIES_MAX);
	if (sources->count == sources->size) {
		size_t size = sources->size ? 2 * sources->size : 16;
		struct rain_bundle_source *list = realloc(sources->list, size * sizeof(*list));

		if (!list)
			return rain_error_set(err, "out of memory");
		sources->list = list;
		sources->size = size;
	}
	source = &sources->list[sources->count];
	*source = (struct rain_bundle_source){.root = root, .own_root = own_root};
	source->found = strdup(found);
	source->path = strdup(path);
	if (!source->found || !source->path) {
		free(source->found);
		free(source->path);
		return rain_error_set(err, "out of memory");
	}
	sources->count++;
	return 0;
}

void rain_bundle_sources_release(struct rain_bundle_sources *sources)
{
	for (size_t i = 0; i < sources->count; i++) {
		if (sources->list[i].own_root)
			close(sources->list[i].root);
		free(sources->list[i].found);
		free(sources->list[i].path);
	}
	free(sources->list);
	*sources = (struct rain_bundle_sources){0};
}

static bool exists(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

struct walk {
	int root;
	struct rain_bundle_sources *sources;
	struct rain_error *err;
};

static int match_level(struct walk *walk, int dir, const char *prefix, const char *pattern);

/* `name` in `dir` fits the first part of the pattern; `rest` follows it. */
static int match_found(struct walk *walk, int dir, const char *prefix, const char *name,
		       const char *rest)
{
	char path[RAIN_BUNDLE_PATH_MAX + 1];
	int sub, result;

	if (snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix ? "/" : "", name) >=
	    (int)sizeof(path))
		return rain_error_set(walk->err, "%s/%s: the path is longer than %d bytes", prefix,
				      name, RAIN_BUNDLE_PATH_MAX);
	if (!*rest)
		return exists(dir, name) ? sources_add(walk->sources, walk->root, false, path, path,
						       walk->err)
					 : 0;
	sub = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (sub < 0 && errno == EACCES)
		return rain_error_set(walk->err, "can't read the directory %s: %s", path,
				      strerror(errno));
	if (sub < 0)
		return 0;
	result = match_level(walk, sub, path, rest);
	close(sub);
	return result;
}

static int match_level(struct walk *walk, int dir, const char *prefix, const char *pattern)
{
	size_t length = strcspn(pattern, "/");
	const char *rest = pattern + length + (pattern[length] == '/');
	char part[NAME_MAX + 1];
	char **names;
	int result = 0;

	if (length == 0 || length > NAME_MAX)
		return rain_error_set(walk->err, "a pattern has an empty or too long part");
	memcpy(part, pattern, length);
	part[length] = '\0';
	if (!is_pattern(part))
		return match_found(walk, dir, prefix, part, rest);
	names = rain_tree_names(dir, RAIN_BUNDLE_ENTRIES_MAX, walk->err);
	if (!names)
		return -1;
	for (size_t i = 0; names[i] && result == 0; i++)
		if (fnmatch(part, names[i], FNM_PERIOD) == 0)
			result = match_found(walk, dir, prefix, names[i], rest);
	rain_tree_names_free(names);
	return result;
}

/* Absolute: the directory is the machine's own path, opened as usual. */
static int match_absolute(const char *item, struct rain_bundle_sources *sources,
			  struct rain_error *err)
{
	const char *last = strrchr(item, '/') + 1;
	char directory[RAIN_BUNDLE_PATH_MAX + 1];
	size_t length = (size_t)(last - item), before = sources->count;
	struct walk walk = {.sources = sources, .err = err};
	int result;

	if (length > RAIN_BUNDLE_PATH_MAX)
		return rain_error_set(err, "%s: the path is longer than %d bytes", item,
				      RAIN_BUNDLE_PATH_MAX);
	memcpy(directory, item, length);
	directory[length] = '\0';
	if (is_pattern(directory))
		return rain_error_set(err,
				      "%s: only the last part of an absolute path may be a "
				      "pattern",
				      item);
	walk.root = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (walk.root < 0)
		return errno == ENOENT ? 0
				       : rain_error_set(err, "can't read the directory %s: %s",
							directory, strerror(errno));
	result = match_level(&walk, walk.root, "", last);
	/* The first source closes it for all of them; it is released last. */
	if (sources->count > before)
		sources->list[before].own_root = true;
	else
		close(walk.root);
	return result;
}

static int match_source(int root, const char *item, struct rain_bundle_sources *sources,
			struct rain_error *err)
{
	struct walk walk = {.root = root, .sources = sources, .err = err};
	char path[RAIN_BUNDLE_PATH_MAX + 1];
	size_t length = strlen(item);

	while (length > 1 && item[length - 1] == '/')
		length--;
	if (length == 0 || length > RAIN_BUNDLE_PATH_MAX)
		return rain_error_set(err, "a path is empty or longer than %d bytes",
				      RAIN_BUNDLE_PATH_MAX);
	memcpy(path, item, length);
	path[length] = '\0';
	item = !strncmp(path, "./", 2) ? path + 2 : path;
	if (*item == '/' ? !item[1] || !rain_tree_path_is_clean(item + 1)
			 : !rain_tree_path_is_clean(item))
		return rain_error_set(err,
				      "%s: a path must name something below the working "
				      "directory, or be absolute, without \"..\"",
				      item);
	return *item == '/' ? match_absolute(item, sources, err)
			    : match_level(&walk, root, "", item);
}

/* "FROM:TO", taken apart. */
struct renaming {
	char from[RAIN_BUNDLE_PATH_MAX + 1];
	char to[RAIN_BUNDLE_PATH_MAX + 1]; /* without slashes at its end; "" is "." */
	bool inside;			   /* of `to`, a directory, under the own name */
};

static int renaming_read(const char *item, struct renaming *renaming, struct rain_error *err)
{
	const char *to = rain_stage_colon(item) + 1;
	size_t from_length = (size_t)(to - 1 - item), length;

	if (!strncmp(to, "./", 2))
		to += 2;
	length = strlen(to);
	if (from_length > RAIN_BUNDLE_PATH_MAX || length > RAIN_BUNDLE_PATH_MAX)
		return rain_error_set(err, "a path is longer than %d bytes", RAIN_BUNDLE_PATH_MAX);
	memcpy(renaming->from, item, from_length);
	while (from_length > 0 && renaming->from[from_length - 1] == '/')
		from_length--;
	renaming->from[from_length] = '\0';
	renaming->inside = length == 0 || !strcmp(to, ".") || to[length - 1] == '/' ||
			   is_pattern(renaming->from);
	if (!strcmp(to, "."))
		length = 0;
	while (length > 0 && to[length - 1] == '/')
		length--;
	memcpy(renaming->to, to, length);
	renaming->to[length] = '\0';
	return 0;
}

/* Gives what was found since `first` its name in the bundle: `to`, or for
 * several things (a pattern, or a `to` that ends in '/') a name inside of it. */
static int sources_rename(struct rain_bundle_sources *sources, size_t first, const char *to,
			  bool inside, struct rain_error *err)
{
	for (size_t i = first; i < sources->count; i++) {
		struct rain_bundle_source *source = &sources->list[i];
		const char *last = strrchr(source->found, '/');
		char *path;

		last = last ? last + 1 : source->found;
		if (asprintf(&path, "%s%s%s", to, inside && *to ? "/" : "", inside ? last : "") < 0)
			return rain_error_set(err, "out of memory");
		free(source->path);
		source->path = path;
		if (strlen(path) > RAIN_BUNDLE_PATH_MAX || !rain_tree_path_is_clean(path))
			return rain_error_set(err,
					      "%s: not a path below the job's working directory",
					      path);
	}
	return 0;
}

int rain_bundle_match(int root, const char *item, struct rain_bundle_sources *sources,
		      struct rain_error *err)
{
	size_t first = sources->count;
	struct renaming renaming;

	if (!rain_stage_colon(item))
		return match_source(root, item, sources, err);
	if (renaming_read(item, &renaming, err) < 0 ||
	    match_source(root, renaming.from, sources, err) < 0)
		return -1;
	return sources_rename(sources, first, renaming.to, renaming.inside, err);
}

static int source_compare(const void *a, const void *b)
{
	return strcmp(((const struct rain_bundle_source *)a)->path,
		      ((const struct rain_bundle_source *)b)->path);
}

static bool same_file(const struct rain_bundle_source *a, const struct rain_bundle_source *b)
{
	struct stat sa, sb;

	return fstatat(a->root, a->found, &sa, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstatat(b->root, b->found, &sb, AT_SYMLINK_NOFOLLOW) == 0 &&
	       sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

/* The shorter of two paths may be several places before the longer one
 * ("a", "a.b", "a/b"), so every kept one above is looked at: by its own
 * prefixes, with a binary search. */
static const struct rain_bundle_source *find_above(const struct rain_bundle_sources *sources,
						   size_t count, const char *path)
{
	char prefix[RAIN_BUNDLE_PATH_MAX + 1];
	struct rain_bundle_source key = {.path = prefix};

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		const struct rain_bundle_source *found;

		memcpy(prefix, path, (size_t)(slash - path));
		prefix[slash - path] = '\0';
		found = bsearch(&key, sources->list, count, sizeof(key), source_compare);
		if (found)
			return found;
	}
	return NULL;
}

int rain_bundle_sources_settle(struct rain_bundle_sources *sources, struct rain_error *err)
{
	size_t kept = 0;

	if (sources->count)
		qsort(sources->list, sources->count, sizeof(*sources->list), source_compare);
	for (size_t i = 0; i < sources->count; i++) {
		struct rain_bundle_source *next = &sources->list[i], swap;
		struct rain_bundle_source *last = kept ? &sources->list[kept - 1] : NULL;

		if (last && !strcmp(last->path, next->path)) {
			if (!same_file(last, next))
				return rain_error_set(err,
						      "two different files would both be "
						      "called %s",
						      next->path);
			continue;
		}
		if (find_above(sources, kept, next->path))
			continue;
		/* Swapped, not overwritten: every one is released later. */
		swap = sources->list[kept];
		sources->list[kept++] = *next;
		*next = swap;
	}
	/* Those that were dropped, at the end now. */
	for (size_t i = kept; i < sources->count; i++) {
		free(sources->list[i].found);
		free(sources->list[i].path);
		sources->list[i].found = sources->list[i].path = NULL;
	}
	return (int)kept;
}

bool rain_bundle_link_stays(const char *path, const char *target)
{
	int above = 0, up = 0;
	bool named = false;

	for (const char *p = path; *p; p++)
		above += *p == '/';
	if (!*target || *target == '/')
		return false;
	while (*target) {
		size_t length = strcspn(target, "/");

		if (length == 2 && target[0] == '.' && target[1] == '.') {
			if (named || ++up > above)
				return false;
		} else if (length > 0 && !(length == 1 && target[0] == '.')) {
			named = true;
		}
		target += length + (target[length] == '/');
	}
	return true;
}

/* What an item's files are called in the bundle, as a pattern. Of what goes
 * into a directory only the last part is known. NULL: too long. */
static const char *name_pattern(const char *item, char pattern[static 2 * RAIN_BUNDLE_PATH_MAX])
{
	struct renaming renaming;
	const char *last;

	if (!rain_stage_colon(item))
		return !strncmp(item, "./", 2) ? item + 2 : item;
	if (renaming_read(item, &renaming, NULL) < 0)
		return NULL;
	last = strrchr(renaming.from, '/');
	last = last ? last + 1 : renaming.from;
	snprintf(pattern, 2 * RAIN_BUNDLE_PATH_MAX, "%s%s%s", renaming.to,
		 renaming.inside && *renaming.to ? "/" : "", renaming.inside ? last : "");
	return pattern;
}

bool rain_bundle_path_matches(const char *const items[], size_t count, const char *path)
{
	for (size_t i = 0; i < count && rain_tree_path_is_clean(path); i++) {
		char pattern[2 * RAIN_BUNDLE_PATH_MAX];
		const char *item = name_pattern(items[i], pattern);
		const char *rest = path;
		bool fits = item && *item && *item != '/'; /* nothing of an absolute one comes back */

		while (fits && *item) {
			size_t a = strcspn(item, "/"), b = strcspn(rest, "/");
			char part[NAME_MAX + 1], name[NAME_MAX + 1];

			if (a > NAME_MAX || b > NAME_MAX || b == 0)
				return false;
			memcpy(part, item, a);
			part[a] = '\0';
			memcpy(name, rest, b);
			name[b] = '\0';
			fits = a == 0 || fnmatch(part, name, FNM_PERIOD) == 0;
			rest += a == 0 ? 0 : b + (rest[b] == '/');
			item += a + (item[a] == '/');
		}
		if (fits)
			return true;
	}
	return false;
}
