// SPDX-License-Identifier: GPL-2.0-or-later
/* Receipts: bytes that a lying lender has really signed. */
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "federation/receipt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void make_lender(struct rain_identity *lender)
{
	static const unsigned char seed[RAIN_IDENTITY_SEED_SIZE] = { 7 };

	if (sodium_init() < 0)
		abort();
	crypto_sign_seed_keypair(lender->key, lender->secret, seed);
	rain_identity_id(lender->key, lender->id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rain_identity lender;
	unsigned char signature[RAIN_IDENTITY_SIGNATURE_SIZE];
	struct rain_receipt_text text = { "" };
	struct rain_receipt receipt;
	struct rain_error err;
	char *encoded;

	if (!lender.id[0])
		make_lender(&lender);
	if (size >= sizeof text.bytes)
		return 0;
	memcpy(text.bytes, data, size);
	rain_identity_sign(&lender, RAIN_DOMAIN_RECEIPT, text.bytes, strlen(text.bytes), signature);
	encoded = rain_identity_base64(signature, sizeof signature);
	if (!encoded)
		return 0;
	strcpy(text.signature, encoded);
	free(encoded);
	if (rain_receipt_verify(&text, lender.key, &receipt, &err) == 0 &&
	    (receipt.number < 1 || receipt.claimed_utok < 0 || !rain_uuid_is_valid(receipt.burst) ||
	     !rain_sha256_is_valid(text.sha256)))
		abort();
	return 0;
}
