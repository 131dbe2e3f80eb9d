// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"

#define REJECTED "rejected"
#define SUFFIX ".json"

static bool is_record_name(const char *name)
{
	size_t length = strlen(name);

	return name[0] != '.' && length > strlen(SUFFIX) &&
	       strcmp(name + length - strlen(SUFFIX), SUFFIX) == 0;
}

static int path_of(char path[static PATH_MAX], const char *spool, const char *directory,
		   const char *name, const char *suffix, struct rain_error *err)
{
	int n = snprintf(path, PATH_MAX, "%s%s/%s%s", spool, directory, name, suffix);

	if (n >= PATH_MAX)
		return rain_error_set(err, "the path of %s in %s is too long", name, spool);
	return 0;
}

struct rain_spool_walk {
	DIR *directory;
	char path[PATH_MAX];
};

static struct rain_spool_walk *walk_create(const char *path, struct rain_error *err)
{
	struct rain_spool_walk *walk = calloc(1, sizeof(*walk));

	if (!walk) {
		rain_error_set(err, "no memory to read the directory %s", path);
		return NULL;
	}
	snprintf(walk->path, sizeof(walk->path), "%s", path);
	walk->directory = opendir(path);
	if (!walk->directory) {
		rain_error_set(err, "can't read the directory %s: %s", path, strerror(errno));
		rain_spool_walk_destroy(walk);
		return NULL;
	}
	return walk;
}

struct rain_spool_walk *rain_spool_walk_create(const char *spool, struct rain_error *err)
{
	return walk_create(spool, err);
}

void rain_spool_walk_destroy(struct rain_spool_walk *walk)
{
	if (!walk)
		return;
	if (walk->directory)
		closedir(walk->directory);
	free(walk);
}

/* 1 with the next name, 0 at the end, -1 with err. */
static int walk_step(struct rain_spool_walk *walk, const char **name, struct rain_error *err)
{
	struct dirent *entry;

	while ((errno = 0, entry = readdir(walk->directory))) {
		if (!is_record_name(entry->d_name))
			continue;
		*name = entry->d_name;
		return 1;
	}
	if (errno != 0)
		return rain_error_set(err, "can't read the directory %s: %s", walk->path,
				      strerror(errno));
	return 0;
}

int rain_spool_walk_next(struct rain_spool_walk *walk, size_t max, char ***names,
			 struct rain_error *err)
{
	size_t count = 0, room = 0;
	const char *name;
	int rc = 0;

	*names = NULL;
	while (count < max && (rc = walk_step(walk, &name, err)) > 0) {
		if (count == room) {
			size_t wider = room ? room * 2 : 16;
			char **longer = realloc(*names, wider * sizeof(*longer));

			if (!longer) {
				rc = rain_error_set(err, "no memory for the names in %s", walk->path);
				break;
			}
			*names = longer;
			room = wider;
		}
		(*names)[count] = strdup(name);
		if (!(*names)[count]) {
			rc = rain_error_set(err, "no memory for the names in %s", walk->path);
			break;
		}
		count++;
	}
	if (rc >= 0)
		return (int)count;
	rain_spool_free(*names, count);
	*names = NULL;
	return -1;
}

/* All names of a directory at once; of those put aside, which are few. */
static int list_directory(const char *path, char ***names, struct rain_error *err)
{
	struct rain_spool_walk *walk = walk_create(path, err);
	int count = walk ? rain_spool_walk_next(walk, INT_MAX, names, err) : -1;

	rain_spool_walk_destroy(walk);
	return count;
}

int rain_spool_depth(const char *spool, int64_t *count, int64_t *oldest_ms,
		     struct rain_error *err)
{
	struct rain_spool_walk *walk = rain_spool_walk_create(spool, err);
	const char *name;
	int rc = -1;

	*count = *oldest_ms = 0;
	while (walk && (rc = walk_step(walk, &name, err)) > 0) {
		struct stat status;
		int64_t since;

		if ((*count)++ >= RAIN_SPOOL_LOOK_MAX ||
		    fstatat(dirfd(walk->directory), name, &status, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		since = (int64_t)status.st_mtim.tv_sec * 1000 + status.st_mtim.tv_nsec / 1000000;
		if (*oldest_ms == 0 || since < *oldest_ms)
			*oldest_ms = since;
	}
	rain_spool_walk_destroy(walk);
	return rc;
}

void rain_spool_free(char **names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
}

char *rain_spool_read(const char *spool, const char *name, size_t max, size_t *size, int *broken,
		      struct rain_error *err)
{
	char path[PATH_MAX], *text = NULL;
	struct stat status;
	int fd;

	*broken = 0;
	if (path_of(path, spool, "", name, "", err) < 0)
		return NULL;
	/* Not to be led elsewhere by a link, nor held up by a fifo. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		*broken = errno == ELOOP || errno == ENXIO || errno == EACCES;
		rain_error_set(err, "can't open %s: %s", path, strerror(errno));
		return NULL;
	}
	if (fstat(fd, &status) < 0) {
		rain_error_set(err, "can't look at %s: %s", path, strerror(errno));
	} else if (!S_ISREG(status.st_mode)) {
		*broken = 1;
		rain_error_set(err, "%s is no regular file", path);
	} else if (status.st_size > (off_t)max) {
		*broken = 1;
		rain_error_set(err, "%s is larger than %zu bytes", path, max);
	} else {
		text = rain_file_read_fd(fd, path, max, size, err);
	}
	close(fd);
	return text;
}

int rain_spool_remove(const char *spool, const char *name, struct rain_error *err)
{
	char path[PATH_MAX];

	if (path_of(path, spool, "", name, "", err) < 0)
		return -1;
	if (unlink(path) < 0 && errno != ENOENT)
		return rain_error_set(err, "can't delete %s, which is booked: %s", path,
				      strerror(errno));
	return 0;
}

int rain_spool_reject(const char *spool, const char *name, const char *reason,
		      struct rain_error *err)
{
	char from[PATH_MAX], to[PATH_MAX], note[PATH_MAX], text[600];

	if (path_of(from, spool, "", name, "", err) < 0 ||
	    path_of(to, spool, "", REJECTED, "", err) < 0)
		return -1;
	if (mkdir(to, 0750) < 0 && errno != EEXIST)
		return rain_error_set(err, "can't make the directory %s: %s", to, strerror(errno));
	if (path_of(to, spool, "/" REJECTED, name, "", err) < 0 ||
	    path_of(note, spool, "/" REJECTED, name, ".reason", err) < 0)
		return -1;
	/* The reason first: a rejected record without one would be a riddle. */
	snprintf(text, sizeof(text), "%s\n", reason);
	if (rain_file_write(note, text, strlen(text), 0640, err) < 0)
		return -1;
	if (rename(from, to) < 0)
		return rain_error_set(err, "can't put %s aside: %s", from, strerror(errno));
	return 0;
}

int rain_spool_rejected(const char *spool, struct rain_error *err)
{
	char path[PATH_MAX], **names;
	int count;

	if (path_of(path, spool, "", REJECTED, "", err) < 0)
		return -1;
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	count = list_directory(path, &names, err);
	if (count > 0)
		rain_spool_free(names, (size_t)count);
	return count;
}

/* The reason, without its newline; "" when it can't be read. */
static void read_reason(const char *path, char *text, size_t size)
{
	size_t read_size;
	char *reason = rain_file_read(path, 4096, &read_size, NULL);

	snprintf(text, size, "%.*s", reason ? (int)strcspn(reason, "\n") : 0, reason ? reason : "");
	free(reason);
}

json_t *rain_spool_rejected_list(const char *spool, size_t max, struct rain_error *err)
{
	char path[PATH_MAX], note[PATH_MAX], reason[600], **names = NULL;
	json_t *list = json_array();
	int count = 0;

	if (path_of(path, spool, "", REJECTED, "", err) < 0 ||
	    (access(path, F_OK) == 0 && (count = list_directory(path, &names, err)) < 0)) {
		json_decref(list);
		return NULL;
	}
	for (int i = 0; list && i < count && (size_t)i < max; i++) {
		struct stat status = {0};

		if (path_of(path, spool, "/" REJECTED, names[i], "", err) < 0 ||
		    path_of(note, spool, "/" REJECTED, names[i], ".reason", err) < 0)
			continue;
		lstat(path, &status);
		read_reason(note, reason, sizeof(reason));
		/* A name that isn't UTF-8 makes no row, and json_pack none. */
		json_array_append_new(list, json_pack("{s:s s:s s:I}", "file", names[i], "reason",
						      reason, "since",
						      (json_int_t)status.st_ctim.tv_sec));
	}
	rain_spool_free(names, (size_t)count);
	if (!list)
		rain_error_set(err, "no memory for the rejected records");
	return list;
}

static int readmit_one(const char *spool, const char *name, struct rain_error *err)
{
	char from[PATH_MAX], to[PATH_MAX], note[PATH_MAX];

	if (path_of(from, spool, "/" REJECTED, name, "", err) < 0 ||
	    path_of(note, spool, "/" REJECTED, name, ".reason", err) < 0 ||
	    path_of(to, spool, "", name, "", err) < 0)
		return -1;
	if (rename(from, to) < 0)
		return rain_error_set(err, "can't put %s back: %s", from, strerror(errno));
	if (unlink(note) < 0 && errno != ENOENT)
		return rain_error_set(err, "can't delete %s: %s", note, strerror(errno));
	return 0;
}

int rain_spool_readmit(const char *spool, const char *name, struct rain_error *err)
{
	char path[PATH_MAX], **names;
	int count, rc = 0;

	if (name) {
		if (!is_record_name(name) || strchr(name, '/'))
			return rain_error_set(err, "\"%.80s\" is no name of a rejected record", name);
		return readmit_one(spool, name, err) < 0 ? -1 : 1;
	}
	if (path_of(path, spool, "", REJECTED, "", err) < 0)
		return -1;
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	count = list_directory(path, &names, err);
	for (int i = 0; rc == 0 && i < count; i++)
		rc = readmit_one(spool, names[i], err);
	if (count > 0)
		rain_spool_free(names, (size_t)count);
	return rc == 0 ? count : -1;
}
