// SPDX-License-Identifier: GPL-2.0-or-later
/* How far the blobs that peers fetch have gone: for people who watch. */
#include <string.h>

#include "federation/blob_internal.h"

void rain_blob_sent(void *arg, const char *sha256, int64_t at)
{
	struct rain_blob_store *store = arg;

	for (size_t i = 0; i < RAIN_BLOB_SENT_KEPT; i++)
		if (strcmp(store->sent[i].sha256, sha256) == 0) {
			store->sent[i].at = at;
			return;
		}
	if (!rain_blob_name_is_valid(sha256))
		return;
	strcpy(store->sent[store->sent_next].sha256, sha256);
	store->sent[store->sent_next].at = at;
	store->sent_next = (store->sent_next + 1) % RAIN_BLOB_SENT_KEPT;
}

int64_t rain_blob_sent_bytes(const struct rain_blob_store *store, const char *sha256)
{
	for (size_t i = 0; i < RAIN_BLOB_SENT_KEPT; i++)
		if (strcmp(store->sent[i].sha256, sha256) == 0)
			return store->sent[i].at;
	return 0;
}
