/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which bundle the files of an item made last time, by their fingerprint: what
 * hasn't changed isn't read again.  A directory of the user's own, a small file
 * for each; all of it may be removed at any time. */
#include "federation/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "federation/tree.h"

#define ENTRIES_MAX 4096
/* File systems stamp changes with a clock that ticks: a file that changed within
 * a tick before the look may change again unseen.  Those with stamps below the
 * second take the kernel's coarse clock, the others whole or even seconds. */
#define TICK_NS INT64_C(50000000)
#define SECONDS_TICK_NS INT64_C(2000000000)

/* NULL when there is no home to keep it in. The caller frees it. */
static char *cache_path(void)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	char *path = NULL;

	if (cache && *cache == '/') {
		if (asprintf(&path, "%s/rain", cache) < 0)
			return NULL;
	} else if (!home || *home != '/' || asprintf(&path, "%s/.cache/rain", home) < 0) {
		return NULL;
	}
	return path;
}

static int cache_open(bool create)
{
	char *path = cache_path();
	int fd = -1;

	if (!path)
		return -1;
	for (char *slash = create ? strchr(path + 1, '/') : NULL;; slash = strchr(slash + 1, '/')) {
		if (slash)
			*slash = '\0';
		if (create)
			(void)mkdir(path, 0700); /* what can't be made can't be opened below */
		if (!slash)
			break;
		*slash = '/';
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(path);
	return fd;
}

/* A line "SHA256 SIZE" for each part. */
bool rain_relay_cache_find(const struct rain_bundle_print *print, struct rain_digests *parts)
{
	int directory = cache_open(false), fd = -1;
	struct rain_digest part;
	char line[128];
	long long size;
	bool good = true;
	FILE *file;

	*parts = (struct rain_digests){0};
	if (directory >= 0) {
		fd = openat(directory, print->key.sha256, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		close(directory);
	}
	file = fd >= 0 ? fdopen(fd, "r") : NULL;
	if (!file) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (good && fgets(line, sizeof(line), file)) {
		good = sscanf(line, "%64[0-9a-f] %lld", part.sha256, &size) == 2 && size > 0 &&
		       rain_digest_is_valid(part.sha256);
		part.size = size;
		good = good && rain_digests_add(parts, &part, NULL) == 0;
	}
	fclose(file);
	return good && parts->count > 0;
}

/* Half of them, when they are many; which ones doesn't matter. */
static void cache_thin(int directory)
{
	char **names = rain_tree_names(directory, 16 * ENTRIES_MAX, NULL);
	size_t count = 0;

	while (names && names[count])
		count++;
	for (size_t i = 0; count > ENTRIES_MAX && i < count; i += 2)
		unlinkat(directory, names[i], 0);
	rain_tree_names_free(names);
}

static bool lines_write(int fd, const struct rain_digests *parts)
{
	FILE *file = fdopen(fd, "w");
	bool good = file != NULL;

	if (!file)
		close(fd);
	for (size_t i = 0; good && i < parts->count; i++)
		good = fprintf(file, "%s %lld\n", parts->list[i].sha256,
			       (long long)parts->list[i].size) > 0;
	return file && fclose(file) == 0 && good;
}

void rain_relay_cache_keep(const struct rain_bundle_print *print, int64_t looked_ns,
			   const struct rain_digests *parts)
{
	char temporary[64];
	int directory, fd;

	if (print->changed_ns >
	    looked_ns - (print->changed_ns % 1000000000 ? TICK_NS : SECONDS_TICK_NS))
		return;
	directory = cache_open(true);
	if (directory < 0)
		return;
	cache_thin(directory);
	snprintf(temporary, sizeof(temporary), ".new-%d", (int)getpid());
	fd = openat(directory, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	/* Without it the files are only read once more. */
	if (fd >= 0 && lines_write(fd, parts))
		(void)renameat(directory, temporary, directory, print->key.sha256);
	close(directory);
}
