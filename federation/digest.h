/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_DIGEST_H
#define RAIN_FEDERATION_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/* Names of blobs: SHA-256, 64 lower-case hexadecimal digits. */
#define RAIN_DIGEST_SIZE 65 /* with its NUL */

/* What names a blob in manifests. */
struct rain_digest {
	char sha256[RAIN_DIGEST_SIZE];
	int64_t size; /* bytes */
};

bool rain_digest_is_valid(const char *text);

/* Hash and size of the whole file behind `fd`, whose offset is left alone. */
int rain_digest_file(int fd, struct rain_digest *digest, struct rain_error *err);

int rain_digest_bytes(const void *data, size_t size, struct rain_digest *digest,
		      struct rain_error *err);

/* The parts of one bundle, which follow one another.  Zeroed it is empty. */
#define RAIN_DIGESTS_MAX 512
struct rain_digests {
	struct rain_digest *list;
	size_t count;
};

int rain_digests_add(struct rain_digests *digests, const struct rain_digest *digest,
		     struct rain_error *err);
int64_t rain_digests_size(const struct rain_digests *digests); /* bytes of all */
void rain_digests_release(struct rain_digests *digests);

/* Piece by piece. NULL: out of memory. */
struct rain_digest_hash;
struct rain_digest_hash *rain_digest_hash_create(void);
int rain_digest_hash_add(struct rain_digest_hash *hash, const void *data, size_t size);
/* Fills digest (may be NULL) and frees the hash (NULL is fine). */
void rain_digest_hash_finish(struct rain_digest_hash *hash, struct rain_digest *digest);

#endif
