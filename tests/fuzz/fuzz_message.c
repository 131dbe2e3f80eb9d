// SPDX-License-Identifier: GPL-2.0-or-later
/* Bodies of the messages about bursts.  The first byte says which type. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "federation/limits.h"
#include "federation/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int check_blob(void *arg, const char *sha256, int64_t size)
{
	(void)arg;
	if (!rain_sha256_is_valid(sha256) || size < 0)
		abort();
	return 0;
}

/* What was let in is within bounds, so it can be sent on, and means the same. */
static void check(const struct rain_message *message)
{
	struct rain_message again;
	struct rain_error err;
	json_t *body;

	if (!rain_uuid_is_valid(message->burst))
		abort();
	rain_manifest_blobs(message->manifest, check_blob, NULL);
	rain_outputs_blobs(message->outputs, check_blob, NULL);
	if (message->type == RAIN_MESSAGE_EVENT && message->kind == RAIN_EVENT_OTHER)
		return;
	body = rain_message_encode(message, &err);
	if (!body || json_dumpb(body, NULL, 0, JSON_COMPACT) > RAIN_LIMIT_MESSAGE_BODY ||
	    rain_message_parse(message->type, body, &again, &err))
		abort();
	rain_message_release(&again);
	json_decref(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rain_message message;
	struct rain_error err;
	json_t *body;

	if (size == 0)
		return 0;
	body = rain_json_parse((const char *)data + 1, size - 1, RAIN_LIMIT_MESSAGE_BODY, &err);
	if (!body)
		return 0;
	if (rain_message_parse(data[0] % RAIN_MESSAGE_TYPES, body, &message, &err) == 0) {
		check(&message);
		rain_message_release(&message);
	}
	json_decref(body);
	return 0;
}
