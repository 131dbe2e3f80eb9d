// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/spool_reader.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "accounting/segment.h"
#include "common/file.h"
#include "common/log.h"

/* At least two of the longest lines. */
#define BUFFER_SIZE (256 * 1024)
/* In which the last line of a segment is looked for, at first. */
#define TAIL_SIZE 4096

struct segment {
	uint64_t number;
	int fd;		 /* open while there is more to read; else -1 */
	off_t read;	 /* handed out so far */
	off_t settled;	 /* likewise */
	int64_t lines;	 /* settled */
	int64_t stuck;	 /* of these: not dealt with */
	int64_t retry_ms; /* when they are tried again */
	bool left;	 /* nobody writes it any more */
	bool over;	 /* and all of it is handed out */
	bool gone;
	bool failing;	 /* it can't be read or deleted, and that is told */
	int64_t skip_ms; /* until then it is left alone */
	off_t looked;	   /* its size when its lines were counted */
	int64_t lines_all; /* then */
};

struct rain_spool_reader {
	char *spool;
	struct segment *segments; /* by number */
	size_t count, room;
	size_t at;	  /* the segment that is being read */
	bool passed;	  /* the pass came to the end: there may be new ones */
	int64_t now_ms;
	char *buffer;	  /* bytes of one segment, from `from` on */
	uint64_t whose;
	off_t from;
	size_t used;
};

struct rain_spool_reader *rain_spool_reader_create(const char *spool)
{
	struct rain_spool_reader *reader = calloc(1, sizeof(*reader));

	if (!reader)
		return NULL;
	reader->spool = strdup(spool);
	reader->buffer = malloc(BUFFER_SIZE);
	reader->passed = true;
	if (!reader->spool || !reader->buffer) {
		rain_spool_reader_destroy(reader);
		return NULL;
	}
	return reader;
}

static void segment_close(struct segment *segment)
{
	if (segment->fd >= 0)
		close(segment->fd);
	segment->fd = -1;
}

void rain_spool_reader_destroy(struct rain_spool_reader *reader)
{
	if (!reader)
		return;
	for (size_t i = 0; i < reader->count; i++)
		segment_close(&reader->segments[i]);
	free(reader->segments);
	free(reader->buffer);
	free(reader->spool);
	free(reader);
}

static int path_of(const struct rain_spool_reader *reader, uint64_t number, char path[static PATH_MAX],
		   struct rain_error *err)
{
	char name[RAIN_SEGMENT_NAME_SIZE];

	rain_segment_name(number, name);
	if (snprintf(path, PATH_MAX, "%s/%s", reader->spool, name) >= PATH_MAX)
		return rain_error_set(err, "the path of the spool %.100s… is too long", reader->spool);
	return 0;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = ((const struct segment *)a)->number, y = ((const struct segment *)b)->number;

	return (x > y) - (x < y);
}

/* Among the first `count`. */
static struct segment *find(const struct rain_spool_reader *reader, size_t count, uint64_t number)
{
	const struct segment key = {.number = number};

	return count > 0 ? bsearch(&key, reader->segments, count, sizeof(key), compare) : NULL;
}

static int add(struct rain_spool_reader *reader, uint64_t number, struct rain_error *err)
{
	if (reader->count == reader->room) {
		size_t room = reader->room ? reader->room * 2 : 16;
		struct segment *larger = realloc(reader->segments, room * sizeof(*larger));

		if (!larger)
			return rain_error_set(err, "no memory for the names in %s", reader->spool);
		reader->segments = larger;
		reader->room = room;
	}
	reader->segments[reader->count++] = (struct segment){.number = number, .fd = -1};
	return 0;
}

/* Learns of new segments. Not in the midst of a pass. */
static int list(struct rain_spool_reader *reader, struct rain_error *err)
{
	size_t known = reader->count;
	const struct dirent *entry;
	uint64_t number;
	int rc = 0;
	DIR *stream = opendir(reader->spool);

	if (!stream)
		return rain_error_set(err, "can't read the directory %s: %s", reader->spool, strerror(errno));
	while (rc == 0 && (errno = 0, entry = readdir(stream)))
		if (rain_segment_number(entry->d_name, &number) && !find(reader, known, number))
			rc = add(reader, number, err);
	if (rc == 0 && errno)
		rc = rain_error_set(err, "can't read the directory %s: %s", reader->spool, strerror(errno));
	closedir(stream);
	if (reader->count > known)
		qsort(reader->segments, reader->count, sizeof(*reader->segments), compare);
	return rc;
}

static void forget_gone(struct rain_spool_reader *reader)
{
	size_t kept = 0;

	for (size_t i = 0; i < reader->count; i++)
		if (!reader->segments[i].gone)
			reader->segments[kept++] = reader->segments[i];
	reader->count = kept;
}

static void read_anew(struct segment *segment)
{
	segment->read = segment->settled = 0;
	segment->lines = segment->stuck = 0;
	segment->over = false;
}

int rain_spool_reader_begin(struct rain_spool_reader *reader, int64_t now_ms, struct rain_error *err)
{
	forget_gone(reader);
	reader->at = 0;
	reader->now_ms = now_ms;
	if (reader->passed && list(reader, err) < 0)
		return -1;
	reader->passed = false;
	for (size_t i = 0; i < reader->count; i++) {
		struct segment *segment = &reader->segments[i];

		if (segment->stuck > 0 && segment->over && segment->settled == segment->read &&
		    now_ms >= segment->retry_ms)
			read_anew(segment);
	}
	return 0;
}

/* After rain_file_open_regular(): it is deleted, or nothing that could ever be read
 * (rain_rejected_add_foreign()). All else may pass. */
static bool is_nothing(int code)
{
	return code == ENOENT || code == EINVAL || code == ELOOP || code == ENXIO;
}

/* One that fails must not hold up the others. */
static void skip(const struct rain_spool_reader *reader, struct segment *segment, const struct rain_error *err)
{
	if (!segment->failing)
		rain_log_warning("a segment of the spool stays, and is tried again each %d s; others are read: %s",
				 RAIN_SPOOL_STUCK_MS / 1000, err->text);
	segment->failing = true;
	segment->skip_ms = reader->now_ms + RAIN_SPOOL_STUCK_MS;
	segment_close(segment);
}

/* 0 also when there is nothing to open. */
static int segment_open(const struct rain_spool_reader *reader, struct segment *segment, struct rain_error *err)
{
	char path[PATH_MAX];

	if (segment->fd >= 0)
		return 0;
	if (path_of(reader, segment->number, path, err) < 0)
		return -1;
	segment->fd = rain_file_open_regular(path, err);
	segment->gone = segment->fd < 0 && is_nothing(errno);
	return segment->fd >= 0 || segment->gone ? 0 : -1;
}

static int segment_delete(const struct rain_spool_reader *reader, struct segment *segment, struct rain_error *err)
{
	char path[PATH_MAX];

	if (path_of(reader, segment->number, path, err) < 0)
		return -1;
	if (unlink(path) < 0 && errno != ENOENT)
		return rain_error_set(err, "can't delete %s, which is booked: %s", path, strerror(errno));
	segment->gone = true;
	return 0;
}

/* What the buffer has from the segment's place on. */
static const char *buffered(const struct rain_spool_reader *reader, const struct segment *segment, size_t *size)
{
	off_t passed = segment->read - reader->from;

	*size = 0;
	if (reader->whose != segment->number || passed < 0 || passed > (off_t)reader->used)
		return reader->buffer;
	*size = reader->used - (size_t)passed;
	return reader->buffer + passed;
}

/* Reads on from the segment's place. */
static int refill(struct rain_spool_reader *reader, const struct segment *segment, struct rain_error *err)
{
	ssize_t n;

	reader->whose = segment->number;
	reader->from = segment->read;
	reader->used = 0;
	do {
		n = pread(segment->fd, reader->buffer + reader->used, BUFFER_SIZE - reader->used,
			  reader->from + (off_t)reader->used);
		reader->used += n > 0 ? (size_t)n : 0;
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0)
		return rain_error_set(err, "can't read a segment of %s: %s", reader->spool, strerror(errno));
	return 0;
}

/* Whether there are more bytes than `had` from the segment's place on: 1 or 0, or -1. */
static int more(struct rain_spool_reader *reader, struct segment *segment, size_t had, struct rain_error *err)
{
	if (segment_open(reader, segment, err) < 0)
		return -1;
	while (!segment->gone) {
		bool left = segment->left;

		int rc = refill(reader, segment, err);

		if (reader->used > had)
			return 1;
		if (rc < 0)
			return -1;
		/* Its writer may have gone on until it left: then it is looked at once more. */
		if (left || flock(segment->fd, LOCK_SH | LOCK_NB) < 0)
			return 0;
		segment->left = true;
	}
	return 0;
}

static int hand_out(struct segment *segment, struct rain_spool_line *line, size_t length)
{
	line->place = (struct rain_spool_place){segment->number, segment->read, segment->read + (off_t)length};
	segment->read += (off_t)length;
	return 1;
}

/* There is no whole line any more in what its writer has left. An empty one is deleted before
 * our lock on it ends: it may be one that a writer has just made and not taken yet. */
static int hand_out_rest(struct rain_spool_reader *reader, struct segment *segment, struct rain_spool_line *line,
			 struct rain_error *err)
{
	size_t size;

	line->text = buffered(reader, segment, &size);
	line->size = size;
	line->broken = "its end is missing: what wrote it was killed, or the disk was full";
	if (size == 0 && segment->read == 0 && segment_delete(reader, segment, err) < 0)
		return -1;
	segment->over = true;
	segment_close(segment);
	return size > 0 ? hand_out(segment, line, size) : 0;
}

/* The next line of the segment that is whole or can't become so: 1. 0: none now. Or -1. */
static int segment_next(struct rain_spool_reader *reader, struct segment *segment, struct rain_spool_line *line,
			struct rain_error *err)
{
	struct rain_segment_line found;
	size_t size, length;
	int rc;

	for (;;) {
		line->text = buffered(reader, segment, &size);
		switch (rain_segment_read(line->text, size, &found, &length)) {
		case RAIN_SEGMENT_RECORD:
			line->broken = NULL;
			line->text = found.record;
			line->size = found.size;
			return hand_out(segment, line, length);
		case RAIN_SEGMENT_BROKEN:
			line->broken = "it is not what was written: its CRC differs";
			line->size = length - (line->text[length - 1] == '\n');
			return hand_out(segment, line, length);
		case RAIN_SEGMENT_PART:
			rc = more(reader, segment, size, err);
			if (rc < 0 || (rc == 0 && (segment->gone || !segment->left)))
				return rc;
			if (rc == 0)
				return hand_out_rest(reader, segment, line, err);
		}
	}
}

bool rain_spool_reader_next(struct rain_spool_reader *reader, struct rain_spool_line *line)
{
	for (; reader->at < reader->count; reader->at++) {
		struct segment *segment = &reader->segments[reader->at];
		struct rain_error err;
		int rc;

		if (segment->gone || segment->over || reader->now_ms < segment->skip_ms)
			continue;
		rc = segment_next(reader, segment, line, &err);
		if (rc < 0)
			skip(reader, segment, &err);
		else
			segment->failing = false;
		if (rc > 0)
			return true;
	}
	reader->passed = true;
	return false;
}

char *rain_spool_reader_again(const struct rain_spool_reader *reader, const struct rain_spool_place *place,
			      size_t *size, struct rain_error *err)
{
	size_t length = (size_t)(place->end - place->start), skipped;
	struct rain_segment_line line;
	char path[PATH_MAX], *text;
	int fd;

	if (path_of(reader, place->segment, path, err) < 0)
		return NULL;
	fd = rain_file_open_regular(path, NULL);
	text = malloc(length + 1);
	if (fd < 0 || !text || pread(fd, text, length, place->start) != (ssize_t)length ||
	    rain_segment_read(text, length, &line, &skipped) != RAIN_SEGMENT_RECORD) {
		rain_error_set(err, "can't read %s again", path);
		free(text);
		text = NULL;
	} else {
		*size = line.size;
		memmove(text, line.record, line.size);
		text[line.size] = '\0';
	}
	if (fd >= 0)
		close(fd);
	return text;
}

void rain_spool_reader_settle(struct rain_spool_reader *reader, const struct rain_spool_place *place, bool stuck)
{
	struct segment *segment = find(reader, reader->count, place->segment);

	if (!segment)
		return;
	segment->settled = place->end;
	segment->lines++;
	if (stuck && segment->stuck++ == 0)
		segment->retry_ms = reader->now_ms + RAIN_SPOOL_STUCK_MS;
}

void rain_spool_reader_sweep(struct rain_spool_reader *reader)
{
	struct rain_error err;

	/* Behind the one that is being read nobody has been. */
	for (size_t i = 0; i < reader->count && i <= reader->at; i++) {
		struct segment *segment = &reader->segments[i];

		if (segment->over && segment->settled == segment->read && segment->stuck == 0 && !segment->gone &&
		    reader->now_ms >= segment->skip_ms && segment_delete(reader, segment, &err) < 0)
			skip(reader, segment, &err);
	}
}

void rain_spool_reader_rewind(struct rain_spool_reader *reader)
{
	for (size_t i = 0; i < reader->count; i++) {
		struct segment *segment = &reader->segments[i];

		segment->over = segment->over && segment->read == segment->settled;
		segment->read = segment->settled;
	}
}

/* The number of the last whole line within the last `room` bytes, 0: it isn't to be seen. */
static int64_t last_number(struct rain_spool_reader *reader, int fd, off_t size, size_t room)
{
	off_t from = size > (off_t)room ? size - (off_t)room : 0;
	ssize_t n = pread(fd, reader->buffer, room, from);
	const char *end = n > 0 ? memrchr(reader->buffer, '\n', (size_t)n) : NULL;
	const char *before = end ? memrchr(reader->buffer, '\n', (size_t)(end - reader->buffer)) : NULL;
	const char *start = before ? before + 1 : reader->buffer;
	struct rain_segment_line line;

	reader->used = 0; /* the buffer has something else now */
	if (!end || (!before && from > 0) || !rain_segment_peek(start, (size_t)(end - start), &line))
		return 0;
	return line.number;
}

/* Counts what isn't settled of a segment, and when the oldest of it (asked for when
 * *oldest_ms is 0) was written. */
static void look(struct rain_spool_reader *reader, struct segment *segment, int64_t *count, int64_t *oldest_ms)
{
	char path[PATH_MAX], head[RAIN_SEGMENT_HEAD_MAX];
	struct rain_segment_line line;
	struct stat status;
	int64_t waiting;
	int fd;

	if (segment->gone || path_of(reader, segment->number, path, NULL) < 0)
		return;
	fd = rain_file_open_regular(path, NULL);
	if (fd < 0 && is_nothing(errno))
		return;
	if (fd < 0 || fstat(fd, &status) < 0) {
		/* How many there are nobody knows. */
		*oldest_ms = *oldest_ms ? *oldest_ms : (int64_t)segment->number;
		(*count)++;
		goto cleanup;
	}
	if (segment->looked != status.st_size) {
		segment->lines_all = last_number(reader, fd, status.st_size, TAIL_SIZE);
		if (segment->lines_all == 0)
			segment->lines_all = last_number(reader, fd, status.st_size, BUFFER_SIZE);
		segment->looked = status.st_size;
	}
	waiting = segment->lines_all - segment->lines + segment->stuck;
	if (waiting <= 0 && segment->failing && status.st_size > segment->settled)
		waiting = 1; /* at least */
	if (waiting > 0 && *oldest_ms == 0) {
		ssize_t n = pread(fd, head, sizeof(head), segment->stuck > 0 ? 0 : segment->settled);

		*oldest_ms = n > 0 && rain_segment_peek(head, (size_t)n, &line) ? line.written_ms
										: (int64_t)segment->number;
	}
	*count += waiting > 0 ? waiting : 0;
cleanup:
	if (fd >= 0)
		close(fd);
}

int rain_spool_reader_depth(struct rain_spool_reader *reader, int64_t *count, int64_t *oldest_ms,
			    struct rain_error *err)
{
	*count = *oldest_ms = 0;
	if (list(reader, err) < 0)
		return -1;
	for (size_t i = 0; i < reader->count; i++)
		look(reader, &reader->segments[i], count, oldest_ms);
	return 0;
}
