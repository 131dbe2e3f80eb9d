// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/tokens.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DECIMALS 6

static int tokens_error(const char *text, struct rain_error *err)
{
	return rain_error_set(err,
			      "'%.40s' is not an amount of tokens: write a number from 0 to "
			      "1000000000000 with at most six decimals, such as 12.5",
			      text);
}

int rain_tokens_parse(const char *text, int64_t *micro, struct rain_error *err)
{
	const char *c = text;
	int64_t value = 0;
	int decimals = 0;

	if (!isdigit((unsigned char)*c))
		return tokens_error(text, err);
	for (; isdigit((unsigned char)*c); c++) {
		value = value * 10 + (*c - '0');
		if (value > RAIN_TOKENS_MAX / RAIN_TOKEN_MICRO)
			return tokens_error(text, err);
	}
	if (*c == '.') {
		for (c++; isdigit((unsigned char)*c); c++) {
			if (++decimals > DECIMALS)
				return tokens_error(text, err);
			value = value * 10 + (*c - '0');
		}
		if (decimals == 0)
			return tokens_error(text, err);
	}
	if (*c != '\0')
		return tokens_error(text, err);
	for (; decimals < DECIMALS; decimals++)
		value *= 10;
	if (value > RAIN_TOKENS_MAX)
		return tokens_error(text, err);
	*micro = value;
	return 0;
}

const char *rain_tokens_format(int64_t micro, char text[static RAIN_TOKENS_TEXT_SIZE])
{
	uint64_t magnitude = micro < 0 ? -(uint64_t)micro : (uint64_t)micro;

	snprintf(text, RAIN_TOKENS_TEXT_SIZE, "%s%" PRIu64 ".%06" PRIu64, micro < 0 ? "-" : "",
		 magnitude / (uint64_t)RAIN_TOKEN_MICRO, magnitude % (uint64_t)RAIN_TOKEN_MICRO);
	return text;
}

static const char *ratio_part(const char *text, int64_t *value)
{
	int64_t read = 0;

	if (!isdigit((unsigned char)*text))
		return NULL;
	for (; isdigit((unsigned char)*text); text++) {
		read = read * 10 + (*text - '0');
		if (read > INT32_MAX)
			return NULL;
	}
	*value = read;
	return text;
}

int rain_ratio_parse(const char *text, int64_t *num, int64_t *den, struct rain_error *err)
{
	int64_t n, d = 1;
	const char *end = ratio_part(text, &n);

	if (end && *end == '/')
		end = ratio_part(end + 1, &d);
	if (!end || *end != '\0' || d == 0)
		return rain_error_set(err, "'%.40s' is not a ratio: write one such as 1/4, or 0",
				      text);
	*num = n;
	*den = d;
	return 0;
}
