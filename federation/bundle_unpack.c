/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/bundle.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <zstd.h>

#include "federation/bundle_match.h"
#include "federation/tree.h"

#define CHUNK 65536
/* Largest window that a frame may ask for: 8 MiB. Packing uses far less. */
#define WINDOW_LOG_MAX 23
/* Files smaller than this don't ask for the free space first. */
#define SPACE_CHECKED (1024 * 1024)

/* Bytes of the tar, taken out of the zstd frames in the file. */
struct source {
	int in;
	ZSTD_DCtx *context;
	ZSTD_inBuffer pending;
	bool inside_frame;
	char input[CHUNK];
	char output[CHUNK];
};

struct unpacker {
	int directory; /* everything is made below it */
	rain_bundle_accept accept;
	void *arg;
	struct rain_bundle_summary *summary;
	struct rain_error *err;
	struct source source;
};

/* 1: more input is there; 0: the end; -1 */
static int source_fill(struct source *source)
{
	ssize_t got;

	do
		got = read(source->in, source->input, sizeof(source->input));
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		return (int)got;
	source->pending = (ZSTD_inBuffer){.src = source->input, .size = (size_t)got};
	return 1;
}

static la_ssize_t source_read(struct archive *archive, void *arg, const void **data)
{
	struct source *source = arg;
	ZSTD_outBuffer out = {.dst = source->output, .size = sizeof(source->output)};

	*data = source->output;
	for (;;) {
		size_t left;

		/* Output may still wait inside of the decoder without new input. */
		if (source->pending.pos == source->pending.size && !source->inside_frame) {
			int more = source_fill(source);

			if (more < 0)
				archive_set_error(archive, errno, "read: %s", strerror(errno));
			if (more <= 0)
				return more;
		}
		left = ZSTD_decompressStream(source->context, &out, &source->pending);
		if (ZSTD_isError(left)) {
			archive_set_error(archive, EINVAL, "zstd: %s", ZSTD_getErrorName(left));
			return -1;
		}
		source->inside_frame = left != 0;
		if (out.pos > 0)
			return (la_ssize_t)out.pos;
		if (source->inside_frame && source->pending.pos == source->pending.size) {
			int more = source_fill(source);

			if (more <= 0) {
				archive_set_error(archive, EINVAL, "it ends in the middle");
				return -1;
			}
		}
	}
}

static int entry_failed(struct unpacker *unpacker, const char *path)
{
	return rain_error_set(unpacker->err, "can't unpack %s: %s", path, strerror(errno));
}

static int check_entry(struct unpacker *unpacker, struct archive_entry *entry, const char *path)
{
	struct rain_bundle_summary *summary = unpacker->summary;
	int64_t size = archive_entry_size(entry);

	if (!rain_tree_path_is_clean(path))
		return rain_error_set(unpacker->err,
				      "the bundle holds a path that is not allowed: %.200s", path);
	if (archive_entry_hardlink(entry))
		return rain_error_set(unpacker->err, "the bundle holds a hard link: %.200s", path);
	if (unpacker->accept && !unpacker->accept(unpacker->arg, path))
		return rain_error_set(unpacker->err,
				      "the bundle holds what was not asked for: %.200s", path);
	if (++summary->entries > RAIN_BUNDLE_ENTRIES_MAX)
		return rain_error_set(unpacker->err, "the bundle holds more than %d entries",
				      RAIN_BUNDLE_ENTRIES_MAX);
	if (size < 0 || size > RAIN_BUNDLE_BYTES_MAX ||
	    (summary->bytes += size) > RAIN_BUNDLE_BYTES_MAX)
		return rain_error_set(unpacker->err, "the bundle holds more than %lld GiB",
				      (long long)(RAIN_BUNDLE_BYTES_MAX >> 30));
	return 0;
}

/* Better refused at once than half way: the directory is somebody's home. */
static int check_space(struct unpacker *unpacker, int fd, int64_t size, const char *path)
{
	struct statvfs fs;

	if (size < SPACE_CHECKED || fstatvfs(fd, &fs) < 0)
		return 0;
	if ((uint64_t)size / fs.f_frsize >= fs.f_bavail)
		return rain_error_set(unpacker->err,
				      "no space for %s: it has %lld bytes and %lld are free", path,
				      (long long)size, (long long)(fs.f_bavail * fs.f_frsize));
	return 0;
}

static int write_at(int fd, const char *data, size_t size, int64_t offset)
{
	while (size > 0) {
		ssize_t put = pwrite(fd, data, size, offset);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -1;
		data += put;
		offset += put;
		size -= (size_t)put;
	}
	return 0;
}

/* Writes only what is data, so holes come back. */
static int unpack_data(struct unpacker *unpacker, struct archive *archive, int fd, int64_t size,
		       const char *path)
{
	const void *data;
	size_t length;
	la_int64_t offset;
	int result;

	while ((result = archive_read_data_block(archive, &data, &length, &offset)) == ARCHIVE_OK) {
		if (offset < 0 || offset > size || (int64_t)length > size - offset)
			return rain_error_set(unpacker->err, "%s is longer than it says", path);
		if (write_at(fd, data, length, offset) < 0)
			return entry_failed(unpacker, path);
	}
	if (result != ARCHIVE_EOF)
		return rain_error_set(unpacker->err, "the bundle is damaged in %s: %s", path,
				      archive_error_string(archive));
	return ftruncate(fd, size) < 0 ? entry_failed(unpacker, path) : 0;
}

static int unpack_file(struct unpacker *unpacker, struct archive *archive,
		       struct archive_entry *entry, int dir, const char *name, const char *path)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = archive_entry_mtime(entry)}};
	int result;

	if (fd < 0)
		return entry_failed(unpacker, path);
	result = check_space(unpacker, fd, archive_entry_size(entry), path);
	if (result == 0)
		result = unpack_data(unpacker, archive, fd, archive_entry_size(entry), path);
	if (result == 0 &&
	    (fchmod(fd, archive_entry_perm(entry) & 0777) < 0 || futimens(fd, times) < 0))
		result = entry_failed(unpacker, path);
	if (close(fd) < 0 && result == 0)
		result = entry_failed(unpacker, path);
	return result;
}

/* The owner keeps access to directories, or it could neither be filled nor
 * merged nor removed. */
static int unpack_directory(struct unpacker *unpacker, struct archive_entry *entry, int dir,
			    const char *name, const char *path)
{
	mode_t mode = (archive_entry_perm(entry) & 0777) | 0700;

	if (mkdirat(dir, name, mode) < 0 && errno != EEXIST)
		return entry_failed(unpacker, path);
	return 0;
}

static int unpack_entry(struct unpacker *unpacker, struct archive *archive,
			struct archive_entry *entry)
{
	char path[RAIN_BUNDLE_PATH_MAX + 1], above[RAIN_BUNDLE_PATH_MAX + 1] = "";
	const char *given = archive_entry_pathname(entry), *target, *name;
	size_t length = given ? strlen(given) : 0;
	int dir, result;

	if (length == 0 || length > RAIN_BUNDLE_PATH_MAX)
		return rain_error_set(unpacker->err, "the bundle holds a path that is empty, too "
						     "long or no text");
	memcpy(path, given, length + 1);
	if (archive_entry_filetype(entry) == AE_IFDIR && path[length - 1] == '/')
		path[length - 1] = '\0';
	if (check_entry(unpacker, entry, path) < 0)
		return -1;
	name = strrchr(path, '/');
	if (name)
		memcpy(above, path, (size_t)(name - path));
	name = name ? name + 1 : path;
	dir = rain_tree_open(unpacker->directory, above, true, unpacker->err);
	if (dir < 0)
		return rain_error_prefix(unpacker->err, "can't unpack %s", path);
	switch (archive_entry_filetype(entry)) {
	case AE_IFREG:
		result = unpack_file(unpacker, archive, entry, dir, name, path);
		break;
	case AE_IFDIR:
		result = unpack_directory(unpacker, entry, dir, name, path);
		break;
	case AE_IFLNK:
		target = archive_entry_symlink(entry);
		if (!target || !rain_bundle_link_stays(path, target))
			result = rain_error_set(unpacker->err,
						"the bundle holds a link that leads out of it: %s",
						path);
		else
			result =
				symlinkat(target, dir, name) < 0 ? entry_failed(unpacker, path) : 0;
		break;
	default:
		result = rain_error_set(unpacker->err, "the bundle holds a special file: %s", path);
	}
	close(dir);
	return result;
}

static int unpack_all(struct unpacker *unpacker)
{
	struct archive *archive = archive_read_new();
	struct archive_entry *entry;
	int result = 0, status;

	if (!archive)
		return rain_error_set(unpacker->err, "out of memory");
	if (archive_read_support_format_tar(archive) != ARCHIVE_OK ||
	    archive_read_open(archive, &unpacker->source, NULL, source_read, NULL) != ARCHIVE_OK) {
		rain_error_set(unpacker->err, "this is no bundle: %s",
			       archive_error_string(archive));
		archive_read_free(archive);
		return -1;
	}
	while (result == 0 && (status = archive_read_next_header(archive, &entry)) != ARCHIVE_EOF) {
		if (status == ARCHIVE_OK)
			result = unpack_entry(unpacker, archive, entry);
		else
			result = rain_error_set(unpacker->err, "the bundle is damaged: %s",
						archive_error_string(archive));
	}
	archive_read_free(archive);
	return result;
}

static int make_temporary(int into, char name[static 32], struct rain_error *err)
{
	unsigned int number[2];
	int fd;

	/* Random, and O_EXCL-like by mkdir: nobody can have put it there. */
	if (getentropy(number, sizeof(number)) < 0)
		return rain_error_set(err, "no random numbers: %s", strerror(errno));
	snprintf(name, 32, ".rain-%08x%08x", number[0], number[1]);
	if (mkdirat(into, name, 0700) < 0)
		return rain_error_set(err, "can't make a directory to unpack in: %s",
				      strerror(errno));
	fd = openat(into, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? rain_error_set(err, "can't open %s: %s", name, strerror(errno)) : fd;
}

/* What follows the end of the archive counts for whether it is whole. */
static int drain(int in)
{
	char rest[4096];
	ssize_t got;

	do
		got = read(in, rest, sizeof(rest));
	while (got > 0 || (got < 0 && errno == EINTR));
	return (int)got;
}

int rain_bundle_unpack_pipe(int in, int into, rain_bundle_accept accept, void *arg,
			    rain_bundle_whole whole, void *whole_arg,
			    struct rain_bundle_summary *summary, struct rain_error *err)
{
	struct unpacker *unpacker = calloc(1, sizeof(*unpacker));
	char name[32] = "";
	int result = -1;

	*summary = (struct rain_bundle_summary){0};
	if (!unpacker)
		return rain_error_set(err, "out of memory");
	*unpacker = (struct unpacker){.directory = -1,
				      .accept = accept,
				      .arg = arg,
				      .summary = summary,
				      .err = err,
				      .source.in = in};
	unpacker->source.context = ZSTD_createDCtx();
	if (!unpacker->source.context) {
		rain_error_set(err, "out of memory");
		goto out;
	}
	ZSTD_DCtx_setParameter(unpacker->source.context, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
	unpacker->directory = make_temporary(into, name, err);
	if (unpacker->directory < 0)
		goto out;
	result = unpack_all(unpacker);
	if (result == 0 && drain(in) < 0)
		result = rain_error_set(err, "can't read the bundle: %s", strerror(errno));
	if (result == 0 && whole)
		result = whole(whole_arg, err);
	if (result == 0)
		result = rain_tree_merge(unpacker->directory, into, err);
out:
	if (unpacker->directory >= 0) {
		close(unpacker->directory);
		if (rain_tree_remove(into, name, result == 0 ? err : NULL) < 0)
			result = -1;
	}
	ZSTD_freeDCtx(unpacker->source.context);
	free(unpacker);
	return result;
}

int rain_bundle_unpack(int in, int into, rain_bundle_accept accept, void *arg,
		       struct rain_bundle_summary *summary, struct rain_error *err)
{
	if (lseek(in, 0, SEEK_SET) < 0)
		return rain_error_set(err, "can't read the bundle: %s", strerror(errno));
	return rain_bundle_unpack_pipe(in, into, accept, arg, NULL, NULL, summary, err);
}
