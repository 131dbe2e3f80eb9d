/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_LOCAL_BUNDLE_H
#define RAIN_FEDERATION_LOCAL_BUNDLE_H

#include "federation/bundle.h"
#include "federation/local_http.h"

/*
 * Bundles between a directory and the gateway, without a copy in between:
 * packed while they are sent, unpacked while they come.
 */

/* Packs `items` below `root` (rain_bundle_pack) and brings the bundle to the
 * gateway ("…/blobs"), which must come to the same hash.  Begins anew after a
 * cut.  summary->digest names the blob; without entries there is none. */
int rain_local_bundle_send(struct rain_local_client *client, const char *path, int root,
			   const char *const items[], size_t count, bool allow_missing,
			   const struct rain_bundle_seen *seen,
			   struct rain_bundle_summary *summary, struct rain_error *err);

/* Fetches the bundle `digest` ("…/blobs/<sha256>", going on where a cut was)
 * and unpacks it into `into` (rain_bundle_unpack); nothing lands unless all of
 * it came and is what the digest says. */
int rain_local_bundle_get(struct rain_local_client *client, const char *path,
			  const struct rain_digest *digest, int into, rain_bundle_accept accept,
			  void *arg, struct rain_error *err);

#endif
