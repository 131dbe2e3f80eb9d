/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_ENVELOPE_H
#define RAIN_FEDERATION_ENVELOPE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/* Batches of messages as they travel: {"messages":[{seq,type,body}…]}
 * (doc/protocol.txt, section 5). */
struct rain_envelope_message {
	int64_t seq;
	const char *type;   /* borrowed from the envelope's object */
	const json_t *body; /* borrowed */
};

struct rain_envelope {
	json_t *object;
	struct rain_envelope_message *messages;
	size_t count;
};

/* Reads a batch that somebody else wrote: numbers are consecutive and in
 * bounds, types are well-formed, bodies are objects.  On failure *envelope is
 * all zero. */
int rain_envelope_parse(const char *text, size_t size, struct rain_envelope *envelope,
			struct rain_error *err);
void rain_envelope_release(struct rain_envelope *envelope);

/* True for [a-z][a-z0-9-]{0,31}. */
bool rain_envelope_type_is_valid(const char *type);

/* Reads a whole non-negative number "applied" or "after" out of an answer. */
int rain_envelope_applied(const char *text, size_t size, int64_t *applied, struct rain_error *err);

#endif
