// SPDX-License-Identifier: GPL-2.0-or-later
#include "federation/card.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/config.h"
#include "common/json.h"
#include "federation/limits.h"

int rain_card_address_check(const char *address, struct rain_error *err)
{
	char *host = NULL, *port = NULL, *end;
	long number;
	int result = -1;

	if (strlen(address) > RAIN_LIMIT_ADDRESS_LENGTH)
		return rain_error_set(err, "an address is longer than %d characters",
				      RAIN_LIMIT_ADDRESS_LENGTH);
	if (rain_config_address_split(address, &host, &port, err) < 0)
		return -1;
	/* It becomes a part of a URL: nothing but a name or a literal address. */
	for (const char *c = host; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr(".-_:", *c)) {
			rain_error_set(err, "the host of an address has a character that no "
					    "host name has");
			goto out;
		}
	number = strtol(port, &end, 10);
	if (!*host || *end || !isdigit((unsigned char)*port) || number < 1 || number > 65535)
		rain_error_set(err, "an address is HOST:PORT with a port of 1 to 65535");
	else
		result = 0;
out:
	free(host);
	free(port);
	return result;
}

void rain_card_addresses_free(char **addresses, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(addresses[i]);
	free(addresses);
}

int rain_card_addresses(const json_t *object, const char *key, size_t min, char ***addresses,
			size_t *count, struct rain_error *err)
{
	json_t *list;
	size_t size;

	*addresses = NULL;
	*count = 0;
	if (rain_json_array(object, key, RAIN_LIMIT_ADDRESSES, &list, err) < 0)
		return -1;
	size = json_array_size(list);
	if (size < min)
		return rain_error_set(err, "field \"%s\" names no address", key);
	*addresses = calloc(size + 1, sizeof(**addresses));
	if (!*addresses)
		return rain_error_set(err, "out of memory");
	for (size_t i = 0; i < size; i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (!text) {
			rain_error_set(err, "field \"%s\" holds something that is no text", key);
			goto fail;
		}
		if (rain_card_address_check(text, err) < 0)
			goto fail;
		(*addresses)[i] = strdup(text);
		if (!(*addresses)[i]) {
			rain_error_set(err, "out of memory");
			goto fail;
		}
		*count = i + 1;
	}
	return 0;
fail:
	rain_card_addresses_free(*addresses, *count);
	*addresses = NULL;
	*count = 0;
	return -1;
}

/* The highest version that both speak, or 0; -1 when the list is wrong. */
static int common_protocol(const json_t *object, int64_t *protocol, struct rain_error *err)
{
	json_t *versions, *item;
	size_t i;

	if (rain_json_array(object, "protocol", RAIN_LIMIT_PROTOCOL_VERSIONS, &versions, err) < 0)
		return -1;
	*protocol = 0;
	json_array_foreach(versions, i, item) {
		json_int_t version = json_integer_value(item);

		if (!json_is_integer(item) || version < 1 || version > 65535)
			return rain_error_set(err, "field \"protocol\" holds something else than "
						   "versions of 1 to 65535");
		if (version == RAIN_PROTOCOL_VERSION)
			*protocol = version;
	}
	return 0;
}

static int parse(const json_t *object, struct rain_card *card, struct rain_error *err)
{
	const char *name, *key;
	json_t *capabilities;

	if (!json_is_object(object))
		return rain_error_set(err, "it is no JSON object");
	if (common_protocol(object, &card->protocol, err) < 0 ||
	    rain_json_string(object, "name", sizeof(card->name) - 1, &name, err) < 0 ||
	    rain_json_string(object, "key", 43, &key, err) < 0 ||
	    rain_json_string_or(object, "software", RAIN_LIMIT_SOFTWARE_LENGTH, "", &card->software,
				err) < 0)
		return -1;
	if (!rain_config_name_is_valid(name))
		return rain_error_set(err, "field \"name\" is no name of a cluster: a small letter, "
					   "then up to 15 small letters, digits and '-'");
	strcpy(card->name, name);
	if (rain_identity_unbase64(key, card->key, sizeof(card->key)) < 0)
		return rain_error_set(err, "field \"key\" is no public key");
	capabilities = json_object_get(object, "capabilities");
	if (capabilities && !json_is_object(capabilities))
		return rain_error_set(err, "field \"capabilities\" is no object");
	card->capabilities = capabilities;
	return rain_card_addresses(object, "addresses", 0, &card->addresses, &card->address_count,
				   err);
}

int rain_card_parse(const json_t *object, struct rain_card *card, struct rain_error *err)
{
	memset(card, 0, sizeof(*card));
	if (parse(object, card, err) == 0)
		return 0;
	rain_card_release(card);
	return rain_error_prefix(err, "the card is wrong");
}

void rain_card_release(struct rain_card *card)
{
	rain_card_addresses_free(card->addresses, card->address_count);
	memset(card, 0, sizeof(*card));
}

char *rain_card_join_bytes(const json_t *card,
			   const unsigned char inviter[static RAIN_IDENTITY_KEY_SIZE],
			   const unsigned char invitation[static RAIN_IDENTITY_KEY_SIZE])
{
	char *inviter_text = rain_identity_base64(inviter, RAIN_IDENTITY_KEY_SIZE);
	char *invitation_text = rain_identity_base64(invitation, RAIN_IDENTITY_KEY_SIZE);
	json_t *object = NULL;
	char *bytes = NULL;

	if (inviter_text && invitation_text)
		object = json_pack("{s:O,s:s,s:s}", "card", card, "inviter", inviter_text,
				   "invitation", invitation_text);
	if (object)
		bytes = rain_json_canonical(object);
	json_decref(object);
	free(inviter_text);
	free(invitation_text);
	return bytes;
}

int rain_card_join_parse(const json_t *body,
			 const unsigned char inviter[static RAIN_IDENTITY_KEY_SIZE],
			 const unsigned char invitation[static RAIN_IDENTITY_KEY_SIZE],
			 struct rain_card *card, json_t **object, struct rain_error *err)
{
	unsigned char signature[RAIN_IDENTITY_SIGNATURE_SIZE];
	const char *text;
	char *bytes;
	bool valid;

	*card = (struct rain_card){0};
	if (rain_json_object(body, "card", object, err) < 0 ||
	    rain_json_string(body, "signature", 86, &text, err) < 0 ||
	    rain_card_parse(*object, card, err) < 0)
		return -1;
	bytes = rain_card_join_bytes(*object, inviter, invitation);
	valid = bytes && rain_identity_unbase64(text, signature, sizeof(signature)) == 0 &&
		rain_identity_verify(card->key, RAIN_DOMAIN_JOIN, bytes, strlen(bytes),
				     signature) == 0;
	free(bytes);
	return valid ? 0 : rain_error_set(err, "the signature of the card is wrong");
}
