/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_IDENTITY_H
#define RAIN_FEDERATION_IDENTITY_H

#include <stddef.h>

#include "common/error.h"

/*
 * A cluster's identity: one Ed25519 key.  Its id is the hex SHA-256 of the
 * public key.  The same key signs what must outlive a connection (always with
 * a domain prefix) and makes the self-signed certificate of its TLS.
 */
#define RAIN_IDENTITY_KEY_SIZE 32
#define RAIN_IDENTITY_SEED_SIZE 32
#define RAIN_IDENTITY_SIGNATURE_SIZE 64
#define RAIN_IDENTITY_ID_SIZE 65 /* 64 hex digits and NUL */
#define RAIN_IDENTITY_SIGNED_MAX 65536 /* domain and data */

/* Domains of signatures. */
#define RAIN_DOMAIN_JOIN "RAIN join v1\n"
#define RAIN_DOMAIN_RECEIPT "RAIN receipt v1\n"
#define RAIN_DOMAIN_COUNTERSIGN "RAIN countersign v1\n"

struct rain_identity {
	unsigned char key[RAIN_IDENTITY_KEY_SIZE];
	unsigned char secret[64]; /* libsodium's form: seed and public key */
	char id[RAIN_IDENTITY_ID_SIZE];
	char *key_pem;	       /* PKCS#8 */
	char *certificate_pem; /* self-signed */
};

/* Makes an identity from a 32-byte seed (one-time keys of invitations), or
 * from a fresh random one when seed is NULL. `name` becomes the certificate's
 * common name. */
int rain_identity_init(struct rain_identity *identity, const unsigned char *seed,
		       const char *name, struct rain_error *err);

/* Reads <state>/identity.pem, or creates it (mode 0600, durably, all or
 * nothing) when it doesn't exist; makes <state>/certificate.pem anew when it is
 * absent or of another key.  A key file that others can read is refused. */
int rain_identity_load(struct rain_identity *identity, const char *state, const char *name,
		       struct rain_error *err);

/* Wipes the secrets and frees; an all-zero identity is fine. */
void rain_identity_release(struct rain_identity *identity);

/* hex(sha256(key)) into id. */
void rain_identity_id(const unsigned char key[static RAIN_IDENTITY_KEY_SIZE],
		      char id[static RAIN_IDENTITY_ID_SIZE]);

/* Signs domain followed by data.  Beyond RAIN_IDENTITY_SIGNED_MAX bytes
 * together the signature is all zero and verifies as nobody's. */
void rain_identity_sign(const struct rain_identity *identity, const char *domain,
			const void *data, size_t size,
			unsigned char signature[static RAIN_IDENTITY_SIGNATURE_SIZE]);

/* 0 when `signature` is key's on domain and data, else -1. */
int rain_identity_verify(const unsigned char key[static RAIN_IDENTITY_KEY_SIZE],
			 const char *domain, const void *data, size_t size,
			 const unsigned char signature[static RAIN_IDENTITY_SIGNATURE_SIZE]);

/* base64url without padding: into a new string (free()), and exactly `size`
 * bytes back (-1 when it is anything else). */
char *rain_identity_base64(const void *data, size_t size);
int rain_identity_unbase64(const char *text, void *data, size_t size);

#endif
