// SPDX-License-Identifier: GPL-2.0-or-later
/* Cards, as they come in POST /v1/join and in messages. */
#include <stdint.h>
#include <stdlib.h>

#include "common/config.h"
#include "common/json.h"
#include "federation/card.h"
#include "federation/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rain_error err;
	struct rain_card card;
	json_t *object = rain_json_parse((const char *)data, size, RAIN_LIMIT_CARD, &err);

	if (object && rain_card_parse(object, &card, &err) == 0) {
		char *bytes = rain_card_join_bytes(object, card.key, card.key);

		if (!bytes || !rain_config_name_is_valid(card.name) ||
		    card.address_count > RAIN_LIMIT_ADDRESSES)
			abort();
		free(bytes);
		rain_card_release(&card);
	}
	json_decref(object);
	return 0;
}
