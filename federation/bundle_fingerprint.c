/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a bundle would hold, by what the file system says of it: without
 * reading a byte of any file. */
#include "federation/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "federation/bundle_match.h"
#include "federation/tree.h"

struct printer {
	struct rain_digest_hash *hash, *anywhere;
	struct rain_bundle_print *print;
	struct rain_error *err;
};

static int print_status(struct printer *printer, const char *path, const struct stat *st)
{
	struct rain_bundle_print *print = printer->print;
	int64_t numbers[] = {
		(int64_t)st->st_mode, (int64_t)st->st_dev, (int64_t)st->st_ino,
		(int64_t)st->st_size, rain_clock_nanoseconds(&st->st_mtim), rain_clock_nanoseconds(&st->st_ctim),
	};

	if (++print->entries > RAIN_BUNDLE_ENTRIES_MAX)
		return rain_error_set(printer->err, "%s: more than %d files and directories", path,
				      RAIN_BUNDLE_ENTRIES_MAX);
	if (S_ISREG(st->st_mode))
		print->bytes += st->st_size;
	if (st->st_size > RAIN_BUNDLE_BYTES_MAX || print->bytes > RAIN_BUNDLE_BYTES_MAX)
		return rain_error_set(printer->err, "%s: the files together exceed %lld GiB", path,
				      (long long)(RAIN_BUNDLE_BYTES_MAX >> 30));
	if (print->changed_ns < numbers[5])
		print->changed_ns = numbers[5];
	if (rain_digest_hash_add(printer->hash, path, strlen(path) + 1) < 0 ||
	    rain_digest_hash_add(printer->hash, numbers, sizeof(numbers)) < 0)
		return rain_error_set(printer->err, "out of memory");
	numbers[1] = 0;
	if (rain_digest_hash_add(printer->anywhere, path, strlen(path) + 1) < 0 ||
	    rain_digest_hash_add(printer->anywhere, numbers, sizeof(numbers)) < 0)
		return rain_error_set(printer->err, "out of memory");
	return 0;
}

static int print_entry(struct printer *printer, int dir, const char *name, const char *path)
{
	char below[RAIN_BUNDLE_PATH_MAX + 1], **names;
	struct stat st;
	int fd, result;

	if (!rain_tree_path_is_clean(path))
		return rain_error_set(printer->err, "%s: nested deeper than %d directories", path,
				      RAIN_TREE_DEPTH_MAX);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return rain_error_set(printer->err, "can't read %s: %s", path, strerror(errno));
	result = print_status(printer, path, &st);
	if (result < 0 || !S_ISDIR(st.st_mode))
		return result;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	names = fd < 0 ? NULL : rain_tree_names(fd, RAIN_BUNDLE_ENTRIES_MAX, printer->err);
	if (fd < 0)
		result = rain_error_set(printer->err, "can't read the directory %s: %s", path,
					strerror(errno));
	else if (!names)
		result = rain_error_prefix(printer->err, "%s", path);
	for (size_t i = 0; result == 0 && names[i]; i++) {
		if (snprintf(below, sizeof(below), "%s/%s", path, names[i]) >= (int)sizeof(below))
			result = rain_error_set(printer->err,
						"%s/…: the path is longer than %d bytes", path,
						RAIN_BUNDLE_PATH_MAX);
		else
			result = print_entry(printer, fd, names[i], below);
	}
	rain_tree_names_free(names);
	if (fd >= 0)
		close(fd);
	return result;
}

static int print_source(struct printer *printer, const struct rain_bundle_source *source)
{
	const char *last = strrchr(source->found, '/');
	char above[RAIN_BUNDLE_PATH_MAX + 1] = "";
	int dir, result;

	if (last)
		memcpy(above, source->found, (size_t)(last - source->found));
	dir = rain_tree_open(source->root, above, false, printer->err);
	if (dir < 0)
		return rain_error_prefix(printer->err, "can't read %s", source->path);
	result = print_entry(printer, dir, last ? last + 1 : source->found, source->path);
	close(dir);
	return result;
}

int rain_bundle_fingerprint(int root, const char *const items[], size_t count,
			    struct rain_bundle_print *print, struct rain_error *err)
{
	struct rain_bundle_sources sources = {0};
	struct printer printer = {.print = print, .err = err};
	int result = 0, kept = 0;

	*print = (struct rain_bundle_print){0};
	for (size_t i = 0; i < count && result == 0; i++)
		result = rain_bundle_match(root, items[i], &sources, err);
	if (result == 0)
		kept = rain_bundle_sources_settle(&sources, err);
	printer.hash = rain_digest_hash_create();
	printer.anywhere = rain_digest_hash_create();
	if (!printer.hash || !printer.anywhere)
		result = rain_error_set(err, "out of memory");
	if (kept < 0)
		result = -1;
	for (int i = 0; i < kept && result == 0; i++)
		result = print_source(&printer, &sources.list[i]);
	rain_digest_hash_finish(printer.hash, &print->key);
	rain_digest_hash_finish(printer.anywhere, &print->anywhere);
	rain_bundle_sources_release(&sources);
	return result;
}
