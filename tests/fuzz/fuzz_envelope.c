// SPDX-License-Identifier: GPL-2.0-or-later
/* Batches of messages and acknowledgements. */
#include <stdint.h>
#include <stdlib.h>

#include "federation/envelope.h"
#include "federation/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rain_envelope envelope;
	struct rain_error err;
	int64_t applied;

	if (rain_envelope_parse((const char *)data, size, &envelope, &err) == 0) {
		if (envelope.count > RAIN_LIMIT_MESSAGE_BATCH)
			abort();
		for (size_t i = 0; i < envelope.count; i++)
			if (!rain_envelope_type_is_valid(envelope.messages[i].type) ||
			    !json_is_object(envelope.messages[i].body) || envelope.messages[i].seq < 1 ||
			    (i && envelope.messages[i].seq != envelope.messages[i - 1].seq + 1))
				abort();
		rain_envelope_release(&envelope);
	}
	rain_envelope_applied((const char *)data, size, &applied, &err);
	return 0;
}
