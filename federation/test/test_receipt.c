/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "federation/receipt.h"

static struct rain_identity alpha, bravo;

static int make_identity(struct rain_identity *identity, unsigned char fill)
{
	unsigned char seed[32];

	memset(seed, fill, sizeof seed);
	crypto_sign_seed_keypair(identity->key, identity->secret, seed);
	rain_identity_id(identity->key, identity->id);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return sodium_init() < 0 || make_identity(&alpha, 1) || make_identity(&bravo, 2);
}

static struct rain_receipt sample(int64_t number, const char *previous)
{
	struct rain_receipt receipt = { .number = number, .claimed_utok = 1234, .core_ms = 99,
					.burst = "01234567-89ab-cdef-0123-456789abcdef" };
	strcpy(receipt.previous, previous);
	strcpy(receipt.lender, bravo.id);
	strcpy(receipt.borrower, alpha.id);
	return receipt;
}

static void test_round_trip_and_chain(void **state)
{
	struct rain_receipt first = sample(1, ""), second, read;
	struct rain_receipt_text text, next, sent = { "" };
	struct rain_error err;

	(void)state;
	assert_int_equal(rain_receipt_sign(&first, &bravo, &text, &err), 0);
	assert_memory_equal(text.bytes, "{\"borrower\":\"", 13);
	strcpy(sent.bytes, text.bytes);
	strcpy(sent.signature, text.signature);
	assert_int_equal(rain_receipt_verify(&sent, bravo.key, &read, &err), 0);
	assert_string_equal(sent.sha256, text.sha256);
	assert_int_equal(read.claimed_utok, 1234);
	assert_int_equal(rain_receipt_check_chain(&read, 0, "", bravo.id, alpha.id, &err), 0);
	second = sample(2, text.sha256);
	assert_int_equal(rain_receipt_sign(&second, &bravo, &next, &err), 0);
	assert_int_equal(rain_receipt_verify(&next, bravo.key, &read, &err), 0);
	assert_int_equal(rain_receipt_check_chain(&read, 1, text.sha256, bravo.id, alpha.id, &err), 0);
}

static void test_forgeries(void **state)
{
	struct rain_receipt receipt = sample(1, ""), read;
	struct rain_receipt_text text, forged;
	struct rain_error err;

	(void)state;
	assert_int_equal(rain_receipt_sign(&receipt, &alpha, &text, &err), -1); /* not the lender */
	assert_int_equal(rain_receipt_sign(&receipt, &bravo, &text, &err), 0);
	assert_int_equal(rain_receipt_verify(&text, alpha.key, &read, &err), -1);
	for (size_t i = 0; i < strlen(text.bytes); i++) {
		forged = text;
		forged.bytes[i] ^= 1;
		assert_int_equal(rain_receipt_verify(&forged, bravo.key, &read, &err), -1);
	}
	for (size_t i = 0; i < strlen(text.signature); i++) {
		forged = text;
		forged.signature[i] = forged.signature[i] == 'A' ? 'B' : 'A';
		assert_int_equal(rain_receipt_verify(&forged, bravo.key, &read, &err), -1);
	}
	/* Signed, but not in canonical form: two texts of one meaning would do. */
	forged = text;
	memmove(forged.bytes + 1, forged.bytes, strlen(forged.bytes) + 1);
	forged.bytes[0] = ' ';
	unsigned char signature[RAIN_IDENTITY_SIGNATURE_SIZE];
	rain_identity_sign(&bravo, RAIN_DOMAIN_RECEIPT, forged.bytes, strlen(forged.bytes), signature);
	char *encoded = rain_identity_base64(signature, sizeof signature);
	strcpy(forged.signature, encoded);
	free(encoded);
	assert_int_equal(rain_receipt_verify(&forged, bravo.key, &read, &err), -1);
	assert_non_null(strstr(err.text, "canonical"));
}

static void test_broken_chains(void **state)
{
	struct rain_receipt receipt = sample(3, "");
	char other[65];
	struct rain_error err;

	(void)state;
	memset(other, 'a', 64);
	other[64] = '\0';
	assert_int_equal(rain_receipt_check_chain(&receipt, 1, "", bravo.id, alpha.id, &err), -1); /* gap */
	assert_int_equal(rain_receipt_check_chain(&receipt, 3, "", bravo.id, alpha.id, &err), -1); /* replay */
	assert_int_equal(rain_receipt_check_chain(&receipt, 2, other, bravo.id, alpha.id, &err), -1); /* fork */
	assert_int_equal(rain_receipt_check_chain(&receipt, 2, "", alpha.id, alpha.id, &err), -1);
	assert_int_equal(rain_receipt_check_chain(&receipt, 2, "", bravo.id, bravo.id, &err), -1);
	assert_int_equal(rain_receipt_check_chain(&receipt, 2, "", bravo.id, alpha.id, &err), 0);
}

static void test_amount(void **state)
{
	bool disputed;

	(void)state;
	assert_int_equal(rain_receipt_amount(500, 600, 700, &disputed), 500);
	assert_false(disputed);
	assert_int_equal(rain_receipt_amount(500000, 400000, 700000, &disputed), 400000);
	assert_true(disputed);
	assert_int_equal(rain_receipt_amount(500000, 700000, 300000, &disputed), 300000);
	assert_true(disputed);
	assert_int_equal(rain_receipt_amount(100500, 100000, 300000, &disputed), 100000);
	assert_false(disputed); /* within tolerance */
	assert_int_equal(rain_receipt_amount(5, -1, 300, &disputed), 0);
}

static void test_countersignature(void **state)
{
	char sha256[65], signature[RAIN_SIGNATURE_TEXT_SIZE];
	struct rain_error err;

	(void)state;
	rain_receipt_hash("abc", 3, sha256);
	assert_string_equal(sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_int_equal(rain_receipt_countersign(sha256, 42, &alpha, signature, &err), 0);
	assert_int_equal(rain_receipt_verify_countersign(sha256, 42, signature, alpha.key, &err), 0);
	assert_int_equal(rain_receipt_verify_countersign(sha256, 43, signature, alpha.key, &err), -1);
	assert_int_equal(rain_receipt_verify_countersign(sha256, 42, signature, bravo.key, &err), -1);
	sha256[0] = 'c';
	assert_int_equal(rain_receipt_verify_countersign(sha256, 42, signature, alpha.key, &err), -1);
	assert_int_equal(rain_receipt_verify_countersign(sha256, 42, "rubbish", alpha.key, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip_and_chain), cmocka_unit_test(test_forgeries),
		cmocka_unit_test(test_broken_chains),	     cmocka_unit_test(test_amount),
		cmocka_unit_test(test_countersignature),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
