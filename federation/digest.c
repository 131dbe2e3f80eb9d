/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/digest.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

bool rain_digest_is_valid(const char *text)
{
	return strspn(text, "0123456789abcdef") == RAIN_DIGEST_SIZE - 1 &&
	       text[RAIN_DIGEST_SIZE - 1] == '\0';
}

static void digest_finish(crypto_hash_sha256_state *state, char text[static RAIN_DIGEST_SIZE])
{
	unsigned char hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256_final(state, hash);
	sodium_bin2hex(text, RAIN_DIGEST_SIZE, hash, sizeof(hash));
}

int rain_digest_file(int fd, struct rain_digest *digest, struct rain_error *err)
{
	static const size_t chunk = 65536;
	unsigned char buffer[65536];
	crypto_hash_sha256_state state;

	crypto_hash_sha256_init(&state);
	digest->size = 0;
	for (;;) {
		ssize_t got = pread(fd, buffer, chunk, digest->size);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return rain_error_set(err, "can't read a file to hash it: %s", strerror(errno));
		if (got == 0)
			break;
		crypto_hash_sha256_update(&state, buffer, (unsigned long long)got);
		digest->size += got;
	}
	digest_finish(&state, digest->sha256);
	return 0;
}

void rain_digest_bytes(const void *data, size_t size, struct rain_digest *digest)
{
	crypto_hash_sha256_state state;

	crypto_hash_sha256_init(&state);
	crypto_hash_sha256_update(&state, data, size);
	digest->size = (int64_t)size;
	digest_finish(&state, digest->sha256);
}
