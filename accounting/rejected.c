// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/rejected.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "accounting/segment.h"
#include "accounting/snapshot_file.h"
#include "accounting/spool_writer.h"
#include "common/file.h"
#include "common/log.h"

#define REJECTED "/rejected"
#define RECORD ".json"
#define LINE ".line"
#define REASON ".reason"
#define FOREIGN_MS 60000
/* With room for its reason's. */
#define FOREIGN_NAME_SIZE (RAIN_REJECTED_NAME_MAX + 2 - (int)sizeof(REASON))
#define NAMES_TRIED 1000
/* Records that are put back by one group. */
#define GROUP 1000

static bool ends_in(const char *name, const char *suffix)
{
	size_t length = strlen(name), end = strlen(suffix);

	return length > end && strcmp(name + length - end, suffix) == 0;
}

static int path_of(char path[static PATH_MAX], const char *spool, const char *name, const char *suffix,
		   struct rain_error *err)
{
	int n = snprintf(path, PATH_MAX, "%s" REJECTED "%s%s%s", spool, name[0] ? "/" : "", name, suffix);

	if (n >= PATH_MAX)
		return rain_error_set(err, "the path of %s in %s is too long", name, spool);
	return 0;
}

static int directory_sync(const char *spool, struct rain_error *err)
{
	char path[PATH_MAX];
	int fd, rc;

	if (path_of(path, spool, "", "", err) < 0)
		return -1;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rc = fd >= 0 ? fsync(fd) : -1;
	if (rc < 0)
		rain_error_set(err, "can't sync %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return rc;
}

/* All or nothing, by way of a file that nobody counts and that the next one replaces. The name
 * isn't durable yet. */
static int write_file(const char *spool, const char *name, const char *suffix, const char *bytes, size_t size,
		      struct rain_error *err)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	int fd, rc = 0;

	if (path_of(path, spool, name, suffix, err) < 0 || path_of(fresh, spool, ".new", "", err) < 0)
		return -1;
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0 || rain_file_write_fd(fd, bytes, size, NULL) < 0 || fsync(fd) < 0 || rename(fresh, path) < 0)
		rc = rain_error_set(err, "can't write %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return rc;
}

static int make_directory(const char *spool, struct rain_error *err)
{
	char path[PATH_MAX];

	if (path_of(path, spool, "", "", err) < 0)
		return -1;
	if (mkdir(path, 0750) < 0 && errno != EEXIST)
		return rain_error_set(err, "can't make the directory %s: %s", path, strerror(errno));
	return 0;
}

/* The directory, and in it the reason, which for a record comes first: without one what is put
 * aside would be a riddle. */
static int explain(const char *spool, const char *name, const char *suffix, const char *reason, struct rain_error *err)
{
	char full[RAIN_REJECTED_NAME_MAX + 1], text[600];

	if (make_directory(spool, err) < 0)
		return -1;
	if (snprintf(full, sizeof(full), "%s%s", name, suffix) >= (int)sizeof(full))
		return rain_error_set(err, "the name %.80s… is too long", name);
	snprintf(text, sizeof(text), "%s\n", reason);
	return write_file(spool, full, REASON, text, strlen(text), err);
}

static int put_aside(const char *spool, const char *name, const char *suffix, const char *bytes, size_t size,
		     const char *reason, struct rain_error *err)
{
	char made[40];

	if (!name) {
		snprintf(made, sizeof(made), "%08lx-%zu", crc32(0, (const unsigned char *)bytes, (unsigned)size), size);
		name = made;
	}
	if (explain(spool, name, suffix, reason, err) < 0 || write_file(spool, name, suffix, bytes, size, err) < 0)
		return -1;
	return directory_sync(spool, err);
}

int rain_rejected_add(const char *spool, const char *name, const char *record, size_t size, const char *reason,
		      struct rain_error *err)
{
	return put_aside(spool, name, RECORD, record, size, reason, err);
}

int rain_rejected_add_line(const char *spool, const char *bytes, size_t size, const char *reason,
			   struct rain_error *err)
{
	return put_aside(spool, NULL, LINE, bytes, size, reason, err);
}

/* What rain-ledgerd and jobcomp_rain make in the spool, and what its file system does. A file
 * with a segment's name is a segment whatever its rights: they can be mended, and its writer
 * may still hold it. */
static bool is_ours(int directory, const char *name)
{
	struct stat status;
	static const char *const names[] = {".", "..", "rejected", "lost+found", RAIN_SNAPSHOT_BALANCES,
					    RAIN_SNAPSHOT_PREDICTIONS};
	uint64_t number;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return rain_segment_number(name, &number) && fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(status.st_mode);
}

/* Moves it to a name that nothing has there, and that next_name() shows: in `full`. */
static int move_aside(const char *spool, int directory, const char *name, char full[static FOREIGN_NAME_SIZE],
		      struct rain_error *err)
{
	const char *prefix = name[0] == '.' ? "hidden" : "";
	char path[PATH_MAX], number[16] = "";

	for (int i = ends_in(name, REASON) ? 1 : 0; i < NAMES_TRIED; i++) {
		if (i > 0)
			snprintf(number, sizeof(number), ".%d", i);
		if (snprintf(full, FOREIGN_NAME_SIZE, "%s%s%s", prefix, name, number) >= FOREIGN_NAME_SIZE)
			return rain_error_set(err, "the name %.80s… is too long", name);
		if (path_of(path, spool, full, "", err) < 0)
			return -1;
		if (renameat2(directory, name, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	return rain_error_set(err, "can't put %s/%s aside: %s", spool, name, strerror(errno));
}

/* Puts it aside if it was left alone: 1; 0: not yet; -1 with err. The reason comes last: it belongs
 * to the name that was free. */
static int take_foreign(const char *spool, int directory, const char *name, int64_t now_ms, struct rain_error *err)
{
	static const char reason[] = "it is no segment of the spool, and RAIN has not put it there";
	char full[FOREIGN_NAME_SIZE];
	struct stat status;
	int64_t age;

	if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return 0; /* gone again */
	age = now_ms - (int64_t)status.st_mtim.tv_sec * 1000;
	if (age < FOREIGN_MS && age > -FOREIGN_MS)
		return 0;
	if (make_directory(spool, err) < 0 || move_aside(spool, directory, name, full, err) < 0)
		return -1;
	rain_log_warning("a file is put aside in %s" REJECTED ": %s file=%s", spool, reason, full);
	if (explain(spool, full, "", reason, err) < 0)
		rain_log_warning("why %s is put aside isn't written beside it: %s", full, err->text);
	return 1;
}

int rain_rejected_add_foreign(const char *spool, int64_t now_ms, struct rain_error *err)
{
	DIR *stream = opendir(spool);
	const struct dirent *entry;
	int count = 0;

	if (!stream)
		return rain_error_set(err, "can't read the directory %s: %s", spool, strerror(errno));
	while ((entry = readdir(stream))) {
		int rc = is_ours(dirfd(stream), entry->d_name) ? 0 : take_foreign(spool, dirfd(stream), entry->d_name, now_ms, err);

		if (rc < 0) /* one that can't be moved must not hide the others */
			rain_log_warning("a file that isn't RAIN's stays in the spool: %s", err->text);
		count += rc > 0;
	}
	closedir(stream);
	return count;
}

/* The next name of what is put aside; NULL: none. */
static const char *next_name(DIR *stream)
{
	const struct dirent *entry;

	while ((entry = readdir(stream)))
		if (entry->d_name[0] != '.' && !ends_in(entry->d_name, REASON))
			return entry->d_name;
	return NULL;
}

/* NULL without err: there is no such directory. */
static DIR *open_rejected(const char *spool, struct rain_error *err, int *rc)
{
	char path[PATH_MAX];
	DIR *stream = NULL;

	*rc = path_of(path, spool, "", "", err);
	if (*rc == 0)
		stream = opendir(path);
	if (*rc == 0 && !stream && errno != ENOENT)
		*rc = rain_error_set(err, "can't read the directory %s: %s", path, strerror(errno));
	return stream;
}

int rain_rejected_count(const char *spool, struct rain_error *err)
{
	int count = 0, rc;
	DIR *stream = open_rejected(spool, err, &rc);

	while (stream && next_name(stream))
		count++;
	if (stream)
		closedir(stream);
	return rc < 0 ? -1 : count;
}

/* The reason, without its newline; "" when it can't be read. */
static void read_reason(const char *path, char *text, size_t size)
{
	size_t read_size;
	char *reason = rain_file_read(path, 4096, &read_size, NULL);

	snprintf(text, size, "%.*s", reason ? (int)strcspn(reason, "\n") : 0, reason ? reason : "");
	free(reason);
}

json_t *rain_rejected_list(const char *spool, size_t max, struct rain_error *err)
{
	json_t *list = json_array();
	const char *name;
	int rc;
	DIR *stream = open_rejected(spool, err, &rc);

	while (list && stream && json_array_size(list) < max && (name = next_name(stream))) {
		char path[PATH_MAX], reason[600];
		struct stat status = {0};

		if (path_of(path, spool, name, REASON, NULL) < 0)
			continue;
		fstatat(dirfd(stream), name, &status, AT_SYMLINK_NOFOLLOW);
		read_reason(path, reason, sizeof(reason));
		/* A name that isn't UTF-8 makes no row, and json_pack none. */
		json_array_append_new(list, json_pack("{s:s s:s s:I}", "file", name, "reason", reason, "since",
						      (json_int_t)status.st_ctim.tv_sec));
	}
	if (stream)
		closedir(stream);
	if (!list)
		rain_error_set(err, "no memory for the rejected records");
	if (rc < 0) {
		json_decref(list);
		return NULL;
	}
	return list;
}

static int forget(const char *spool, const char *name, struct rain_error *err)
{
	char path[PATH_MAX], note[PATH_MAX];

	if (path_of(path, spool, name, "", err) < 0 || path_of(note, spool, name, REASON, err) < 0)
		return -1;
	if ((unlink(path) < 0 && errno != ENOENT) || (unlink(note) < 0 && errno != ENOENT))
		return rain_error_set(err, "can't delete %s, which is put back: %s", path, strerror(errno));
	return 0;
}

static int add_back(struct rain_spool_writer *writer, const char *spool, const char *name, int64_t now_ms,
		    struct rain_error *err)
{
	char path[PATH_MAX], *text;
	size_t size;
	int rc, fd;

	if (path_of(path, spool, name, "", err) < 0)
		return -1;
	fd = rain_file_open_regular(path, err);
	if (fd < 0)
		return -1;
	text = rain_file_read_fd(fd, path, RAIN_SEGMENT_RECORD_MAX, &size, err);
	close(fd);
	rc = text ? rain_spool_writer_add(writer, text, size, now_ms, err) : -1;
	free(text);
	return rc;
}

/* Makes durable what was added of the records, then forgets them. */
static int settle(struct rain_spool_writer *writer, const char *spool, char *const names[], const size_t taken[],
		  size_t count, struct rain_error *err)
{
	size_t durable;

	if (rain_spool_writer_sync(writer, &durable, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (forget(spool, names[taken[i]], err) < 0)
			return -1;
	return (int)count;
}

/* Puts records back. A file that can't be read stays; how many didn't. */
static int put_back(struct rain_spool_writer *writer, const char *spool, char *const names[], size_t count,
		    int64_t now_ms, struct rain_error *err)
{
	size_t taken[GROUP], group = 0, i = 0;
	int total = 0, rc = 0;

	while (rc >= 0 && i < count) {
		bool full = false;

		if (rain_spool_writer_begin(writer, spool, now_ms, err) < 0)
			return -1;
		for (group = 0; !full && i < count; i++) {
			rc = add_back(writer, spool, names[i], now_ms, err);
			if (rc < 0)
				rain_log_warning("what is put aside stays there: %s", err->text);
			else
				taken[group++] = i;
			full = rc > 0;
		}
		rc = settle(writer, spool, names, taken, group, err);
		total += rc > 0 ? rc : 0;
	}
	return rc < 0 ? -1 : total;
}

/* The next up to GROUP names of records. */
static size_t next_records(DIR *stream, char *names[static GROUP])
{
	size_t count = 0;
	const char *name;

	while (count < GROUP && (name = next_name(stream)))
		if (ends_in(name, RECORD) && (names[count] = strdup(name)))
			count++;
	return count;
}

static int put_all_back(struct rain_spool_writer *writer, const char *spool, int64_t now_ms, struct rain_error *err)
{
	char *names[GROUP];
	int total = 0, rc;
	size_t count;
	DIR *stream = open_rejected(spool, err, &rc);

	while (stream && rc >= 0 && (count = next_records(stream, names)) > 0) {
		rc = put_back(writer, spool, names, count, now_ms, err);
		total += rc > 0 ? rc : 0;
		for (size_t i = 0; i < count; i++)
			free(names[i]);
	}
	if (stream)
		closedir(stream);
	return rc < 0 ? -1 : total;
}

int rain_rejected_readmit(const char *spool, const char *name, int64_t now_ms, struct rain_error *err)
{
	struct rain_spool_writer *writer;
	char path[PATH_MAX];
	int rc;

	if (name && (strchr(name, '/') || name[0] == '.' || !ends_in(name, RECORD)))
		return rain_error_set(err, "\"%.80s\" is no name of a rejected record (NAME" RECORD ")", name);
	if (name && (path_of(path, spool, name, "", err) < 0 || access(path, R_OK) < 0))
		return rain_error_set(err, "there is no rejected record %.80s", name);
	writer = rain_spool_writer_create();
	if (!writer)
		return rain_error_set(err, "no memory to put records back");
	rc = name ? put_back(writer, spool, (char *[]){(char *)(uintptr_t)name}, 1, now_ms, err)
		  : put_all_back(writer, spool, now_ms, err);
	rain_spool_writer_destroy(writer);
	return rc;
}
