// SPDX-License-Identifier: GPL-2.0-or-later
#include "federation/http_route.h"

#include <string.h>

/* Takes "{name}" of length pattern_length and its value. */
static bool take(struct rain_http_params *params, const char *pattern, size_t pattern_length,
		 const char *value, size_t length)
{
	size_t name_length = pattern_length - 2;

	if (length == 0 || length > RAIN_LIMIT_HTTP_PARAM_LENGTH ||
	    params->count == RAIN_LIMIT_HTTP_PARAMS ||
	    name_length >= sizeof(params->items[0].name))
		return false;
	memcpy(params->items[params->count].name, pattern + 1, name_length);
	params->items[params->count].name[name_length] = '\0';
	memcpy(params->items[params->count].value, value, length);
	params->items[params->count].value[length] = '\0';
	params->count++;
	return true;
}

bool rain_http_route_match(const char *pattern, const char *path, struct rain_http_params *params)
{
	params->count = 0;
	while (*pattern == '/' && *path == '/') {
		size_t want, have;

		pattern++;
		path++;
		want = strcspn(pattern, "/");
		have = strcspn(path, "/");
		if (want > 2 && pattern[0] == '{') {
			if (!take(params, pattern, want, path, have))
				return false;
		} else if (want != have || memcmp(pattern, path, want) != 0) {
			return false;
		}
		pattern += want;
		path += have;
	}
	return !*pattern && !*path;
}

const char *rain_http_params_get(const struct rain_http_params *params, const char *name)
{
	for (size_t i = 0; i < params->count; i++)
		if (strcmp(params->items[i].name, name) == 0)
			return params->items[i].value;
	return NULL;
}

/* Reads digits at *text and moves it behind them. */
static int digits(const char **text, int64_t *value)
{
	size_t count = strspn(*text, "0123456789");

	if (count == 0 || count > 18)
		return -1;
	*value = 0;
	for (; count; count--)
		*value = *value * 10 + (*(*text)++ - '0');
	return 0;
}

static int literal(const char **text, const char *expected)
{
	size_t length = strlen(expected);

	if (strncmp(*text, expected, length) != 0)
		return -1;
	*text += length;
	return 0;
}

int rain_http_number_parse(const char *text, int64_t *value)
{
	return digits(&text, value) < 0 || *text ? -1 : 0;
}

int rain_http_range_parse(const char *text, int64_t size, int64_t *start, int64_t *end)
{
	if (literal(&text, "bytes=") < 0 || digits(&text, start) < 0 || literal(&text, "-") < 0)
		return -1;
	if (*text) {
		if (digits(&text, end) < 0 || *text || *end < *start)
			return -1;
		*end = *end < size ? *end + 1 : size;
	} else {
		*end = size;
	}
	return *start < *end || (*start == size && *start == 0) ? 0 : -1;
}

int rain_http_content_range_parse(const char *text, int64_t *start, int64_t *end, int64_t *size)
{
	if (literal(&text, "bytes ") < 0 || digits(&text, start) < 0 || literal(&text, "-") < 0 ||
	    digits(&text, end) < 0 || literal(&text, "/") < 0 || digits(&text, size) < 0 || *text)
		return -1;
	if (*size > RAIN_LIMIT_BLOB || *end >= *size || *start > *end)
		return -1;
	(*end)++;
	return 0;
}
