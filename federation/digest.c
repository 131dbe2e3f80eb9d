/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/digest.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HASH_SIZE 32

bool rain_digest_is_valid(const char *text)
{
	return strspn(text, "0123456789abcdef") == RAIN_DIGEST_SIZE - 1 &&
	       text[RAIN_DIGEST_SIZE - 1] == '\0';
}

/* GnuTLS and not libsodium, for it uses the processor's own instructions: the
 * hash bounds how fast a known input is recognised. */
struct rain_digest_hash {
	gnutls_hash_hd_t handle;
	int64_t size;
};

struct rain_digest_hash *rain_digest_hash_create(void)
{
	struct rain_digest_hash *hash = calloc(1, sizeof(*hash));

	if (hash && gnutls_hash_init(&hash->handle, GNUTLS_DIG_SHA256) != 0) {
		free(hash);
		return NULL;
	}
	return hash;
}

int rain_digest_hash_add(struct rain_digest_hash *hash, const void *data, size_t size)
{
	hash->size += (int64_t)size;
	return gnutls_hash(hash->handle, data, size) == 0 ? 0 : -1;
}

void rain_digest_hash_finish(struct rain_digest_hash *hash, struct rain_digest *digest)
{
	unsigned char bytes[HASH_SIZE];

	if (!hash)
		return;
	gnutls_hash_deinit(hash->handle, bytes);
	if (digest) {
		for (int i = 0; i < HASH_SIZE; i++) {
			digest->sha256[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
			digest->sha256[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
		}
		digest->sha256[RAIN_DIGEST_SIZE - 1] = '\0';
		digest->size = hash->size;
	}
	free(hash);
}

int rain_digests_add(struct rain_digests *digests, const struct rain_digest *digest,
		     struct rain_error *err)
{
	struct rain_digest *list;

	if (digests->count == RAIN_DIGESTS_MAX)
		return rain_error_set(err, "a bundle has more than %d parts", RAIN_DIGESTS_MAX);
	list = reallocarray(digests->list, digests->count + 1, sizeof(*list));
	if (!list)
		return rain_error_set(err, "out of memory");
	digests->list = list;
	list[digests->count++] = *digest;
	return 0;
}

int64_t rain_digests_size(const struct rain_digests *digests)
{
	int64_t size = 0;

	for (size_t i = 0; i < digests->count; i++)
		size += digests->list[i].size;
	return size;
}

void rain_digests_release(struct rain_digests *digests)
{
	free(digests->list);
	*digests = (struct rain_digests){0};
}

int rain_digest_file(int fd, struct rain_digest *digest, struct rain_error *err)
{
	struct rain_digest_hash *hash = rain_digest_hash_create();
	unsigned char buffer[65536];
	ssize_t got = 1;

	if (!hash)
		return rain_error_set(err, "can't hash a file: out of memory");
	while (got > 0) {
		got = pread(fd, buffer, sizeof(buffer), hash->size);
		if (got < 0 && errno == EINTR) {
			got = 1;
			continue;
		}
		if (got < 0 || rain_digest_hash_add(hash, buffer, (size_t)got) < 0) {
			rain_error_set(err, "can't read a file to hash it: %s", strerror(errno));
			rain_digest_hash_finish(hash, NULL);
			return -1;
		}
	}
	rain_digest_hash_finish(hash, digest);
	return 0;
}

int rain_digest_bytes(const void *data, size_t size, struct rain_digest *digest,
		      struct rain_error *err)
{
	struct rain_digest_hash *hash = rain_digest_hash_create();

	if (!hash || rain_digest_hash_add(hash, data, size) < 0) {
		rain_digest_hash_finish(hash, NULL);
		return rain_error_set(err, "can't hash: out of memory");
	}
	rain_digest_hash_finish(hash, digest);
	return 0;
}
