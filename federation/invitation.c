// SPDX-License-Identifier: GPL-2.0-or-later
#include "federation/invitation.h"

#include <ctype.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config.h"
#include "common/json.h"
#include "federation/card.h"
#include "federation/limits.h"

static json_t *to_json(const struct rain_invitation *invitation)
{
	char *key = rain_identity_base64(invitation->key, sizeof(invitation->key));
	char *seed = rain_identity_base64(invitation->seed, sizeof(invitation->seed));
	json_t *addresses = json_array();
	json_t *object = NULL;

	for (size_t i = 0; i < invitation->address_count; i++)
		json_array_append_new(addresses, json_string(invitation->addresses[i]));
	if (key && seed && addresses)
		object = json_pack("{s:i,s:s,s:O,s:s,s:s,s:I}", "v", 1, "n", invitation->name, "a",
				   addresses, "k", key, "s", seed, "e",
				   (json_int_t)invitation->valid_s);
	json_decref(addresses);
	if (seed)
		sodium_memzero(seed, strlen(seed));
	free(seed);
	free(key);
	return object;
}

char *rain_invitation_format(const struct rain_invitation *invitation, struct rain_error *err)
{
	struct rain_invitation check;
	json_t *object = to_json(invitation);
	char *json = object ? rain_json_canonical(object) : NULL;
	char *encoded = json ? rain_identity_base64(json, strlen(json)) : NULL;
	size_t size = encoded ? sizeof(RAIN_INVITATION_PREFIX) + strlen(encoded) : 0;
	char *line = encoded ? malloc(size) : NULL;

	if (line) {
		snprintf(line, size, "%s%s", RAIN_INVITATION_PREFIX, encoded);
	} else {
		rain_error_set(err, "the invitation can't be written: out of memory, or a name "
				    "that is no UTF-8");
	}
	json_decref(object);
	free(json);
	free(encoded);
	/* What the reader would refuse is refused here. */
	if (line && rain_invitation_parse(line, &check, err) < 0) {
		free(line);
		return NULL;
	}
	if (line)
		rain_invitation_release(&check);
	return line;
}

/* The line without blanks, at most `max` characters, as a new string. */
static char *compact(const char *line, size_t max, struct rain_error *err)
{
	char *text = malloc(max + 1);
	size_t length = 0;

	if (!text) {
		rain_error_set(err, "out of memory");
		return NULL;
	}
	for (; *line; line++) {
		if (isspace((unsigned char)*line))
			continue;
		if (length == max) {
			rain_error_set(err, "it is longer than %zu characters", max);
			free(text);
			return NULL;
		}
		text[length++] = *line;
	}
	text[length] = '\0';
	return text;
}

static json_t *decode(const char *line, struct rain_error *err)
{
	char *text = compact(line, RAIN_LIMIT_INVITATION_LINE, err);
	unsigned char json[RAIN_LIMIT_INVITATION_LINE];
	size_t size = 0, prefix = strlen(RAIN_INVITATION_PREFIX);
	const char *end = NULL;
	json_t *object = NULL;

	if (!text)
		return NULL;
	if (strncmp(text, RAIN_INVITATION_PREFIX, prefix) != 0) {
		if (strncmp(text, "rain-peer", 9) == 0)
			rain_error_set(err, "it is of a newer kind than this RAIN knows (\"%s\"): "
					    "update RAIN", RAIN_INVITATION_PREFIX);
		else
			rain_error_set(err, "it doesn't begin with \"%s\"", RAIN_INVITATION_PREFIX);
	} else if (sodium_base642bin(json, sizeof(json), text + prefix, strlen(text + prefix), NULL,
				     &size, &end, sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
		   *end) {
		rain_error_set(err, "it is damaged: copy the whole line that "
				    "'rain peer invite' printed");
	} else {
		object = rain_json_parse((const char *)json, size, sizeof(json), err);
		if (!object)
			rain_error_set(err, "it is damaged: copy the whole line that "
					    "'rain peer invite' printed");
	}
	sodium_memzero(json, sizeof(json));
	sodium_memzero(text, strlen(text));
	free(text);
	return object;
}

static int parse(const json_t *object, struct rain_invitation *invitation, struct rain_error *err)
{
	const char *name, *key, *seed;
	int64_t version;

	if (rain_json_int(object, "v", 1, 1, &version, err) < 0 ||
	    rain_json_string(object, "n", sizeof(invitation->name) - 1, &name, err) < 0 ||
	    rain_json_string(object, "k", 43, &key, err) < 0 ||
	    rain_json_string(object, "s", 43, &seed, err) < 0 ||
	    rain_json_int(object, "e", 1, RAIN_LIMIT_INVITATION_VALID_S, &invitation->valid_s,
			  err) < 0)
		return -1;
	if (!rain_config_name_is_valid(name))
		return rain_error_set(err, "field \"n\" is no name of a cluster");
	strcpy(invitation->name, name);
	if (rain_identity_unbase64(key, invitation->key, sizeof(invitation->key)) < 0)
		return rain_error_set(err, "field \"k\" is no public key");
	if (rain_identity_unbase64(seed, invitation->seed, sizeof(invitation->seed)) < 0)
		return rain_error_set(err, "field \"s\" is no seed");
	return rain_card_addresses(object, "a", 1, &invitation->addresses,
				   &invitation->address_count, err);
}

int rain_invitation_parse(const char *line, struct rain_invitation *invitation,
			  struct rain_error *err)
{
	json_t *object = decode(line, err);
	int result = -1;

	memset(invitation, 0, sizeof(*invitation));
	if (object)
		result = parse(object, invitation, err);
	json_decref(object);
	if (result < 0) {
		rain_invitation_release(invitation);
		rain_error_prefix(err, "this is no invitation that can be used");
	}
	return result;
}

void rain_invitation_release(struct rain_invitation *invitation)
{
	rain_card_addresses_free(invitation->addresses, invitation->address_count);
	sodium_memzero(invitation, sizeof(*invitation));
}
