/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_RECEIPT_H
#define RAIN_FEDERATION_RECEIPT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "federation/identity.h"
#include "federation/message.h"

/*
 * Receipts: what a lender claims for one run, signed; and the countersignature
 * by which home acknowledges what it pays.  Each lender numbers its receipts
 * to one borrower without a gap, and each names the SHA-256 of the one before:
 * a chain that either side can show.  Pure (signing included).
 *
 * The bytes are canonical JSON: compact, keys sorted, integers and strings only:
 * {"borrower":…,"burst":…,"claimed_utok":…,"core_ms":…,"lender":…,"number":…,"previous":…}
 */
struct rain_receipt {
	int64_t number;			      /* from 1 */
	char previous[RAIN_SHA256_TEXT_SIZE]; /* of the receipt before; "" for the first */
	char lender[RAIN_IDENTITY_ID_SIZE];
	char borrower[RAIN_IDENTITY_ID_SIZE];
	char burst[RAIN_UUID_SIZE];
	int64_t claimed_utok;
	int64_t core_ms;
};

/* Signed bytes, as they are sent and kept. */
struct rain_receipt_text {
	char bytes[RAIN_RECEIPT_BYTES_MAX];
	char sha256[RAIN_SHA256_TEXT_SIZE];
	char signature[RAIN_SIGNATURE_TEXT_SIZE];
};

/* Writes and signs; the identity must be the lender. */
int rain_receipt_sign(const struct rain_receipt *receipt, const struct rain_identity *lender,
		      struct rain_receipt_text *text, struct rain_error *err);

/* Reads bytes, which must be exactly the canonical ones, and checks the
 * signature by `key`.  Fills *receipt and text->sha256. */
int rain_receipt_verify(struct rain_receipt_text *text,
			const unsigned char key[static RAIN_IDENTITY_KEY_SIZE],
			struct rain_receipt *receipt, struct rain_error *err);

/* Checks that a (verified) receipt is the next link of the chain that ends in
 * number `last` with hash `last_sha256`, and is between these two. */
int rain_receipt_check_chain(const struct rain_receipt *receipt, int64_t last,
			     const char *last_sha256, const char *lender_id,
			     const char *borrower_id, struct rain_error *err);

/* What home pays: the least of claim, own observation and hold.  *disputed when
 * the claim is above what is paid by more than the tolerance (1 % and at least
 * 1000 micro-tokens) allows. */
int64_t rain_receipt_amount(int64_t claimed_utok, int64_t observed_utok, int64_t held_utok,
			    bool *disputed);

/* signature over "<sha256> <amount>" under the domain of countersignatures. */
int rain_receipt_countersign(const char *sha256, int64_t amount_utok,
			     const struct rain_identity *borrower,
			     char signature[static RAIN_SIGNATURE_TEXT_SIZE],
			     struct rain_error *err);
int rain_receipt_verify_countersign(const char *sha256, int64_t amount_utok,
				    const char *signature,
				    const unsigned char key[static RAIN_IDENTITY_KEY_SIZE],
				    struct rain_error *err);

/* hex of SHA-256 */
void rain_receipt_hash(const void *data, size_t size, char sha256[static RAIN_SHA256_TEXT_SIZE]);

#endif
