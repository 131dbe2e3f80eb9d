// SPDX-License-Identifier: GPL-2.0-or-later
/* Keys and certificates as files and PEM texts; federation/identity.c has what
 * is pure. */
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "federation/identity.h"

#define PEM_MAX 16384

/* Boards have no clock at boot, so the certificate is valid for all time:
 * 1970-01-01 to 9999-12-31 (RFC 5280: no well-defined end).  Our own side never
 * looks at dates; this is for other people's tools. */
#define VALID_FROM 1
#define VALID_UNTIL 253402300799

static int gnutls_failed(struct rain_error *err, const char *what, int code)
{
	return rain_error_set(err, "%s: GnuTLS says: %s", what, gnutls_strerror(code));
}

static char *datum_text(gnutls_datum_t *datum)
{
	char *text = strndup((const char *)datum->data, datum->size);

	sodium_memzero(datum->data, datum->size);
	gnutls_free(datum->data);
	return text;
}

/* identity->secret and ->key are there; makes ->key_pem and `key`. */
static int make_key(struct rain_identity *identity, gnutls_x509_privkey_t key,
		    struct rain_error *err)
{
	gnutls_datum_t x = {identity->key, sizeof(identity->key)};
	gnutls_datum_t k = {identity->secret, RAIN_IDENTITY_SEED_SIZE};
	gnutls_datum_t pem = {NULL, 0};
	int code = gnutls_x509_privkey_import_ecc_raw(key, GNUTLS_ECC_CURVE_ED25519, &x, NULL, &k);

	if (code == 0)
		code = gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL,
							 GNUTLS_PKCS_PLAIN, &pem);
	if (code < 0)
		return gnutls_failed(err, "the identity key can't be encoded", code);
	identity->key_pem = datum_text(&pem);
	return identity->key_pem ? 0 : rain_error_set(err, "out of memory");
}

static int sign_certificate(gnutls_x509_crt_t certificate, gnutls_x509_privkey_t key,
			    const char *name)
{
	unsigned char serial[16];
	int code;

	randombytes_buf(serial, sizeof(serial));
	serial[0] = (serial[0] & 0x7f) | 0x40; /* positive, and no leading zero */
	if ((code = gnutls_x509_crt_set_version(certificate, 3)) < 0 ||
	    (code = gnutls_x509_crt_set_serial(certificate, serial, sizeof(serial))) < 0 ||
	    (code = gnutls_x509_crt_set_activation_time(certificate, VALID_FROM)) < 0 ||
	    (code = gnutls_x509_crt_set_expiration_time(certificate, VALID_UNTIL)) < 0 ||
	    (code = gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, name,
						  strlen(name))) < 0 ||
	    (code = gnutls_x509_crt_set_key(certificate, key)) < 0 ||
	    (code = gnutls_x509_crt_set_key_usage(certificate, GNUTLS_KEY_DIGITAL_SIGNATURE)) < 0)
		return code;
	return gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA512, 0);
}

static int make_certificate(struct rain_identity *identity, gnutls_x509_privkey_t key,
			    const char *name, struct rain_error *err)
{
	gnutls_x509_crt_t certificate;
	gnutls_datum_t pem = {NULL, 0};
	int code = gnutls_x509_crt_init(&certificate);

	if (code == 0) {
		code = sign_certificate(certificate, key, name);
		if (code == 0)
			code = gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &pem);
		gnutls_x509_crt_deinit(certificate);
	}
	if (code < 0)
		return gnutls_failed(err, "the certificate can't be made", code);
	identity->certificate_pem = datum_text(&pem);
	return identity->certificate_pem ? 0 : rain_error_set(err, "out of memory");
}

/* Everything that follows from the seed in identity->secret's first half. */
static int complete(struct rain_identity *identity, const char *name, struct rain_error *err)
{
	unsigned char seed[RAIN_IDENTITY_SEED_SIZE];
	gnutls_x509_privkey_t key;
	int result;

	memcpy(seed, identity->secret, sizeof(seed));
	crypto_sign_seed_keypair(identity->key, identity->secret, seed);
	sodium_memzero(seed, sizeof(seed));
	rain_identity_id(identity->key, identity->id);
	if (gnutls_x509_privkey_init(&key) < 0)
		return rain_error_set(err, "out of memory");
	result = make_key(identity, key, err);
	if (result == 0)
		result = make_certificate(identity, key, name, err);
	gnutls_x509_privkey_deinit(key);
	return result;
}

int rain_identity_init(struct rain_identity *identity, const unsigned char *seed,
		       const char *name, struct rain_error *err)
{
	memset(identity, 0, sizeof(*identity));
	if (sodium_init() < 0)
		return rain_error_set(err, "libsodium can't be used: no source of randomness");
	if (seed)
		memcpy(identity->secret, seed, RAIN_IDENTITY_SEED_SIZE);
	else
		randombytes_buf(identity->secret, RAIN_IDENTITY_SEED_SIZE);
	if (complete(identity, name, err) == 0)
		return 0;
	rain_identity_release(identity);
	return -1;
}

/* The seed in a PKCS#8 text. */
static int read_seed(const char *path, const char *pem, size_t size, unsigned char *seed,
		     struct rain_error *err)
{
	gnutls_datum_t text = {(unsigned char *)pem, size}, x = {0}, k = {0};
	gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
	gnutls_x509_privkey_t key;
	int code = gnutls_x509_privkey_init(&key), result = -1;

	if (code < 0)
		return rain_error_set(err, "out of memory");
	code = gnutls_x509_privkey_import_pkcs8(key, &text, GNUTLS_X509_FMT_PEM, NULL,
						GNUTLS_PKCS_PLAIN);
	if (code == 0)
		code = gnutls_x509_privkey_export_ecc_raw(key, &curve, &x, NULL, &k);
	if (code < 0 || curve != GNUTLS_ECC_CURVE_ED25519 || k.size != RAIN_IDENTITY_SEED_SIZE)
		rain_error_set(err, "%s holds no Ed25519 key in PKCS#8 form%s%s: restore it from a "
				    "backup (a new one would be a stranger to all peers)",
			       path, code < 0 ? "; GnuTLS says: " : "",
			       code < 0 ? gnutls_strerror(code) : "");
	else {
		memcpy(seed, k.data, RAIN_IDENTITY_SEED_SIZE);
		result = 0;
	}
	if (k.data)
		sodium_memzero(k.data, k.size);
	gnutls_free(k.data);
	gnutls_free(x.data);
	gnutls_x509_privkey_deinit(key);
	return result;
}

/* 1: read; 0: there is none; -1: there is a wrong one. */
static int read_key(const char *path, unsigned char *seed, struct rain_error *err)
{
	struct stat status;
	size_t size;
	char *pem;
	int result;

	if (stat(path, &status) < 0) {
		if (errno == ENOENT)
			return 0;
		return rain_error_set(err, "%s can't be read: %s", path, strerror(errno));
	}
	if (status.st_mode & 077)
		return rain_error_set(err, "%s can be read by others than its owner: run "
					   "'chmod 600 %s', or remove it if somebody may have copied it",
				      path, path);
	pem = rain_file_read(path, PEM_MAX, &size, err);
	if (!pem)
		return -1;
	result = read_seed(path, pem, size, seed, err);
	sodium_memzero(pem, size);
	free(pem);
	return result < 0 ? -1 : 1;
}

/* True when the certificate's public key is identity's. */
static int certificate_fits(const struct rain_identity *identity, const char *pem, size_t size)
{
	gnutls_datum_t text = {(unsigned char *)pem, size}, x = {0};
	gnutls_ecc_curve_t curve;
	gnutls_x509_crt_t certificate;
	int fits = 0;

	if (gnutls_x509_crt_init(&certificate) < 0)
		return 0;
	if (gnutls_x509_crt_import(certificate, &text, GNUTLS_X509_FMT_PEM) == 0 &&
	    gnutls_x509_crt_get_pk_ecc_raw(certificate, &curve, &x, NULL) == 0)
		fits = x.size == sizeof(identity->key) &&
		       memcmp(x.data, identity->key, x.size) == 0;
	gnutls_free(x.data);
	gnutls_x509_crt_deinit(certificate);
	return fits;
}

static int load_certificate(struct rain_identity *identity, const char *path,
			    struct rain_error *err)
{
	size_t size;
	char *pem = rain_file_read(path, PEM_MAX, &size, NULL);

	if (pem && certificate_fits(identity, pem, size)) {
		free(identity->certificate_pem);
		identity->certificate_pem = pem;
		return 0;
	}
	free(pem);
	return rain_file_write(path, identity->certificate_pem, strlen(identity->certificate_pem),
			       0644, err);
}

int rain_identity_load(struct rain_identity *identity, const char *state, const char *name,
		       struct rain_error *err)
{
	unsigned char seed[RAIN_IDENTITY_SEED_SIZE];
	char *path = NULL, *certificate = NULL;
	int found, result = -1;

	memset(identity, 0, sizeof(*identity));
	if (asprintf(&path, "%s/identity.pem", state) < 0 ||
	    asprintf(&certificate, "%s/certificate.pem", state) < 0)
		return rain_error_set(err, "out of memory");
	found = read_key(path, seed, err);
	if (found < 0 || rain_identity_init(identity, found ? seed : NULL, name, err) < 0)
		goto out;
	if (!found && rain_file_write(path, identity->key_pem, strlen(identity->key_pem), 0600,
				      err) < 0)
		goto out;
	result = load_certificate(identity, certificate, err);
out:
	if (result < 0)
		rain_identity_release(identity);
	sodium_memzero(seed, sizeof(seed));
	free(path);
	free(certificate);
	return result;
}

void rain_identity_release(struct rain_identity *identity)
{
	if (identity->key_pem)
		sodium_memzero(identity->key_pem, strlen(identity->key_pem));
	free(identity->key_pem);
	free(identity->certificate_pem);
	sodium_memzero(identity, sizeof(*identity));
}
