// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_STEP 4096

char *rain_file_read_fd(int fd, const char *what, size_t max, size_t *size,
			struct rain_error *err)
{
	size_t capacity = READ_STEP, used = 0;
	char *data = malloc(capacity + 1);

	if (!data)
		goto no_memory;
	for (;;) {
		ssize_t n = read(fd, data + used, capacity - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			rain_error_set(err, "can't read %s: %s", what, strerror(errno));
			goto fail;
		}
		if (n == 0)
			break;
		used += (size_t)n;
		if (used > max) {
			rain_error_set(err, "%s is larger than %zu bytes", what, max);
			goto fail;
		}
		if (used == capacity) {
			char *larger = realloc(data, capacity * 2 + 1);

			if (!larger)
				goto no_memory;
			data = larger;
			capacity *= 2;
		}
	}
	data[used] = '\0';
	if (size)
		*size = used;
	return data;

no_memory:
	rain_error_set(err, "no memory for %s", what);
fail:
	free(data);
	return NULL;
}

char *rain_file_read(const char *path, size_t max, size_t *size, struct rain_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0) {
		rain_error_set(err, "can't open %s: %s", path, strerror(errno));
		return NULL;
	}
	char *data = rain_file_read_fd(fd, path, max, size, err);
	close(fd);
	return data;
}

int rain_file_open_regular(const char *path, struct rain_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY), rc = 0;
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0)
		rc = errno;
	else if (!S_ISREG(status.st_mode))
		rc = EINVAL;
	if (rc == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	rain_error_set(err, "can't open %s: %s", path, rc == EINVAL ? "it is no regular file" : strerror(rc));
	errno = rc;
	return -1;
}

int rain_file_write_fd(int fd, const void *data, size_t size, struct rain_error *err)
{
	const char *next = data;

	while (size > 0) {
		ssize_t n = write(fd, next, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return rain_error_set(err, "can't write: %s", strerror(errno));
		next += n;
		size -= (size_t)n;
	}
	return 0;
}

static int directory_sync(const char *path, struct rain_error *err)
{
	char copy[PATH_MAX];
	int fd, rc;

	/* dirname() may write into its argument. */
	snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return rain_error_set(err, "can't open the directory of %s: %s", path,
				      strerror(errno));
	rc = fsync(fd);
	if (rc < 0)
		rain_error_set(err, "can't sync the directory of %s: %s", path, strerror(errno));
	close(fd);
	return rc;
}

int rain_file_write(const char *path, const void *data, size_t size, mode_t mode,
		    struct rain_error *err)
{
	char temporary[PATH_MAX];
	int fd;

	if (snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >= (int)sizeof(temporary))
		return rain_error_set(err, "the path %.100s… is too long", path);
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return rain_error_set(err, "can't create a file beside %s: %s", path,
				      strerror(errno));
	if (fchmod(fd, mode) < 0 || rain_file_write_fd(fd, data, size, NULL) < 0 ||
	    fsync(fd) < 0) {
		rain_error_set(err, "can't write %s: %s", path, strerror(errno));
		goto fail;
	}
	if (rename(temporary, path) < 0) {
		rain_error_set(err, "can't put %s in place: %s", path, strerror(errno));
		goto fail;
	}
	close(fd);
	return directory_sync(path, err);

fail:
	close(fd);
	unlink(temporary);
	return -1;
}
