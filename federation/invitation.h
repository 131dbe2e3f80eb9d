/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_INVITATION_H
#define RAIN_FEDERATION_INVITATION_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "federation/identity.h"

/* The line that makes two clusters peers: "rain-peer1:<base64url of JSON>"
 * (doc/protocol.txt, section 3). */
#define RAIN_INVITATION_PREFIX "rain-peer1:"

struct rain_invitation {
	char name[17];	   /* of the inviter, by itself */
	char **addresses;  /* "host:port" */
	size_t address_count;
	unsigned char key[RAIN_IDENTITY_KEY_SIZE];   /* of the inviter */
	unsigned char seed[RAIN_IDENTITY_SEED_SIZE]; /* of the one-time key */
	int64_t valid_s;   /* when it was printed */
};

/* Writes the line into a new string (free()); NULL with err when a field is
 * out of bounds or the line would be too long. */
char *rain_invitation_format(const struct rain_invitation *invitation, struct rain_error *err);

/* Reads a line, blanks around it and line breaks within it forgiven (it comes
 * through mail and chat).  On failure *invitation is all zero. */
int rain_invitation_parse(const char *line, struct rain_invitation *invitation,
			  struct rain_error *err);

/* Wipes the seed and frees; an all-zero invitation is fine. */
void rain_invitation_release(struct rain_invitation *invitation);

#endif
