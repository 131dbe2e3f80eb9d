/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/bundle.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "federation/bundle_match.h"
#include "federation/bundle_seen.h"
#include "federation/tree.h"

#define CHUNK 65536
/* More holes than this and the rest of a file is taken as data. */
#define EXTENTS_MAX 4096

struct packer {
	struct archive *archive;
	rain_bundle_write write;
	void *arg;
	const struct rain_bundle_seen *seen, *seen_all; /* of this source, of all */
	struct rain_bundle_summary *summary;
	struct rain_error *err;
	bool failed_to_write; /* err has the reason already */
};

static la_ssize_t write_out(struct archive *archive, void *arg, const void *data, size_t size)
{
	struct packer *packer = arg;

	if (packer->write(packer->arg, data, size, packer->err) == 0)
		return (la_ssize_t)size;
	packer->failed_to_write = true;
	archive_set_error(archive, EIO, "write");
	return -1;
}

static int archive_failed(struct packer *packer, const char *path)
{
	if (packer->failed_to_write)
		return rain_error_prefix(packer->err, "can't write the bundle");
	return rain_error_set(packer->err, "can't pack %s: %s", path,
			      archive_error_string(packer->archive));
}

/* Tells the archive where the data of a file is, when it has holes. */
static void add_extents(struct archive_entry *entry, int fd, int64_t size)
{
	off_t at = 0;
	int count = 0;

	if (lseek(fd, 0, SEEK_HOLE) >= size)
		return;
	while (at < size) {
		off_t data = lseek(fd, at, SEEK_DATA);
		off_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);

		if (data < 0 || data >= size) {
			/* A hole to the end: an extent of nothing ends the map. */
			archive_entry_sparse_add_entry(entry, size, 0);
			return;
		}
		if (hole < 0 || hole > size || ++count == EXTENTS_MAX)
			hole = size;
		archive_entry_sparse_add_entry(entry, data, hole - data);
		at = hole;
	}
}

static int count_entry(struct packer *packer, int64_t bytes, const char *path)
{
	struct rain_bundle_summary *summary = packer->summary;

	if (++summary->entries > RAIN_BUNDLE_ENTRIES_MAX)
		return rain_error_set(packer->err, "%s: more than %d files and directories", path,
				      RAIN_BUNDLE_ENTRIES_MAX);
	summary->bytes += bytes;
	if (bytes > RAIN_BUNDLE_BYTES_MAX || summary->bytes > RAIN_BUNDLE_BYTES_MAX)
		return rain_error_set(packer->err, "%s: the files together exceed %lld GiB", path,
				      (long long)(RAIN_BUNDLE_BYTES_MAX >> 30));
	return 0;
}

static struct archive_entry *entry_create(const char *path, const struct stat *st)
{
	struct archive_entry *entry = archive_entry_new();

	if (!entry)
		return NULL;
	archive_entry_set_pathname(entry, path);
	archive_entry_set_filetype(entry, st->st_mode & S_IFMT);
	archive_entry_set_perm(entry, S_ISLNK(st->st_mode) ? 0777 : st->st_mode & 0777);
	archive_entry_set_mtime(entry, st->st_mtime, 0);
	archive_entry_set_size(entry, S_ISREG(st->st_mode) ? st->st_size : 0);
	return entry;
}

static int pack_data(struct packer *packer, int fd, int64_t size, const char *path)
{
	static const char zeros[CHUNK];
	char buffer[CHUNK];
	int64_t at = 0;

	while (at < size) {
		size_t want = size - at > CHUNK ? CHUNK : (size_t)(size - at);
		const char *from = buffer;
		ssize_t got = (ssize_t)want;
		off_t data = lseek(fd, at, SEEK_DATA);

		/* Holes need not be read (and may be huge). */
		if (data < 0 && errno == ENXIO)
			data = size;
		if (data >= 0 && data - at >= (off_t)want)
			from = zeros;
		else
			got = pread(fd, buffer, want, at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return rain_error_set(packer->err, "can't read %s: %s", path,
					      strerror(errno));
		if (got == 0)
			return rain_error_set(packer->err, "%s became shorter while it was read",
					      path);
		if (archive_write_data(packer->archive, from, (size_t)got) < 0)
			return archive_failed(packer, path);
		at += got;
	}
	return 0;
}

static int pack_file(struct packer *packer, int dir, const char *name, const char *path)
{
	/* O_NONBLOCK: it may have become a fifo since it was looked at. */
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct archive_entry *entry = NULL;
	struct stat st;
	int result = -1;

	if (fd < 0)
		return rain_error_set(packer->err, "can't read %s: %s", path, strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		rain_error_set(packer->err, "%s is no regular file any more", path);
		goto out;
	}
	if (count_entry(packer, st.st_size, path) < 0)
		goto out;
	entry = entry_create(path, &st);
	if (!entry) {
		rain_error_set(packer->err, "out of memory");
		goto out;
	}
	add_extents(entry, fd, st.st_size);
	if (archive_write_header(packer->archive, entry) != ARCHIVE_OK)
		archive_failed(packer, path);
	else
		result = pack_data(packer, fd, st.st_size, path);
out:
	archive_entry_free(entry);
	close(fd);
	return result;
}

static int pack_link(struct packer *packer, int dir, const char *name, const char *path,
		     const struct stat *st)
{
	char target[RAIN_BUNDLE_PATH_MAX + 1];
	ssize_t length = readlinkat(dir, name, target, sizeof(target));
	struct archive_entry *entry;
	int result = 0;

	if (length < 0)
		return rain_error_set(packer->err, "can't read the link %s: %s", path,
				      strerror(errno));
	if (length > RAIN_BUNDLE_PATH_MAX)
		return rain_error_set(packer->err, "the link %s is longer than %d bytes", path,
				      RAIN_BUNDLE_PATH_MAX);
	target[length] = '\0';
	if (!rain_bundle_link_stays(path, target))
		return rain_error_set(packer->err,
				      "%s is a symbolic link to %s, out of what is staged: name "
				      "the file itself",
				      path, target);
	if (count_entry(packer, 0, path) < 0)
		return -1;
	entry = entry_create(path, st);
	if (!entry)
		return rain_error_set(packer->err, "out of memory");
	archive_entry_set_symlink(entry, target);
	if (archive_write_header(packer->archive, entry) != ARCHIVE_OK)
		result = archive_failed(packer, path);
	archive_entry_free(entry);
	return result;
}

static int pack_entry(struct packer *packer, int dir, const char *name, const char *path);

static int pack_directory(struct packer *packer, int dir, const char *name, const char *path)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct archive_entry *entry = NULL;
	char **names = NULL;
	struct stat st;
	int result = -1;

	if (fd < 0 || fstat(fd, &st) < 0) {
		rain_error_set(packer->err, "can't read the directory %s: %s", path,
			       strerror(errno));
		goto out;
	}
	if (count_entry(packer, 0, path) < 0)
		goto out;
	entry = entry_create(path, &st);
	names = rain_tree_names(fd, RAIN_BUNDLE_ENTRIES_MAX, packer->err);
	if (!entry || !names) {
		rain_error_prefix(packer->err, "%s", path);
		goto out;
	}
	if (archive_write_header(packer->archive, entry) != ARCHIVE_OK) {
		archive_failed(packer, path);
		goto out;
	}
	result = 0;
	for (size_t i = 0; names[i] && result == 0; i++) {
		char below[RAIN_BUNDLE_PATH_MAX + 1];

		if (snprintf(below, sizeof(below), "%s/%s", path, names[i]) >= (int)sizeof(below))
			result = rain_error_set(packer->err,
						"%s/…: the path is longer than %d bytes", path,
						RAIN_BUNDLE_PATH_MAX);
		else
			result = pack_entry(packer, fd, names[i], below);
	}
out:
	rain_tree_names_free(names);
	archive_entry_free(entry);
	if (fd >= 0)
		close(fd);
	return result;
}

static int pack_entry(struct packer *packer, int dir, const char *name, const char *path)
{
	struct stat st;

	if (!rain_tree_path_is_clean(path))
		return rain_error_set(packer->err, "%s: nested deeper than %d directories", path,
				      RAIN_TREE_DEPTH_MAX);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return rain_error_set(packer->err, "can't read %s: %s", path, strerror(errno));
	if (!S_ISDIR(st.st_mode) && rain_bundle_is_as_seen(packer->seen, path, &st))
		return 0;
	switch (st.st_mode & S_IFMT) {
	case S_IFREG:
		return pack_file(packer, dir, name, path);
	case S_IFDIR:
		return pack_directory(packer, dir, name, path);
	case S_IFLNK:
		return pack_link(packer, dir, name, path, &st);
	default:
		return rain_error_set(packer->err, "%s is neither a file, a directory nor a link",
				      path);
	}
}

/* A source may lie some directories below its root. */
static int pack_source(struct packer *packer, const struct rain_bundle_source *source)
{
	const char *last = strrchr(source->found, '/');
	char above[RAIN_BUNDLE_PATH_MAX + 1] = "";
	int dir, result;

	if (last)
		memcpy(above, source->found, (size_t)(last - source->found));
	dir = rain_tree_open(source->root, above, false, packer->err);
	if (dir < 0)
		return rain_error_prefix(packer->err, "can't read %s", source->path);
	packer->seen = strcmp(source->found, source->path) == 0 ? packer->seen_all : NULL;
	result = pack_entry(packer, dir, last ? last + 1 : source->found, source->path);
	close(dir);
	return result;
}

static struct archive *archive_create(struct packer *packer)
{
	struct archive *archive = archive_write_new();

	if (!archive)
		return NULL;
	/* Restricted: extended headers only where plain ones don't do, so
	 * neither device nor inode numbers get in. Unpadded at the end. */
	if (archive_write_set_format_pax_restricted(archive) != ARCHIVE_OK ||
	    archive_write_add_filter_zstd(archive) != ARCHIVE_OK ||
	    archive_write_set_filter_option(archive, "zstd", "compression-level", "1") !=
		    ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(archive, 1) != ARCHIVE_OK ||
	    archive_write_open(archive, packer, NULL, write_out, NULL) != ARCHIVE_OK) {
		rain_error_set(packer->err, "can't begin a bundle: %s",
			       archive_error_string(archive));
		archive_write_free(archive);
		return NULL;
	}
	return archive;
}

static int pack_sources(struct packer *packer, const struct rain_bundle_source *list, int count)
{
	int result = 0;

	packer->archive = archive_create(packer);
	if (!packer->archive)
		return -1;
	for (int i = 0; i < count && result == 0; i++)
		result = pack_source(packer, &list[i]);
	if (result == 0 && archive_write_close(packer->archive) != ARCHIVE_OK)
		result = archive_failed(packer, "the end");
	archive_write_free(packer->archive);
	return result;
}

int rain_bundle_pack(int root, const char *const items[], size_t count, bool allow_missing,
		     const struct rain_bundle_seen *seen, rain_bundle_write write, void *arg,
		     struct rain_bundle_summary *summary, struct rain_error *err)
{
	struct rain_bundle_sources sources = {0};
	struct packer packer = {
		.write = write, .arg = arg, .seen_all = seen, .summary = summary, .err = err};
	int result = -1, kept;

	*summary = (struct rain_bundle_summary){0};
	for (size_t i = 0; i < count; i++) {
		size_t before = sources.count;

		if (rain_bundle_match(root, items[i], &sources, err) < 0)
			goto out;
		if (sources.count > before)
			continue;
		summary->unmatched++;
		if (!allow_missing) {
			rain_error_set(err, "%s: there is no such file", items[i]);
			goto out;
		}
	}
	kept = rain_bundle_sources_settle(&sources, err);
	if (kept >= 0)
		result = pack_sources(&packer, sources.list, kept);
out:
	rain_bundle_sources_release(&sources);
	return result;
}
