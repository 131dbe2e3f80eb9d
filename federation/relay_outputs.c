/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/relay.h"

#include <stdio.h>

#include "common/json.h"

/* The lender decides what is in a bundle; what lands here is what the user
 * asked for, and nothing beside it. */
static bool was_asked_for(void *arg, const char *path)
{
	const struct rain_relay *relay = arg;

	return rain_bundle_path_matches(relay->stage_out.items, relay->stage_out.count, path);
}

static int output_take(struct rain_relay *relay, const json_t *output, struct rain_error *err)
{
	struct rain_digests parts;
	char blobs[64];
	int result;

	snprintf(blobs, sizeof(blobs), "/v1/jobs/%u/blobs", relay->job);
	result = rain_local_digests_read(output, &parts, err);
	if (result == 0)
		result = rain_local_bundle_get(relay->client, blobs, "", &parts, relay->directory,
					       was_asked_for, relay, err);
	rain_digests_release(&parts);
	return result;
}

int rain_relay_outputs_take(struct rain_relay *relay, const json_t *outputs, struct rain_error *err)
{
	for (size_t i = 0; i < json_array_size(outputs); i++)
		if (output_take(relay, json_array_get(outputs, i), err) < 0)
			return rain_error_prefix(err, "--stage-out");
	return 0;
}
