/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_LOCAL_BUNDLE_H
#define RAIN_FEDERATION_LOCAL_BUNDLE_H

#include "federation/bundle.h"
#include "federation/local_http.h"

/*
 * Bundles between a directory and the gateway.  They travel in parts, which are
 * blobs of their own: while one is sent the next is packed, the gateway passes
 * on what it has, and at the other end the first are unpacked before the last
 * have come.  After a cut, what has arrived isn't sent again.
 *
 * A part has RAIN_LOCAL_PART_BYTES, or a share of what went before when that is
 * more, so that there are few hundred of them, whatever the size of it all.
 */
#define RAIN_LOCAL_PART_BYTES (8 * 1024 * 1024)
#define RAIN_LOCAL_PART_SHARE 32

struct rain_local_target {
	struct rain_local_client *client;
	const char *blobs; /* "/v1/…/blobs", to which "/<sha256>" is added */
	const char *query; /* "?job=7", or "" */
	int spool;	   /* a directory for temporary files */
	bool whole;	   /* the other cluster takes no parts: one blob each */
	int64_t sent;	   /* bytes of all bundles so far */
};

/* Packs `items` below `root` (rain_bundle_pack) and brings the bundle to the
 * gateway, after asking it whether there is room.  *parts, zeroed by the caller
 * and released by it in any case, names the blobs; without entries there are
 * none. */
int rain_local_bundle_send(struct rain_local_target *target, int root, const char *const items[],
			   size_t count, bool allow_missing, const struct rain_bundle_seen *seen,
			   struct rain_digests *parts, struct rain_bundle_summary *summary,
			   struct rain_error *err);

/* Fetches a bundle from "<blobs>/<sha256><query>", going on where a cut was,
 * and unpacks it into `into` (rain_bundle_unpack); nothing lands unless there
 * is room, and all of it came and is what the digests say. */
int rain_local_bundle_get(struct rain_local_client *client, const char *blobs, const char *query,
			  const struct rain_digests *parts, int into, rain_bundle_accept accept,
			  void *arg, struct rain_error *err);

/* An unnamed file in `directory`, or where temporary files go when that can't
 * be written. -1 with err. */
int rain_local_temporary(int directory, struct rain_error *err);

#endif
