/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/local_http.h"

#include <string.h>

#include "common/json.h"
#include "federation/limits.h"

json_t *rain_local_digest_json(const struct rain_digest *digest)
{
	return json_pack("{s:s, s:I}", "sha256", digest->sha256, "size", (json_int_t)digest->size);
}

int rain_local_digest_read(const json_t *object, struct rain_digest *digest, struct rain_error *err)
{
	const char *sha256;

	if (rain_json_string(object, "sha256", RAIN_DIGEST_SIZE - 1, &sha256, err) < 0 ||
	    rain_json_int(object, "size", 0, RAIN_LIMIT_BLOB, &digest->size, err) < 0)
		return -1;
	if (!rain_digest_is_valid(sha256))
		return rain_error_set(err, "sha256 must be 64 hexadecimal digits, not \"%.64s\"",
				      sha256);
	strcpy(digest->sha256, sha256);
	return 0;
}
