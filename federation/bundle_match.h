/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_BUNDLE_MATCH_H
#define RAIN_FEDERATION_BUNDLE_MATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"

/* Inside of bundle.h: what the items of a stage list name. */

/* One thing to pack: found as `name` in the open directory `dir`, stored as
 * `path`. */
struct rain_bundle_source {
	int root;   /* borrowed, or owned when own_root */
	bool own_root;
	char *found; /* relative to root */
	char *path;  /* in the bundle */
};

struct rain_bundle_sources {
	struct rain_bundle_source *list;
	size_t count, size;
};

/* Adds everything that `item` ("source", or "source:name" to give it another
 * name in the bundle) names; 0 matches is no error. */
int rain_bundle_match(int root, const char *item, struct rain_bundle_sources *sources,
		      struct rain_error *err);

/* Sorts by path, and moves what is named twice or lies below another one to
 * the end. Returns how many are to be packed; -1 when two different things
 * would have one name. */
int rain_bundle_sources_settle(struct rain_bundle_sources *sources, struct rain_error *err);

void rain_bundle_sources_release(struct rain_bundle_sources *sources);

/* True when a symbolic link at `path` with this target can't lead out of the
 * bundle: relative, and all its ".." in front and no more than there are
 * directories above the link. */
bool rain_bundle_link_stays(const char *path, const char *target);

#endif
