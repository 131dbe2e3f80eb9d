/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_BUNDLE_SEEN_H
#define RAIN_FEDERATION_BUNDLE_SEEN_H

#include <stdbool.h>
#include <sys/stat.h>

#include "common/error.h"
#include "federation/bundle.h"

/*
 * What lay below a directory at one moment.  Outputs that are as they were when
 * they came as inputs don't travel back: another job, or the user, may have
 * written the file at home meanwhile.
 */
struct rain_bundle_seen;

/* Looks at all files and links below `root`; returns when the file system's
 * clock has gone on, so that each later change shows. NULL with err. */
struct rain_bundle_seen *rain_bundle_see(int root, struct rain_error *err);

/* The same of what `items` (as of rain_bundle_pack) name now and give no other name. */
struct rain_bundle_seen *rain_bundle_see_items(int root, const char *const items[], size_t count,
					       struct rain_error *err);

/* True when there was the same file under this path (relative to root), and
 * neither its content nor its mode has changed since. `seen` may be NULL. */
bool rain_bundle_is_as_seen(const struct rain_bundle_seen *seen, const char *path,
			    const struct stat *st);

void rain_bundle_seen_free(struct rain_bundle_seen *seen);

#endif
