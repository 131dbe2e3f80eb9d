/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files as they lay there at one moment, to leave out later what hasn't changed. */
#include "federation/bundle_seen.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "federation/bundle_match.h"
#include "federation/digest.h"
#include "federation/tree.h"

#define TICK_TRIES 1000
#define TICK_PAUSE_NS 1000000

struct rain_bundle_seen {
	uint64_t *prints; /* sorted */
	size_t count, size;
};

/* -1: no memory. */
static int print_of(const char *path, const struct stat *st, uint64_t *print)
{
	const int64_t numbers[] = {
		(int64_t)st->st_mode, (int64_t)st->st_dev, (int64_t)st->st_ino,
		(int64_t)st->st_size, rain_clock_nanoseconds(&st->st_ctim),
	};
	struct rain_digest_hash *hash = rain_digest_hash_create();
	struct rain_digest digest = {0};
	char first[17];
	int result = -1;

	if (hash && rain_digest_hash_add(hash, path, strlen(path) + 1) == 0 &&
	    rain_digest_hash_add(hash, numbers, sizeof(numbers)) == 0)
		result = 0;
	rain_digest_hash_finish(hash, &digest);
	snprintf(first, sizeof(first), "%.16s", digest.sha256);
	*print = strtoull(first, NULL, 16);
	return result;
}

static int remember(struct rain_bundle_seen *seen, const char *path, const struct stat *st,
		    struct rain_error *err)
{
	if (seen->count == seen->size) {
		size_t size = seen->size ? seen->size * 2 : 64;
		uint64_t *prints = reallocarray(seen->prints, size, sizeof(*prints));

		if (!prints)
			return rain_error_set(err, "out of memory");
		seen->prints = prints;
		seen->size = size;
	}
	if (print_of(path, st, &seen->prints[seen->count]) < 0)
		return rain_error_set(err, "out of memory");
	seen->count++;
	return 0;
}

static int see(struct rain_bundle_seen *seen, int dir, const char *path, struct rain_error *err)
{
	char **names = rain_tree_names(dir, RAIN_BUNDLE_ENTRIES_MAX, err);
	int result = names ? 0 : -1;

	for (size_t i = 0; result == 0 && names[i]; i++) {
		char below[RAIN_BUNDLE_PATH_MAX + 1];
		struct stat st;
		int fd;

		/* What is too deep or can't be read isn't known, so it counts as changed. */
		if (snprintf(below, sizeof(below), "%s%s%s", path, *path ? "/" : "", names[i]) >=
			    (int)sizeof(below) ||
		    !rain_tree_path_is_clean(below) ||
		    fstatat(dir, names[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (!S_ISDIR(st.st_mode)) {
			result = remember(seen, below, &st, err);
			continue;
		}
		fd = openat(dir, names[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			continue;
		result = see(seen, fd, below, err);
		close(fd);
	}
	rain_tree_names_free(names);
	return result;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* A change within the tick of the last one would leave the same time of change. */
static void wait_for_tick(void)
{
	const struct timespec pause = {0, TICK_PAUSE_NS};
	struct timespec begin, now;

	clock_gettime(CLOCK_REALTIME_COARSE, &begin);
	for (int i = 0; i < TICK_TRIES; i++) {
		clock_gettime(CLOCK_REALTIME_COARSE, &now);
		if (rain_clock_nanoseconds(&now) != rain_clock_nanoseconds(&begin))
			break;
		nanosleep(&pause, NULL);
	}
}

/* Takes `seen` over, and is what is to be returned. */
static struct rain_bundle_seen *finish(struct rain_bundle_seen *seen, int result)
{
	if (result < 0) {
		rain_bundle_seen_free(seen);
		return NULL;
	}
	if (seen->count > 0) {
		qsort(seen->prints, seen->count, sizeof(*seen->prints), compare);
		wait_for_tick();
	}
	return seen;
}

struct rain_bundle_seen *rain_bundle_see(int root, struct rain_error *err)
{
	struct rain_bundle_seen *seen = calloc(1, sizeof(*seen));

	if (!seen) {
		rain_error_set(err, "out of memory");
		return NULL;
	}
	return finish(seen, see(seen, root, "", err));
}

static int see_source(struct rain_bundle_seen *seen, const struct rain_bundle_source *source,
		      struct rain_error *err)
{
	const char *last = strrchr(source->found, '/');
	char above[RAIN_BUNDLE_PATH_MAX + 1] = "";
	int dir, fd, result = 0;
	struct stat st;

	if (last)
		memcpy(above, source->found, (size_t)(last - source->found));
	last = last ? last + 1 : source->found;
	dir = rain_tree_open(source->root, above, false, NULL);
	if (dir < 0)
		return 0; /* unknown, so it counts as changed */
	if (fstatat(dir, last, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(st.st_mode)) {
		result = remember(seen, source->path, &st, err);
	} else if ((fd = openat(dir, last, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) >= 0) {
		result = see(seen, fd, source->path, err);
		close(fd);
	}
	close(dir);
	return result;
}

struct rain_bundle_seen *rain_bundle_see_items(int root, const char *const items[], size_t count,
					       struct rain_error *err)
{
	struct rain_bundle_seen *seen = calloc(1, sizeof(*seen));
	struct rain_bundle_sources sources = {0};
	int result = 0;

	if (!seen) {
		rain_error_set(err, "out of memory");
		return NULL;
	}
	for (size_t i = 0; i < count && result == 0; i++)
		result = rain_bundle_match(root, items[i], &sources, err);
	for (size_t i = 0; i < sources.count && result == 0; i++)
		if (strcmp(sources.list[i].found, sources.list[i].path) == 0)
			result = see_source(seen, &sources.list[i], err);
	rain_bundle_sources_release(&sources);
	return finish(seen, result);
}

bool rain_bundle_is_as_seen(const struct rain_bundle_seen *seen, const char *path,
			    const struct stat *st)
{
	uint64_t print;

	return seen && seen->count > 0 && print_of(path, st, &print) == 0 &&
	       bsearch(&print, seen->prints, seen->count, sizeof(print), compare);
}

void rain_bundle_seen_free(struct rain_bundle_seen *seen)
{
	if (seen)
		free(seen->prints);
	free(seen);
}
