// SPDX-License-Identifier: GPL-2.0-or-later
#include "federation/envelope.h"

#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "federation/limits.h"

bool rain_envelope_type_is_valid(const char *type)
{
	size_t length = strspn(type, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return type[0] >= 'a' && type[0] <= 'z' && !type[length] && length <= RAIN_LIMIT_MESSAGE_TYPE;
}

static int parse_message(const json_t *item, struct rain_envelope_message *message,
			 struct rain_error *err)
{
	json_t *body;

	if (!json_is_object(item))
		return rain_error_set(err, "it is no JSON object");
	if (rain_json_int(item, "seq", 1, RAIN_LIMIT_MESSAGE_SEQ, &message->seq, err) < 0 ||
	    rain_json_string(item, "type", RAIN_LIMIT_MESSAGE_TYPE, &message->type, err) < 0 ||
	    rain_json_object(item, "body", &body, err) < 0)
		return -1;
	if (!rain_envelope_type_is_valid(message->type))
		return rain_error_set(err, "its type isn't made of small letters, digits and '-'");
	message->body = body;
	return 0;
}

static int parse(struct rain_envelope *envelope, struct rain_error *err)
{
	json_t *list, *item;
	size_t i;

	if (rain_json_array(envelope->object, "messages", RAIN_LIMIT_MESSAGE_BATCH, &list, err) < 0)
		return -1;
	envelope->messages = calloc(json_array_size(list) + 1, sizeof(*envelope->messages));
	if (!envelope->messages)
		return rain_error_set(err, "out of memory");
	json_array_foreach(list, i, item) {
		if (parse_message(item, &envelope->messages[i], err) < 0)
			return rain_error_prefix(err, "message %zu of the batch", i + 1);
		if (i && envelope->messages[i].seq != envelope->messages[i - 1].seq + 1)
			return rain_error_set(err, "message %zu of the batch doesn't follow the one "
						   "before it by 1", i + 1);
	}
	envelope->count = json_array_size(list);
	return 0;
}

int rain_envelope_parse(const char *text, size_t size, struct rain_envelope *envelope,
			struct rain_error *err)
{
	memset(envelope, 0, sizeof(*envelope));
	envelope->object = rain_json_parse(text, size, RAIN_LIMIT_MESSAGE_ENVELOPE, err);
	if (envelope->object && parse(envelope, err) == 0)
		return 0;
	rain_envelope_release(envelope);
	return -1;
}

void rain_envelope_release(struct rain_envelope *envelope)
{
	free(envelope->messages);
	json_decref(envelope->object);
	memset(envelope, 0, sizeof(*envelope));
}

int rain_envelope_applied(const char *text, size_t size, int64_t *applied, struct rain_error *err)
{
	json_t *object = rain_json_parse(text, size, RAIN_LIMIT_MESSAGE_ENVELOPE, err);
	int result = -1;

	if (object)
		result = rain_json_int(object, "applied", 0, RAIN_LIMIT_MESSAGE_SEQ, applied, err);
	json_decref(object);
	return result;
}
