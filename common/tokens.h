/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_COMMON_TOKENS_H
#define RAIN_COMMON_TOKENS_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/*
 * Amounts of money are signed 64-bit micro-tokens.  1 token is 1 GFLOP/s of
 * HPL-measured speed held for one hour.
 */
#define RAIN_TOKEN_MICRO INT64_C(1000000)
/* The largest amount that people may type: far from the limits of int64. */
#define RAIN_TOKENS_MAX (INT64_C(1000000000000) * RAIN_TOKEN_MICRO)

/* "-9223372036854.775808" and its NUL fit. */
#define RAIN_TOKENS_TEXT_SIZE 24

/* Reads "12", "12.5" or "0.000001" (at most six decimals, no sign, no
 * exponent, at most RAIN_TOKENS_MAX). Returns 0, or -1 with err. */
int rain_tokens_parse(const char *text, int64_t *micro, struct rain_error *err);

/* Writes always six decimals ("12.500000") into text and returns it. */
const char *rain_tokens_format(int64_t micro, char text[static RAIN_TOKENS_TEXT_SIZE]);

/* Reads a ratio "3/4" or "1" of non-negative integers below 2^31, den > 0. */
int rain_ratio_parse(const char *text, int64_t *num, int64_t *den, struct rain_error *err);

#endif
