/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_BUNDLE_H
#define RAIN_FEDERATION_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "federation/digest.h"

/*
 * Bundles: files and directories of a job as one blob, tar (pax) inside zstd.
 * The same files give the same bytes: sorted by path, no owner, no names, no
 * time of access; the time of modification in whole seconds and the nine
 * permission bits are kept, and so are holes.  Packing and unpacking stream,
 * within a few MiB of memory whatever the size.
 *
 * Only directories, regular files and symbolic links that stay inside the
 * bundle go in or come out; everything else is refused by name.
 */
#define RAIN_BUNDLE_ENTRIES_MAX 100000
#define RAIN_BUNDLE_BYTES_MAX (INT64_C(64) << 30) /* of all files, unpacked */
#define RAIN_BUNDLE_PATH_MAX 1024

struct rain_bundle_seen; /* bundle_seen.h */

struct rain_bundle_summary {
	int64_t entries;
	int64_t bytes; /* of the files, unpacked */
	size_t unmatched; /* items that named nothing; only with allow_missing */
};

/* Takes the next bytes of a bundle. -1 with err ends the packing. */
typedef int (*rain_bundle_write)(void *arg, const void *data, size_t size, struct rain_error *err);

/* Packs `items`, paths or glob(7) patterns, and gives the bundle to `write`
 * piece by piece.  Relative ones are found below the directory `root` without following
 * any link, and keep their path; absolute ones (only the last part may be a
 * pattern) keep only their last part.  "ITEM:NAME" goes in as NAME; when ITEM
 * is a pattern or NAME ends in '/' or is ".", into the directory NAME.  An item
 * that names nothing is an error unless allow_missing.  Files and links that
 * keep their path and are as they were seen are left out (NULL: none). */
int rain_bundle_pack(int root, const char *const items[], size_t count, bool allow_missing,
		     const struct rain_bundle_seen *seen, rain_bundle_write write, void *arg,
		     struct rain_bundle_summary *summary, struct rain_error *err);

/* What packing the same items would put in, as the file system describes it. */
struct rain_bundle_print {
	struct rain_digest key; /* over names, modes, sizes, devices, inodes and times */
	struct rain_digest anywhere; /* without the devices, which each host numbers by itself */
	int64_t entries, bytes; /* as in the summary */
	int64_t changed_ns;	/* the newest change (ctime) of all, since 1970 */
};

/* Two equal keys mean the same bundle, provided that the newest change lies
 * before the time of the first look by more than the file system's clock ticks.
 * Reads no file. What names nothing is left out. */
int rain_bundle_fingerprint(int root, const char *const items[], size_t count,
			    struct rain_bundle_print *print, struct rain_error *err);

/* Tells whether an entry may come out. */
typedef bool (*rain_bundle_accept)(void *arg, const char *path);

/* Unpacks the file `in` (from its beginning) into the directory `into`, which
 * the caller owns: first into a new directory beside what is there, then
 * entry by entry by rename, so that no file is ever seen half.  Existing
 * directories are merged and existing files replaced; links in the way are
 * not followed.  `accept` may be NULL: everything may.  On an error nothing
 * lands (but for what a failing rename leaves) and the new directory is
 * removed. */
int rain_bundle_unpack(int in, int into, rain_bundle_accept accept, void *arg,
		       struct rain_bundle_summary *summary, struct rain_error *err);

/* The same from a pipe, read to its end; nothing lands unless `whole` then
 * says 0: that all that came is what should have come (-1 with err). */
typedef int (*rain_bundle_whole)(void *arg, struct rain_error *err);
int rain_bundle_unpack_pipe(int in, int into, rain_bundle_accept accept, void *arg,
			    rain_bundle_whole whole, void *whole_arg,
			    struct rain_bundle_summary *summary, struct rain_error *err);

/* True when a relative path is what one of the patterns names, or lies below
 * what one names. */
bool rain_bundle_path_matches(const char *const items[], size_t count, const char *path);

#endif
