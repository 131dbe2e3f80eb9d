// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/spool_writer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "accounting/segment.h"

/* Who may read it: its group, the ledger's. */
#define SEGMENT_MODE 0640
#define NAMES_TRIED 100

struct rain_spool_writer {
	int fd; /* -1: no segment is open */
	char directory[PATH_MAX], path[PATH_MAX];
	uint64_t newest; /* segment that this process has begun */
	int64_t begun_ms;
	off_t size;    /* of what is durable */
	int64_t lines; /* likewise */
	bool named;    /* so is its name */

	/* the group */
	char *bytes;
	size_t used, room;
	size_t *ends; /* where each line ends */
	size_t count, ends_room;
};

struct rain_spool_writer *rain_spool_writer_create(void)
{
	struct rain_spool_writer *writer = calloc(1, sizeof(*writer));

	if (writer)
		writer->fd = -1;
	return writer;
}

static void segment_end(struct rain_spool_writer *writer)
{
	if (writer->fd >= 0)
		close(writer->fd);
	writer->fd = -1;
}

void rain_spool_writer_destroy(struct rain_spool_writer *writer)
{
	if (!writer)
		return;
	segment_end(writer);
	free(writer->bytes);
	free(writer->ends);
	free(writer);
}

/* The largest number of a segment in the directory; 0: there is none. */
static int newest_find(const char *directory, uint64_t *newest, struct rain_error *err)
{
	DIR *stream = opendir(directory);
	const struct dirent *entry;
	uint64_t number;
	int rc = 0;

	*newest = 0;
	if (!stream)
		return rain_error_set(err, "can't read the directory %s: %s", directory, strerror(errno));
	while ((errno = 0, entry = readdir(stream)))
		if (rain_segment_number(entry->d_name, &number) && number > *newest)
			*newest = number;
	if (errno)
		rc = rain_error_set(err, "can't read the directory %s: %s", directory, strerror(errno));
	closedir(stream);
	return rc;
}

/* Ours alone, and still there: a reader deletes what it finds empty and nobody's. */
static bool segment_hold(int fd)
{
	struct stat status;

	return fchmod(fd, SEGMENT_MODE) == 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &status) == 0 &&
	       status.st_nlink > 0;
}

static int segment_open(struct rain_spool_writer *writer, const char *directory, int64_t now_ms,
			struct rain_error *err)
{
	char name[RAIN_SEGMENT_NAME_SIZE];
	uint64_t number;

	if (newest_find(directory, &number, err) < 0)
		return -1;
	number = number > writer->newest ? number : writer->newest;
	number = now_ms > 0 && (uint64_t)now_ms > number ? (uint64_t)now_ms : number + 1;
	for (int i = 0; writer->fd < 0 && i < NAMES_TRIED; i++, number++) {
		rain_segment_name(number, name);
		if (snprintf(writer->path, sizeof(writer->path), "%s/%s", directory, name) >= PATH_MAX)
			return rain_error_set(err, "the path of the spool %.100s… is too long", directory);
		writer->fd = open(writer->path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
				  SEGMENT_MODE);
		if (writer->fd < 0 && errno != EEXIST)
			break;
		if (writer->fd >= 0 && !segment_hold(writer->fd))
			segment_end(writer);
		writer->newest = number;
	}
	if (writer->fd < 0)
		return rain_error_set(err, "can't make %s: %s", writer->path, strerror(errno));
	snprintf(writer->directory, sizeof(writer->directory), "%s", directory);
	writer->begun_ms = now_ms;
	writer->size = 0;
	writer->lines = 0;
	writer->named = false;
	return 0;
}

void rain_spool_writer_rest(struct rain_spool_writer *writer, int64_t now_ms)
{
	int64_t age = now_ms - writer->begun_ms;

	/* Whichever way the clock went. */
	if (writer->fd >= 0 && (age >= RAIN_SPOOL_SEGMENT_MS || age <= -RAIN_SPOOL_SEGMENT_MS))
		segment_end(writer);
}

/* What somebody has deleted or moved under us would be read by nobody. */
static bool segment_is_there(const struct rain_spool_writer *writer)
{
	struct stat ours, there;

	return fstat(writer->fd, &ours) == 0 && lstat(writer->path, &there) == 0 && ours.st_dev == there.st_dev &&
	       ours.st_ino == there.st_ino;
}

int rain_spool_writer_begin(struct rain_spool_writer *writer, const char *directory, int64_t now_ms,
			    struct rain_error *err)
{
	writer->used = writer->count = 0;
	rain_spool_writer_rest(writer, now_ms);
	if (writer->fd >= 0 && (writer->size >= RAIN_SPOOL_SEGMENT_MAX || strcmp(writer->directory, directory) != 0 ||
				!segment_is_there(writer)))
		segment_end(writer);
	return writer->fd >= 0 ? 0 : segment_open(writer, directory, now_ms, err);
}

static bool make_room(struct rain_spool_writer *writer, size_t more)
{
	if (writer->used + more > writer->room) {
		size_t room = (writer->used + more) * 2;
		char *larger = realloc(writer->bytes, room);

		if (!larger)
			return false;
		writer->bytes = larger;
		writer->room = room;
	}
	if (writer->count == writer->ends_room) {
		size_t room = writer->ends_room ? writer->ends_room * 2 : 64;
		size_t *larger = realloc(writer->ends, room * sizeof(*larger));

		if (!larger)
			return false;
		writer->ends = larger;
		writer->ends_room = room;
	}
	return true;
}

int rain_spool_writer_add(struct rain_spool_writer *writer, const char *record, size_t size, int64_t now_ms,
			  struct rain_error *err)
{
	struct rain_segment_line line = {.number = writer->lines + (int64_t)writer->count + 1,
					 .written_ms = now_ms > 0 ? now_ms : 0, .size = size};
	char head[RAIN_SEGMENT_HEAD_MAX], *copy;
	size_t length;

	if (!make_room(writer, RAIN_SEGMENT_HEAD_MAX + size + 1))
		return rain_error_set(err, "no memory for a group of records");
	/* Behind the longest head, so that it can be summed before it is moved. */
	copy = writer->bytes + writer->used + RAIN_SEGMENT_HEAD_MAX;
	memcpy(copy, record, size);
	for (char *p = copy; (p = memchr(p, '\n', (size_t)(copy + size - p))); p++)
		*p = ' ';
	line.record = copy;
	length = rain_segment_head(&line, head);
	memcpy(writer->bytes + writer->used, head, length);
	memmove(writer->bytes + writer->used + length, copy, size);
	writer->used += length + size;
	writer->bytes[writer->used++] = '\n';
	writer->ends[writer->count++] = writer->used;
	return writer->used >= RAIN_SPOOL_GROUP_MAX;
}

/* How many bytes were written; fewer than there are when that failed (errno). */
static size_t write_all(int fd, const char *bytes, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = write(fd, bytes + done, size - done);

		if (n < 0 && errno != EINTR)
			break;
		done += n > 0 ? (size_t)n : 0;
	}
	return done;
}

static int directory_sync(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (fd < 0)
		return -1;
	rc = fsync(fd);
	close(fd);
	return rc;
}

/* The first `count` lines of the group are written: waits until the disk has them. */
static int keep(struct rain_spool_writer *writer, size_t count)
{
	if (fdatasync(writer->fd) < 0 || (!writer->named && directory_sync(writer->directory) < 0))
		return -1;
	writer->named = true;
	writer->size += (off_t)writer->ends[count - 1];
	writer->lines += (int64_t)count;
	return 0;
}

/* A full disk took a part of the group: its whole lines stay, if they can. How many. */
static size_t cut_back(struct rain_spool_writer *writer, size_t written)
{
	size_t whole = 0;
	int failed;

	while (whole < writer->count && writer->ends[whole] <= written)
		whole++;
	if (whole > 0 && ftruncate(writer->fd, writer->size + (off_t)writer->ends[whole - 1]) == 0 &&
	    keep(writer, whole) == 0)
		return whole;
	/* Where that fails, too, the reader finds lines that are told once more, or a torn one. */
	failed = writer->size > 0 ? ftruncate(writer->fd, writer->size) : unlink(writer->path);
	(void)failed;
	return 0;
}

int rain_spool_writer_sync(struct rain_spool_writer *writer, size_t *durable, struct rain_error *err)
{
	size_t written;

	*durable = 0;
	if (writer->count == 0)
		return 0;
	written = write_all(writer->fd, writer->bytes, writer->used);
	if (written == writer->used && keep(writer, writer->count) == 0) {
		*durable = writer->count;
		return 0;
	}
	rain_error_set(err, "can't write %s: %s", writer->path, strerror(errno));
	/* After a failed sync nobody knows what the disk has. */
	*durable = cut_back(writer, written < writer->used ? written : 0);
	segment_end(writer);
	return -1;
}
