// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/snapshot_follower.h"

#include <stdlib.h>

#include "plugins/background.h"

/* rain-ledgerd writes them no more often. */
#define PERIOD_MS 1000

struct rain_snapshot_follower {
	struct rain_snapshot_copy *copy;
	struct rain_background background;
};

static void *follow(void *arg)
{
	struct rain_snapshot_follower *follower = arg;

	while (rain_background_nap(&follower->background, PERIOD_MS))
		rain_snapshot_copy_refresh(follower->copy);
	return NULL;
}

struct rain_snapshot_follower *rain_snapshot_follower_create(const char *directory, const char *name,
							     struct rain_error *err)
{
	struct rain_snapshot_follower *follower = calloc(1, sizeof *follower);

	if (!follower) {
		rain_error_set(err, "no memory to follow %s", name);
		return NULL;
	}
	follower->copy = rain_snapshot_copy_create(directory, name, err);
	if (follower->copy)
		rain_snapshot_copy_refresh(follower->copy);
	if (!follower->copy || rain_background_start(&follower->background, follow, follower, err)) {
		rain_snapshot_copy_destroy(follower->copy);
		free(follower);
		return NULL;
	}
	return follower;
}

struct rain_snapshot_copy *rain_snapshot_follower_copy(const struct rain_snapshot_follower *follower)
{
	return follower ? follower->copy : NULL;
}

void rain_snapshot_follower_destroy(struct rain_snapshot_follower *follower)
{
	if (!follower)
		return;
	rain_background_stop(&follower->background);
	rain_snapshot_copy_destroy(follower->copy);
	free(follower);
}
