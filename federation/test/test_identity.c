// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "federation/identity.h"

static char directory[64];
static char key_path[128], certificate_path[128];

static int make_directory(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/rain-test-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(key_path, sizeof(key_path), "%s/identity.pem", directory);
	snprintf(certificate_path, sizeof(certificate_path), "%s/certificate.pem", directory);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	unlink(key_path);
	unlink(certificate_path);
	return rmdir(directory);
}

static void an_identity_is_kept(void **state)
{
	struct rain_identity first, second;
	struct rain_error err;
	struct stat status;

	(void)state;
	assert_int_equal(rain_identity_load(&first, directory, "alpha", &err), 0);
	assert_int_equal(stat(key_path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(strlen(first.id), 64);
	assert_int_equal(rain_identity_load(&second, directory, "alpha", &err), 0);
	assert_memory_equal(first.key, second.key, sizeof(first.key));
	assert_memory_equal(first.secret, second.secret, sizeof(first.secret));
	assert_string_equal(first.certificate_pem, second.certificate_pem);
	rain_identity_release(&first);
	rain_identity_release(&second);
}

static void a_lost_or_strange_certificate_is_made_anew(void **state)
{
	struct rain_identity first, second, other;
	struct rain_error err;

	(void)state;
	assert_int_equal(rain_identity_load(&first, directory, "alpha", &err), 0);
	assert_int_equal(unlink(certificate_path), 0);
	assert_int_equal(rain_identity_load(&second, directory, "alpha", &err), 0);
	assert_int_equal(access(certificate_path, F_OK), 0);
	rain_identity_release(&second);
	assert_int_equal(rain_identity_init(&other, NULL, "other", &err), 0);
	assert_int_equal(rain_file_write(certificate_path, other.certificate_pem,
					 strlen(other.certificate_pem), 0644, &err), 0);
	assert_int_equal(rain_identity_load(&second, directory, "alpha", &err), 0);
	assert_memory_equal(first.key, second.key, sizeof(first.key));
	assert_string_not_equal(second.certificate_pem, other.certificate_pem);
	rain_identity_release(&first);
	rain_identity_release(&second);
	rain_identity_release(&other);
}

static void a_bad_key_file_is_refused_and_kept(void **state)
{
	struct rain_identity identity;
	struct rain_error err;
	char *text;
	size_t size;

	(void)state;
	assert_int_equal(rain_file_write(key_path, "rubbish\n", 8, 0600, &err), 0);
	assert_int_equal(rain_identity_load(&identity, directory, "alpha", &err), -1);
	assert_non_null(strstr(err.text, "restore it"));
	text = rain_file_read(key_path, 100, &size, &err);
	assert_string_equal(text, "rubbish\n");
	free(text);
	assert_int_equal(unlink(key_path), 0);
	assert_int_equal(rain_identity_load(&identity, directory, "alpha", &err), 0);
	rain_identity_release(&identity);
	assert_int_equal(chmod(key_path, 0644), 0);
	assert_int_equal(rain_identity_load(&identity, directory, "alpha", &err), -1);
	assert_non_null(strstr(err.text, "chmod 600"));
}

static void a_seed_makes_the_same_key(void **state)
{
	unsigned char seed[RAIN_IDENTITY_SEED_SIZE] = {1, 2, 3};
	struct rain_identity first, second;
	struct rain_error err;

	(void)state;
	assert_int_equal(rain_identity_init(&first, seed, "a", &err), 0);
	assert_int_equal(rain_identity_init(&second, seed, "b", &err), 0);
	assert_memory_equal(first.key, second.key, sizeof(first.key));
	assert_string_equal(first.key_pem, second.key_pem);
	rain_identity_release(&first);
	rain_identity_release(&second);
}

static void signatures_hold_for_one_domain(void **state)
{
	static unsigned char large[RAIN_IDENTITY_SIGNED_MAX + 1];
	unsigned char signature[RAIN_IDENTITY_SIGNATURE_SIZE];
	struct rain_identity identity, other;
	struct rain_error err;

	(void)state;
	assert_int_equal(rain_identity_init(&identity, NULL, "a", &err), 0);
	assert_int_equal(rain_identity_init(&other, NULL, "b", &err), 0);
	rain_identity_sign(&identity, RAIN_DOMAIN_JOIN, "data", 4, signature);
	assert_int_equal(rain_identity_verify(identity.key, RAIN_DOMAIN_JOIN, "data", 4, signature), 0);
	assert_int_equal(rain_identity_verify(identity.key, RAIN_DOMAIN_RECEIPT, "data", 4, signature), -1);
	assert_int_equal(rain_identity_verify(identity.key, RAIN_DOMAIN_JOIN, "date", 4, signature), -1);
	assert_int_equal(rain_identity_verify(other.key, RAIN_DOMAIN_JOIN, "data", 4, signature), -1);
	signature[10] ^= 1;
	assert_int_equal(rain_identity_verify(identity.key, RAIN_DOMAIN_JOIN, "data", 4, signature), -1);
	rain_identity_sign(&identity, RAIN_DOMAIN_JOIN, large, sizeof(large), signature);
	assert_int_equal(rain_identity_verify(identity.key, RAIN_DOMAIN_JOIN, large, sizeof(large),
					      signature), -1);
	rain_identity_release(&identity);
	rain_identity_release(&other);
}

static void base64_is_exact(void **state)
{
	unsigned char data[5];
	char *text = rain_identity_base64("\xff\xfe hi", 5);

	(void)state;
	assert_string_equal(text, "__4gaGk");
	assert_int_equal(rain_identity_unbase64(text, data, 5), 0);
	assert_memory_equal(data, "\xff\xfe hi", 5);
	assert_int_equal(rain_identity_unbase64(text, data, 4), -1);
	assert_int_equal(rain_identity_unbase64("__4gaGk=", data, 5), -1);
	assert_int_equal(rain_identity_unbase64("__4gaG", data, 5), -1);
	assert_int_equal(rain_identity_unbase64("", data, 5), -1);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_identity_is_kept, make_directory, remove_directory),
		cmocka_unit_test_setup_teardown(a_lost_or_strange_certificate_is_made_anew,
						make_directory, remove_directory),
		cmocka_unit_test_setup_teardown(a_bad_key_file_is_refused_and_kept, make_directory,
						remove_directory),
		cmocka_unit_test(a_seed_makes_the_same_key),
		cmocka_unit_test(signatures_hold_for_one_domain),
		cmocka_unit_test(base64_is_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
