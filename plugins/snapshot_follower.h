/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PLUGINS_SNAPSHOT_FOLLOWER_H
#define RAIN_PLUGINS_SNAPSHOT_FOLLOWER_H

#include "accounting/snapshot_copy.h"

/* Keeps a copy of a snapshot fresh from a thread of its own, so that the hook that
 * looks something up does no I/O. */
struct rain_snapshot_follower;

/* Reads the file once before it returns; the file may be missing. */
struct rain_snapshot_follower *rain_snapshot_follower_create(const char *directory, const char *name,
							     struct rain_error *err);

/* For one thread at a time; NULL when there is no follower. Lives as long as it. */
struct rain_snapshot_copy *rain_snapshot_follower_copy(const struct rain_snapshot_follower *follower);

/* Ends the thread. NULL is fine. */
void rain_snapshot_follower_destroy(struct rain_snapshot_follower *follower);

#endif
