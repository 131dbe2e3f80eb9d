// SPDX-License-Identifier: GPL-2.0-or-later
/* Paths, range headers and numbers of requests. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "federation/http_route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const patterns[] = {"/v1/blobs/{sha256}", "/v1/jobs/{job}/streams/{name}",
					       "/v1/messages", "/{a}/{b}/{c}/{d}"};
	struct rain_http_params params;
	int64_t start, end, whole;
	char *text = malloc(size + 1);

	memcpy(text, data, size);
	text[size] = '\0';
	for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++)
		if (rain_http_route_match(patterns[i], text, &params))
			for (size_t n = 0; n < params.count; n++)
				if (strchr(params.items[n].value, '/') || !params.items[n].value[0])
					abort();
	if (rain_http_range_parse(text, 1000, &start, &end) == 0 &&
	    (start < 0 || start > end || end > 1000))
		abort();
	if (rain_http_content_range_parse(text, &start, &end, &whole) == 0 &&
	    (start < 0 || start >= end || end > whole))
		abort();
	if (rain_http_number_parse(text, &whole) == 0 && (whole < 0 || strlen(text) > 18))
		abort();
	free(text);
	return 0;
}
