// SPDX-License-Identifier: GPL-2.0-or-later
#include "federation/identity.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

void rain_identity_id(const unsigned char key[static RAIN_IDENTITY_KEY_SIZE],
		      char id[static RAIN_IDENTITY_ID_SIZE])
{
	unsigned char hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, key, RAIN_IDENTITY_KEY_SIZE);
	sodium_bin2hex(id, RAIN_IDENTITY_ID_SIZE, hash, sizeof(hash));
}

/* domain || data; libsodium's multi-part signatures are another algorithm
 * (Ed25519ph), which other implementations needn't have.  0: too large. */
static size_t join(unsigned char buffer[static RAIN_IDENTITY_SIGNED_MAX], const char *domain,
		   const void *data, size_t size)
{
	size_t prefix = strlen(domain);

	if (size > RAIN_IDENTITY_SIGNED_MAX - prefix)
		return 0;
	memcpy(buffer, domain, prefix);
	if (size)
		memcpy(buffer + prefix, data, size);
	return prefix + size;
}

void rain_identity_sign(const struct rain_identity *identity, const char *domain,
			const void *data, size_t size,
			unsigned char signature[static RAIN_IDENTITY_SIGNATURE_SIZE])
{
	unsigned char buffer[RAIN_IDENTITY_SIGNED_MAX];
	size_t total = join(buffer, domain, data, size);

	memset(signature, 0, RAIN_IDENTITY_SIGNATURE_SIZE);
	if (total)
		crypto_sign_detached(signature, NULL, buffer, total, identity->secret);
}

int rain_identity_verify(const unsigned char key[static RAIN_IDENTITY_KEY_SIZE],
			 const char *domain, const void *data, size_t size,
			 const unsigned char signature[static RAIN_IDENTITY_SIGNATURE_SIZE])
{
	unsigned char buffer[RAIN_IDENTITY_SIGNED_MAX];
	size_t total = join(buffer, domain, data, size);

	if (!total)
		return -1;
	return crypto_sign_verify_detached(signature, buffer, total, key) == 0 ? 0 : -1;
}

char *rain_identity_base64(const void *data, size_t size)
{
	size_t length =
		sodium_base64_encoded_len(size, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	char *text = malloc(length);

	if (text)
		sodium_bin2base64(text, length, data, size,
				  sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	return text;
}

int rain_identity_unbase64(const char *text, void *data, size_t size)
{
	size_t found = 0;
	const char *end = NULL;
	size_t length = strlen(text);

	if (sodium_base642bin(data, size, text, length, NULL, &found, &end,
			      sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
		return -1;
	return found == size && end == text + length ? 0 : -1;
}
