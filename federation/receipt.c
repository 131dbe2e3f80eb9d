/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/receipt.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/tokens.h"

#define CORE_MS_MAX (RAIN_MESSAGE_MS_MAX * RAIN_NODES_MAX * RAIN_CPUS_MAX)
#define TOLERANCE_UTOK 1000
#define TOLERANCE_PERCENT 1

void rain_receipt_hash(const void *data, size_t size, char sha256[static RAIN_SHA256_TEXT_SIZE])
{
	unsigned char hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, data, size);
	sodium_bin2hex(sha256, RAIN_SHA256_TEXT_SIZE, hash, sizeof hash);
}

/* The canonical bytes; the caller frees them. */
static char *encode(const struct rain_receipt *receipt)
{
	json_t *object = json_pack("{s:I, s:s, s:s, s:s, s:s, s:I, s:I}",
				   "number", (json_int_t)receipt->number, "previous", receipt->previous,
				   "lender", receipt->lender, "borrower", receipt->borrower,
				   "burst", receipt->burst, "claimed_utok", (json_int_t)receipt->claimed_utok,
				   "core_ms", (json_int_t)receipt->core_ms);
	char *bytes = object ? rain_json_canonical(object) : NULL;
	json_decref(object);
	return bytes;
}

static int write_signature(const unsigned char *signature, char *to, struct rain_error *err)
{
	char *text = rain_identity_base64(signature, RAIN_IDENTITY_SIGNATURE_SIZE);

	if (!text || strlen(text) >= RAIN_SIGNATURE_TEXT_SIZE) {
		free(text);
		return rain_error_set(err, "out of memory for a signature");
	}
	strcpy(to, text);
	free(text);
	return 0;
}

int rain_receipt_sign(const struct rain_receipt *receipt, const struct rain_identity *lender,
		      struct rain_receipt_text *text, struct rain_error *err)
{
	unsigned char signature[RAIN_IDENTITY_SIGNATURE_SIZE];
	char *bytes;

	if (strcmp(receipt->lender, lender->id) != 0)
		return rain_error_set(err, "a receipt is signed by its lender only");
	bytes = encode(receipt);
	if (!bytes || strlen(bytes) >= sizeof text->bytes) {
		free(bytes);
		return rain_error_set(err, "the receipt can't be written");
	}
	memcpy(text->bytes, bytes, strlen(bytes) + 1);
	free(bytes);
	rain_receipt_hash(text->bytes, strlen(text->bytes), text->sha256);
	rain_identity_sign(lender, RAIN_DOMAIN_RECEIPT, text->bytes, strlen(text->bytes), signature);
	return write_signature(signature, text->signature, err);
}

static int copy_hash(const json_t *object, const char *key, bool empty_too, char *to,
		     struct rain_error *err)
{
	const char *text;

	if (rain_json_string(object, key, RAIN_SHA256_TEXT_SIZE - 1, &text, err))
		return -1;
	if (!(empty_too && !*text) && !rain_sha256_is_valid(text))
		return rain_error_set(err, "%s is not a SHA-256 in lower-case hexadecimal", key);
	strcpy(to, text); /* at most 64 bytes, by rain_json_string */
	return 0;
}

static int decode(const json_t *object, struct rain_receipt *receipt, struct rain_error *err)
{
	const char *burst;

	if (rain_json_int(object, "number", 1, INT64_C(1) << 53, &receipt->number, err) ||
	    copy_hash(object, "previous", true, receipt->previous, err) ||
	    copy_hash(object, "lender", false, receipt->lender, err) ||
	    copy_hash(object, "borrower", false, receipt->borrower, err) ||
	    rain_json_string(object, "burst", RAIN_UUID_SIZE - 1, &burst, err) ||
	    rain_json_int(object, "claimed_utok", 0, RAIN_TOKENS_MAX, &receipt->claimed_utok, err) ||
	    rain_json_int(object, "core_ms", 0, CORE_MS_MAX, &receipt->core_ms, err))
		return -1;
	if (!rain_uuid_is_valid(burst))
		return rain_error_set(err, "burst is not a UUID in lower case");
	memcpy(receipt->burst, burst, RAIN_UUID_SIZE);
	return 0;
}

static int check_signature(const char *text, const unsigned char *key, const char *domain,
			   const void *data, size_t size)
{
	unsigned char signature[RAIN_IDENTITY_SIGNATURE_SIZE];

	if (rain_identity_unbase64(text, signature, sizeof signature))
		return -1;
	return rain_identity_verify(key, domain, data, size, signature);
}

int rain_receipt_verify(struct rain_receipt_text *text,
			const unsigned char key[static RAIN_IDENTITY_KEY_SIZE],
			struct rain_receipt *receipt, struct rain_error *err)
{
	size_t size = strlen(text->bytes);
	json_t *object;
	char *canonical;
	bool same;

	if (check_signature(text->signature, key, RAIN_DOMAIN_RECEIPT, text->bytes, size))
		return rain_error_set(err, "the receipt's signature is not the lender's");
	object = rain_json_parse(text->bytes, size, sizeof text->bytes, err);
	if (!object)
		return rain_error_prefix(err, "receipt");
	memset(receipt, 0, sizeof *receipt);
	if (decode(object, receipt, err)) {
		json_decref(object);
		return rain_error_prefix(err, "receipt");
	}
	json_decref(object);
	canonical = encode(receipt);
	same = canonical && !strcmp(canonical, text->bytes);
	free(canonical);
	if (!same)
		return rain_error_set(err, "the receipt is not in its canonical form");
	rain_receipt_hash(text->bytes, size, text->sha256);
	return 0;
}

int rain_receipt_check_chain(const struct rain_receipt *receipt, int64_t last,
			     const char *last_sha256, const char *lender_id,
			     const char *borrower_id, struct rain_error *err)
{
	if (strcmp(receipt->lender, lender_id) != 0)
		return rain_error_set(err, "the receipt is of another lender");
	if (strcmp(receipt->borrower, borrower_id) != 0)
		return rain_error_set(err, "the receipt is for another borrower");
	if (receipt->number != last + 1)
		return rain_error_set(err, "the receipt has number %" PRId64 ", but %" PRId64 " is next",
				      receipt->number, last + 1);
	if (strcmp(receipt->previous, last_sha256) != 0)
		return rain_error_set(err, "receipt %" PRId64 " doesn't continue the chain: it names another receipt before it",
				      receipt->number);
	return 0;
}

int64_t rain_receipt_amount(int64_t claimed_utok, int64_t observed_utok, int64_t held_utok,
			    bool *disputed)
{
	int64_t amount = claimed_utok, tolerance;

	if (amount > observed_utok)
		amount = observed_utok;
	if (amount > held_utok)
		amount = held_utok;
	if (amount < 0)
		amount = 0;
	tolerance = amount / 100 * TOLERANCE_PERCENT;
	if (tolerance < TOLERANCE_UTOK)
		tolerance = TOLERANCE_UTOK;
	*disputed = claimed_utok - amount > tolerance;
	return amount;
}

/* "<64 hex digits> <amount>" */
static int countersign_bytes(const char *sha256, int64_t amount_utok, char *bytes, size_t size)
{
	return snprintf(bytes, size, "%s %" PRId64, sha256, amount_utok);
}

int rain_receipt_countersign(const char *sha256, int64_t amount_utok,
			     const struct rain_identity *borrower,
			     char signature[static RAIN_SIGNATURE_TEXT_SIZE],
			     struct rain_error *err)
{
	unsigned char raw[RAIN_IDENTITY_SIGNATURE_SIZE];
	char bytes[128];
	int size = countersign_bytes(sha256, amount_utok, bytes, sizeof bytes);

	rain_identity_sign(borrower, RAIN_DOMAIN_COUNTERSIGN, bytes, (size_t)size, raw);
	return write_signature(raw, signature, err);
}

int rain_receipt_verify_countersign(const char *sha256, int64_t amount_utok,
				    const char *signature,
				    const unsigned char key[static RAIN_IDENTITY_KEY_SIZE],
				    struct rain_error *err)
{
	char bytes[128];
	int size = countersign_bytes(sha256, amount_utok, bytes, sizeof bytes);

	if (check_signature(signature, key, RAIN_DOMAIN_COUNTERSIGN, bytes, (size_t)size))
		return rain_error_set(err, "the countersignature is not the borrower's");
	return 0;
}
