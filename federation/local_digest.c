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

json_t *rain_local_digests_json(const struct rain_digests *digests)
{
	json_t *parts;

	if (digests->count == 1)
		return rain_local_digest_json(digests->list);
	parts = json_array();
	for (size_t i = 0; i < digests->count; i++)
		json_array_append_new(parts, rain_local_digest_json(&digests->list[i]));
	return json_pack("{s:o}", "parts", parts);
}

int rain_local_digests_read(const json_t *object, struct rain_digests *digests,
			    struct rain_error *err)
{
	struct rain_digest digest;
	json_t *parts;

	*digests = (struct rain_digests){0};
	if (!json_object_get(object, "parts"))
		return rain_local_digest_read(object, &digest, err) < 0
			       ? -1
			       : rain_digests_add(digests, &digest, err);
	if (rain_json_array(object, "parts", RAIN_DIGESTS_MAX, &parts, err) < 0)
		return -1;
	for (size_t i = 0; i < json_array_size(parts); i++)
		if (rain_local_digest_read(json_array_get(parts, i), &digest, err) < 0 ||
		    rain_digests_add(digests, &digest, err) < 0)
			return rain_error_prefix(err, "parts");
	return digests->count ? 0 : rain_error_set(err, "a bundle has no parts");
}
