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

/* Piece by piece. NULL: out of memory. */
struct rain_digest_hash;
struct rain_digest_hash *rain_digest_hash_create(void);
int rain_digest_hash_add(struct rain_digest_hash *hash, const void *data, size_t size);
/* Fills digest (may be NULL) and frees the hash (NULL is fine). */
void rain_digest_hash_finish(struct rain_digest_hash *hash, struct rain_digest *digest);

#endif
