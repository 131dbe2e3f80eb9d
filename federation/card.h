/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_CARD_H
#define RAIN_FEDERATION_CARD_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "federation/identity.h"

/* A cluster's card: what it tells about itself (doc/protocol.txt, section 4),
 * and the lists of addresses that cards and invitations share. */
#define RAIN_PROTOCOL_VERSION 1

struct rain_card {
	char name[17];
	unsigned char key[RAIN_IDENTITY_KEY_SIZE];
	char **addresses;
	size_t address_count;
	int64_t protocol; /* the highest version that both speak, 0: none */
	const char *software;		/* borrowed from the object */
	const json_t *capabilities;	/* borrowed; NULL when it says nothing */
};

/* Reads a card that somebody else wrote. On failure *card is all zero. */
int rain_card_parse(const json_t *object, struct rain_card *card, struct rain_error *err);
void rain_card_release(struct rain_card *card);

/* "host:port" with a port of 1..65535 and no character beyond a host's own. */
int rain_card_address_check(const char *address, struct rain_error *err);

/* Reads object[key] as a list of `min`..RAIN_LIMIT_ADDRESSES addresses into new
 * strings. */
int rain_card_addresses(const json_t *object, const char *key, size_t min, char ***addresses,
			size_t *count, struct rain_error *err);
void rain_card_addresses_free(char **addresses, size_t count);

/* The bytes that the acceptor of an invitation signs, as a new string (free());
 * NULL: out of memory. */
char *rain_card_join_bytes(const json_t *card,
			   const unsigned char inviter[static RAIN_IDENTITY_KEY_SIZE],
			   const unsigned char invitation[static RAIN_IDENTITY_KEY_SIZE]);

/* The body of POST /v1/join, {card, signature}: the card, which who accepted
 * the invitation has signed.  *object is borrowed from the body. */
int rain_card_join_parse(const json_t *body,
			 const unsigned char inviter[static RAIN_IDENTITY_KEY_SIZE],
			 const unsigned char invitation[static RAIN_IDENTITY_KEY_SIZE],
			 struct rain_card *card, json_t **object, struct rain_error *err);

#endif
