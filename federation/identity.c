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

/* domain || data in one new buffer; libsodium's multi-part signatures are
 * another algorithm (Ed25519ph), which other implementations needn't have. */
static unsigned char *join(const char *domain, const void *data, size_t size, size_t *total)
{
	size_t prefix = strlen(domain);
	unsigned char *buffer = malloc(prefix + size + 1);

	if (!buffer)
		abort(); /* a signature can't be left out */
	memcpy(buffer, domain, prefix);
	if (size)
		memcpy(buffer + prefix, data, size);
	*total = prefix + size;
	return buffer;
}

void rain_identity_sign(const struct rain_identity *identity, const char *domain,
			const void *data, size_t size,
			unsigned char signature[static RAIN_IDENTITY_SIGNATURE_SIZE])
{
	size_t total;
	unsigned char *buffer = join(domain, data, size, &total);

	crypto_sign_detached(signature, NULL, buffer, total, identity->secret);
	free(buffer);
}

int rain_identity_verify(const unsigned char key[static RAIN_IDENTITY_KEY_SIZE],
			 const char *domain, const void *data, size_t size,
			 const unsigned char signature[static RAIN_IDENTITY_SIGNATURE_SIZE])
{
	size_t total;
	unsigned char *buffer = join(domain, data, size, &total);
	int result = crypto_sign_verify_detached(signature, buffer, total, key);

	free(buffer);
	return result == 0 ? 0 : -1;
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
