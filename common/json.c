// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/json.h"

#include <inttypes.h>
#include <string.h>

static const char *type_name(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
		return "an integer";
	case JSON_REAL:
		return "a real number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "a boolean";
	case JSON_NULL:
		return "null";
	}
	return "something else";
}

/* The value of a required field, or NULL with err. */
static json_t *required(const json_t *object, const char *key, struct rain_error *err)
{
	json_t *value = json_object_get(object, key);

	if (!value)
		rain_error_set(err, "the field '%s' is missing", key);
	return value;
}

static int wrong_type(const char *key, const char *wanted, const json_t *value,
		      struct rain_error *err)
{
	return rain_error_set(err, "the field '%s' must be %s, not %s", key, wanted,
			      type_name(value));
}

json_t *rain_json_parse(const char *text, size_t size, size_t max, struct rain_error *err)
{
	json_error_t why;
	json_t *value;

	if (size > max) {
		rain_error_set(err, "the JSON text has %zu bytes, at most %zu are allowed", size,
			       max);
		return NULL;
	}
	value = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);
	if (!value) {
		rain_error_set(err, "not valid JSON: %s (line %d, column %d)", why.text, why.line,
			       why.column);
		return NULL;
	}
	if (!json_is_object(value)) {
		rain_error_set(err, "a JSON object is wanted, not %s", type_name(value));
		json_decref(value);
		return NULL;
	}
	return value;
}

int rain_json_int(const json_t *object, const char *key, int64_t min, int64_t max,
		  int64_t *value, struct rain_error *err)
{
	const json_t *field = required(object, key, err);

	if (!field)
		return -1;
	if (!json_is_integer(field))
		return wrong_type(key, "an integer", field, err);
	if (json_integer_value(field) < min || json_integer_value(field) > max)
		return rain_error_set(err,
				      "the field '%s' is %" JSON_INTEGER_FORMAT
				      ", allowed is %" PRId64 " to %" PRId64,
				      key, json_integer_value(field), min, max);
	*value = json_integer_value(field);
	return 0;
}

int rain_json_string(const json_t *object, const char *key, size_t max_length,
		     const char **value, struct rain_error *err)
{
	const json_t *field = required(object, key, err);

	if (!field)
		return -1;
	if (!json_is_string(field))
		return wrong_type(key, "a string", field, err);
	/* jansson refuses \u0000 by default, so length and strlen agree. */
	if (json_string_length(field) > max_length)
		return rain_error_set(err, "the field '%s' has %zu bytes, at most %zu are allowed",
				      key, json_string_length(field), max_length);
	*value = json_string_value(field);
	return 0;
}

int rain_json_bool(const json_t *object, const char *key, int *value, struct rain_error *err)
{
	const json_t *field = required(object, key, err);

	if (!field)
		return -1;
	if (!json_is_boolean(field))
		return wrong_type(key, "true or false", field, err);
	*value = json_is_true(field);
	return 0;
}

int rain_json_array(const json_t *object, const char *key, size_t max_items, json_t **value,
		    struct rain_error *err)
{
	json_t *field = required(object, key, err);

	if (!field)
		return -1;
	if (!json_is_array(field))
		return wrong_type(key, "an array", field, err);
	if (json_array_size(field) > max_items)
		return rain_error_set(err, "the field '%s' has %zu items, at most %zu are allowed",
				      key, json_array_size(field), max_items);
	*value = field;
	return 0;
}

int rain_json_object(const json_t *object, const char *key, json_t **value,
		     struct rain_error *err)
{
	json_t *field = required(object, key, err);

	if (!field)
		return -1;
	if (!json_is_object(field))
		return wrong_type(key, "an object", field, err);
	*value = field;
	return 0;
}

static int absent(const json_t *object, const char *key)
{
	const json_t *field = json_object_get(object, key);

	return !field || json_is_null(field);
}

int rain_json_int_or(const json_t *object, const char *key, int64_t min, int64_t max,
		     int64_t fallback, int64_t *value, struct rain_error *err)
{
	if (absent(object, key)) {
		*value = fallback;
		return 0;
	}
	return rain_json_int(object, key, min, max, value, err);
}

int rain_json_string_or(const json_t *object, const char *key, size_t max_length,
			const char *fallback, const char **value, struct rain_error *err)
{
	if (absent(object, key)) {
		*value = fallback;
		return 0;
	}
	return rain_json_string(object, key, max_length, value, err);
}

char *rain_json_canonical(const json_t *value)
{
	return json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);
}
