/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_HTTP_ROUTE_H
#define RAIN_FEDERATION_HTTP_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "federation/limits.h"

/* Matching of paths and ranges: pure, since strangers choose them. */

struct rain_http_params {
	size_t count;
	struct {
		char name[32];
		char value[RAIN_LIMIT_HTTP_PARAM_LENGTH + 1];
	} items[RAIN_LIMIT_HTTP_PARAMS];
};

/* Matches a path against "/v1/jobs/{job}": segments are equal, or {name} takes
 * a non-empty one of at most RAIN_LIMIT_HTTP_PARAM_LENGTH characters. */
bool rain_http_route_match(const char *pattern, const char *path, struct rain_http_params *params);

/* The value of a parameter or NULL. Borrowed. */
const char *rain_http_params_get(const struct rain_http_params *params, const char *name);

/* "bytes=N-" or "bytes=N-M" within size; *end is exclusive. Anything else: -1. */
int rain_http_range_parse(const char *text, int64_t size, int64_t *start, int64_t *end);

/* "bytes N-M/SIZE" with N <= M < SIZE <= RAIN_LIMIT_BLOB; *end is exclusive. */
int rain_http_content_range_parse(const char *text, int64_t *start, int64_t *end, int64_t *size);

/* A whole number of 1 to 18 digits, nothing else. */
int rain_http_number_parse(const char *text, int64_t *value);

#endif
