/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rain-guest-guard --cache: what this node keeps of guests, for its owner. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/cli.h"
#include "federation/guest_guard_cache.h"

static void show(const json_t *entries, const char *refusal)
{
	json_int_t sum = 0;
	const json_t *entry;
	size_t i;

	if (refusal)
		printf("nothing is kept until the next boot: %s\n", refusal);
	if (json_array_size(entries) > 0)
		printf("%-16s  %-16s  %10s  %-20s\n", "OWNER", "INPUTS", "MIB", "LAST USED");
	json_array_foreach (entries, i, entry) {
		time_t used = (time_t)json_integer_value(json_object_get(entry, "used"));
		json_int_t bytes = json_integer_value(json_object_get(entry, "bytes"));
		char when[32] = "now";

		if (!json_is_true(json_object_get(entry, "in_use")))
			strftime(when, sizeof(when), "%Y-%m-%d %H:%M", localtime(&used));
		printf("%-16.16s  %-16.16s  %10.1f  %s\n",
		       json_string_value(json_object_get(entry, "owner")),
		       json_string_value(json_object_get(entry, "key")), (double)bytes / (1 << 20),
		       when);
		sum += bytes;
	}
	printf("%zu trees, %.1f MiB\n", json_array_size(entries), (double)sum / (1 << 20));
}

int rain_guard_cache_show(bool as_json)
{
	struct rain_guard_cache cache;
	json_t *entries = NULL;
	char *refusal = NULL;
	struct rain_error err;

	if (access(RAIN_GUEST_CACHE, F_OK) < 0 && geteuid() == 0) {
		entries = json_array(); /* this node has had no guest yet */
	} else if (rain_guard_cache_open(&cache, &err) == 0) {
		entries = rain_guard_cache_list(&cache, &err);
		refusal = rain_guard_cache_refusal(&cache);
		rain_guard_cache_close(&cache);
	}
	if (!entries)
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	if (as_json) {
		json_t *all = json_pack("{s:O, s:s?}", "entries", entries, "refused", refusal);

		rain_cli_print_json(all);
		json_decref(all);
	} else {
		show(entries, refusal);
	}
	json_decref(entries);
	free(refusal);
	return RAIN_EXIT_OK;
}
