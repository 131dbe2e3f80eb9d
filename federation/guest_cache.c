/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/guest_cache.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int rain_guest_cache_key(const struct rain_digests *bundle, char key[static RAIN_DIGEST_SIZE])
{
	struct rain_digest_hash *hash = rain_digest_hash_create();
	struct rain_digest digest = {0};
	int failed = !hash;

	for (size_t i = 0; i < bundle->count && !failed; i++) {
		char line[RAIN_DIGEST_SIZE + 32];

		snprintf(line, sizeof(line), "%s %" PRId64 "\n", bundle->list[i].sha256,
			 bundle->list[i].size);
		failed = rain_digest_hash_add(hash, line, strlen(line)) < 0;
	}
	rain_digest_hash_finish(hash, &digest);
	memcpy(key, digest.sha256, RAIN_DIGEST_SIZE);
	return failed ? -1 : 0;
}

static struct rain_guest_cache_entry *longest_unused(struct rain_guest_cache_entry *entries,
						     size_t count)
{
	struct rain_guest_cache_entry *found = NULL;

	for (size_t i = 0; i < count; i++)
		if (!entries[i].in_use && !entries[i].goes &&
		    (!found || entries[i].used_s < found->used_s))
			found = &entries[i];
	return found;
}

void rain_guest_cache_choose(struct rain_guest_cache_entry *entries, size_t count,
			     const struct rain_guest_cache_bounds *bounds)
{
	struct rain_guest_cache_entry *next;
	int64_t kept = 0, free = bounds->free;
	size_t left = 0;

	for (size_t i = 0; i < count; i++) {
		struct rain_guest_cache_entry *entry = &entries[i];

		entry->goes = !entry->in_use && bounds->now_s - entry->used_s > bounds->age_max_s;
		if (entry->goes) {
			free += entry->bytes;
		} else {
			kept += entry->bytes;
			left++;
		}
	}
	while ((kept > bounds->bytes_max || left > bounds->entries_max ||
		free < bounds->free_min) &&
	       (next = longest_unused(entries, count))) {
		next->goes = true;
		kept -= next->bytes;
		left--;
		free += next->bytes;
	}
}
