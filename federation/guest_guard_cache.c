/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/guest_guard_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "common/file.h"
#include "federation/sandbox.h"
#include "federation/tree.h"

#define NOTE_MAX 1024

static int directory_open(int at, const char *name, struct rain_error *err)
{
	struct stat st;
	int fd;

	if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
		return rain_error_set(err, "can't make %s: %s", name, strerror(errno));
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return rain_error_set(err, "can't open %s: %s", name, strerror(errno));
	if (fstat(fd, &st) < 0 || st.st_uid != 0 || (st.st_mode & 077)) {
		close(fd);
		return rain_error_set(err, "%s must be a directory of root that only root may enter",
				      name);
	}
	return fd;
}

static char *note_read(const struct rain_guard_cache *cache, const char *name)
{
	int fd = openat(cache->top, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	size_t size;
	char *text = fd < 0 ? NULL : rain_file_read_fd(fd, name, NOTE_MAX, &size, NULL);

	if (fd >= 0)
		close(fd);
	return text;
}

static int note_write(const char *name, const char *text, struct rain_error *err)
{
	char path[sizeof(RAIN_GUEST_CACHE) + 32];

	snprintf(path, sizeof(path), RAIN_GUEST_CACHE "/%s", name);
	return rain_file_write(path, text, strlen(text), 0600, err);
}

int rain_guard_cache_throw(const struct rain_guard_cache *cache, int dir, const char *name,
			   struct rain_error *err)
{
	unsigned int number[2];
	char to[32];

	if (getentropy(number, sizeof(number)) < 0)
		return rain_error_set(err, "no random numbers: %s", strerror(errno));
	snprintf(to, sizeof(to), "%08x%08x", number[0], number[1]);
	if (renameat(dir, name, cache->trash, to) < 0 && errno != ENOENT)
		return rain_error_set(err, "can't remove %s: %s", name, strerror(errno));
	return 0;
}

static int throw_all(const struct rain_guard_cache *cache, int dir, struct rain_error *err)
{
	char **names = rain_tree_names(dir, SIZE_MAX, err);
	int result = names ? 0 : -1;

	for (size_t i = 0; result == 0 && names[i]; i++)
		result = rain_guard_cache_throw(cache, dir, names[i], err);
	rain_tree_names_free(names);
	return result;
}

/* No job of an earlier boot runs, and no mount of it is left. */
static int boot_check(const struct rain_guard_cache *cache, struct rain_error *err)
{
	size_t size;
	char *now = rain_file_read("/proc/sys/kernel/random/boot_id", 63, &size, err);
	char *then = note_read(cache, "boot");
	int result = now ? 0 : -1;

	if (now && (!then || strcmp(now, then) != 0)) {
		if (unlinkat(cache->top, "refused", 0) < 0 && errno != ENOENT)
			result = rain_error_set(err, "can't remove %s/refused: %s", RAIN_GUEST_CACHE,
						strerror(errno));
		if (result == 0)
			result = throw_all(cache, cache->entries, err);
		if (result == 0)
			result = throw_all(cache, cache->jobs, err);
		if (result == 0)
			result = note_write("boot", now, err);
	}
	free(now);
	free(then);
	return result;
}

int rain_guard_cache_open(struct rain_guard_cache *cache, struct rain_error *err)
{
	int lock = -1, result = -1;

	*cache = (struct rain_guard_cache){-1, -1, -1, -1};
	cache->top = directory_open(AT_FDCWD, RAIN_GUEST_CACHE, err);
	if (cache->top >= 0)
		cache->entries = directory_open(cache->top, "entries", err);
	if (cache->entries >= 0)
		cache->jobs = directory_open(cache->top, "jobs", err);
	if (cache->jobs >= 0)
		cache->trash = directory_open(cache->top, "trash", err);
	if (cache->trash >= 0)
		lock = rain_guard_cache_lock(cache, err);
	if (lock >= 0)
		result = boot_check(cache, err);
	if (lock >= 0)
		close(lock);
	if (result < 0) {
		rain_guard_cache_close(cache);
		return rain_error_prefix(err, RAIN_GUEST_CACHE);
	}
	return 0;
}

void rain_guard_cache_close(struct rain_guard_cache *cache)
{
	const int fds[] = {cache->top, cache->entries, cache->jobs, cache->trash};

	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	*cache = (struct rain_guard_cache){-1, -1, -1, -1};
}

int rain_guard_cache_lock(const struct rain_guard_cache *cache, struct rain_error *err)
{
	int fd = openat(cache->top, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return rain_error_set(err, "can't open lock: %s", strerror(errno));
	while (flock(fd, LOCK_EX) < 0) {
		if (errno == EINTR)
			continue;
		close(fd);
		return rain_error_set(err, "can't lock: %s", strerror(errno));
	}
	return fd;
}

void rain_guard_cache_refuse(const struct rain_guard_cache *cache, const struct rain_error *why)
{
	char *before = rain_guard_cache_refusal(cache);

	if (!before) {
		syslog(LOG_WARNING, "inputs of guests are unpacked for each job: %s", why->text);
		note_write("refused", why->text, NULL);
	}
	free(before);
}

char *rain_guard_cache_refusal(const struct rain_guard_cache *cache)
{
	return note_read(cache, "refused");
}

static bool job_uses(int job, const char *target)
{
	char **names = rain_tree_names(job, 4 * RAIN_GUEST_CACHE_BUNDLES_MAX, NULL);
	bool found = !names; /* who can't look must not touch it */

	for (size_t i = 0; names && names[i] && !found; i++) {
		char to[RAIN_GUEST_CACHE_NAME_SIZE + 32];
		ssize_t length = readlinkat(job, names[i], to, sizeof(to));

		found = length == (ssize_t)strlen(target) && !memcmp(to, target, (size_t)length);
	}
	rain_tree_names_free(names);
	return found;
}

bool rain_guard_cache_is_used(const struct rain_guard_cache *cache, const char *name)
{
	char **jobs = rain_tree_names(cache->jobs, SIZE_MAX, NULL);
	char target[RAIN_GUEST_CACHE_NAME_SIZE + 32];
	bool found = !jobs;

	snprintf(target, sizeof(target), RAIN_GUEST_CACHE_TARGET, name);
	for (size_t i = 0; jobs && jobs[i] && !found; i++) {
		int job = openat(cache->jobs, jobs[i],
				 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		found = job >= 0 && job_uses(job, target);
		if (job >= 0)
			close(job);
	}
	rain_tree_names_free(jobs);
	return found;
}
