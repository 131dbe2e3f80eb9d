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

static int list_directory(const char *path, size_t max, char ***names, struct rain_error *err)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	size_t count = 0;

	*names = NULL;
	if (!directory)
		return rain_error_set(err, "can't read the directory %s: %s", path, strerror(errno));
	while (count < max && (errno = 0, entry = readdir(directory))) {
		char **longer;

		if (!is_record_name(entry->d_name))
			continue;
		longer = realloc(*names, (count + 1) * sizeof(*longer));
		if (longer)
			*names = longer;
		if (!longer || !(longer[count] = strdup(entry->d_name))) {
			errno = ENOMEM;
			break;
		}
		count++;
	}
	if (count < max && errno != 0) {
		rain_error_set(err, "can't read the directory %s: %s", path, strerror(errno));
		rain_spool_free(*names, count);
		*names = NULL;
		closedir(directory);
		return -1;
	}
	closedir(directory);
	return (int)count;
}

int rain_spool_list(const char *spool, size_t max, char ***names, struct rain_error *err)
{
	return list_directory(spool, max, names, err);
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
	count = list_directory(path, INT_MAX, &names, err);
	if (count > 0)
		rain_spool_free(names, (size_t)count);
	return count;
}

int rain_spool_readmit(const char *spool, struct rain_error *err)
{
	char path[PATH_MAX], from[PATH_MAX], to[PATH_MAX], note[PATH_MAX], **names;
	int count, rc = 0;

	if (path_of(path, spool, "", REJECTED, "", err) < 0)
		return -1;
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	count = list_directory(path, INT_MAX, &names, err);
	for (int i = 0; rc == 0 && i < count; i++) {
		rc = path_of(from, spool, "/" REJECTED, names[i], "", err) < 0 ||
		     path_of(note, spool, "/" REJECTED, names[i], ".reason", err) < 0 ||
		     path_of(to, spool, "", names[i], "", err) < 0;
		if (rc == 0 && rename(from, to) < 0)
			rc = rain_error_set(err, "can't put %s back: %s", from, strerror(errno));
		if (rc == 0 && unlink(note) < 0 && errno != ENOENT)
			rc = rain_error_set(err, "can't delete %s: %s", note, strerror(errno));
	}
	if (count > 0)
		rain_spool_free(names, (size_t)count);
	return rc == 0 ? count : -1;
}
