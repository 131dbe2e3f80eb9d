/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_COMMON_JSON_H
#define RAIN_COMMON_JSON_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/*
 * Reading JSON that somebody else wrote: every field has a type and a bound,
 * and an error names the field, what was found and what is allowed.
 * Unknown fields are ignored.  Strings are borrowed from the object.
 */

/* Parses exactly one JSON object of at most `max` bytes (depth is bounded by
 * jansson). Returns a new reference or NULL with err. */
json_t *rain_json_parse(const char *text, size_t size, size_t max, struct rain_error *err);

/* Required fields. -1 with err when absent, of another type or out of bounds. */
int rain_json_int(const json_t *object, const char *key, int64_t min, int64_t max,
		  int64_t *value, struct rain_error *err);
int rain_json_string(const json_t *object, const char *key, size_t max_length,
		     const char **value, struct rain_error *err);
int rain_json_bool(const json_t *object, const char *key, int *value, struct rain_error *err);
int rain_json_array(const json_t *object, const char *key, size_t max_items,
		    json_t **value, struct rain_error *err);
int rain_json_object(const json_t *object, const char *key, json_t **value,
		     struct rain_error *err);

/* Optional fields: when absent (or null) *value gets `fallback`; still -1 when
 * present and wrong. */
int rain_json_int_or(const json_t *object, const char *key, int64_t min, int64_t max,
		     int64_t fallback, int64_t *value, struct rain_error *err);
int rain_json_string_or(const json_t *object, const char *key, size_t max_length,
			const char *fallback, const char **value, struct rain_error *err);

/* The canonical bytes that signatures cover: compact, keys sorted. The caller
 * frees them. NULL when out of memory. */
char *rain_json_canonical(const json_t *value);

#endif
