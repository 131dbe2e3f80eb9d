// SPDX-License-Identifier: GPL-2.0-or-later
/* Invitation lines: the whole line, and the JSON inside it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "federation/invitation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse(const char *line)
{
	struct rain_invitation invitation;
	struct rain_error err;
	char *again;

	if (rain_invitation_parse(line, &invitation, &err) < 0)
		return;
	/* What was read can be written, and means the same. */
	again = rain_invitation_format(&invitation, &err);
	if (!again)
		abort();
	free(again);
	rain_invitation_release(&invitation);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *encoded, *line;

	memcpy(text, data, size);
	text[size] = '\0';
	parse(text);
	encoded = rain_identity_base64(text, strlen(text));
	line = malloc(strlen(encoded) + sizeof(RAIN_INVITATION_PREFIX));
	memcpy(line, RAIN_INVITATION_PREFIX, sizeof(RAIN_INVITATION_PREFIX) - 1);
	memcpy(line + sizeof(RAIN_INVITATION_PREFIX) - 1, encoded, strlen(encoded) + 1);
	parse(line);
	free(line);
	free(encoded);
	free(text);
	return 0;
}
