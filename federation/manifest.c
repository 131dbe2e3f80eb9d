/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lists of files inside messages and HTTP bodies. */
#include <string.h>

#include "common/json.h"
#include "federation/message.h"

static bool has_control(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	return false;
}

bool rain_path_is_safe(const char *path)
{
	if (!*path || *path == '/' || strlen(path) > RAIN_MANIFEST_TEXT_MAX || has_control(path))
		return false;
	while (*path) {
		size_t length = strcspn(path, "/");
		if (length == 0 || (length == 1 && path[0] == '.') ||
		    (length == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		path += length;
		if (*path == '/' && !*++path)
			return false; /* "dir/" */
	}
	return true;
}

/* {sha256,size} -> a new object with only these. */
static json_t *parse_blob(const json_t *object, struct rain_error *err)
{
	const char *sha256;
	int64_t size;

	if (!json_is_object(object)) {
		rain_error_set(err, "a blob is not an object of sha256 and size");
		return NULL;
	}
	if (rain_json_string(object, "sha256", 64, &sha256, err) ||
	    rain_json_int(object, "size", 0, RAIN_BLOB_BYTES_MAX, &size, err))
		return NULL;
	if (!rain_sha256_is_valid(sha256)) {
		rain_error_set(err, "sha256 is not a SHA-256 in lower-case hexadecimal");
		return NULL;
	}
	return json_pack("{s:s, s:I}", "sha256", sha256, "size", (json_int_t)size);
}

static json_t *parse_blob_at(const json_t *object, const char *key, struct rain_error *err)
{
	json_t *blob;
	if (rain_json_object(object, key, &blob, err))
		return NULL;
	blob = parse_blob(blob, err);
	if (!blob)
		rain_error_prefix(err, "%s", key);
	return blob;
}

/* An optional array whose items `parse` copies. Adds the bytes to *total. */
static json_t *parse_array(const json_t *object, const char *key, size_t max,
			   json_t *(*parse)(const json_t *item, struct rain_error *err),
			   struct rain_error *err)
{
	json_t *from = json_object_get(object, key), *to = json_array(), *item, *copy;
	size_t i;

	if (!from || json_is_null(from))
		return to;
	if (rain_json_array(object, key, max, &from, err))
		goto fail;
	json_array_foreach(from, i, item) {
		copy = parse(item, err);
		if (!copy || json_array_append_new(to, copy)) {
			rain_error_prefix(err, "%s, item %zu", key, i + 1);
			goto fail;
		}
	}
	return to;
fail:
	json_decref(to);
	return NULL;
}

/* A blob, or {parts:[blob,…]}: one bundle, cut. */
static json_t *parse_bundle(const json_t *item, struct rain_error *err)
{
	json_t *parts;

	if (!json_is_object(item) || !json_object_get(item, "parts"))
		return parse_blob(item, err);
	parts = parse_array(item, "parts", RAIN_MANIFEST_PARTS_MAX, parse_blob, err);
	if (parts && json_array_size(parts) == 0) {
		rain_error_set(err, "a bundle has no parts");
		json_decref(parts);
		return NULL;
	}
	return parts ? json_pack("{s:o}", "parts", parts) : NULL;
}

/* Arguments may hold any bytes but NUL, which jansson refuses. */
static json_t *parse_argument(const json_t *item, struct rain_error *err)
{
	if (!json_is_string(item) || json_string_length(item) > RAIN_MANIFEST_TEXT_MAX) {
		rain_error_set(err, "an argument is not a string of at most %d bytes", RAIN_MANIFEST_TEXT_MAX);
		return NULL;
	}
	return json_string(json_string_value(item));
}

static json_t *parse_pattern(const json_t *item, struct rain_error *err)
{
	const char *text = json_string_value(item);
	if (!text || !*text || strlen(text) > RAIN_MANIFEST_TEXT_MAX || has_control(text)) {
		rain_error_set(err, "a pattern is not a plain string of 1 to %d bytes", RAIN_MANIFEST_TEXT_MAX);
		return NULL;
	}
	return json_string(text);
}

static json_t *parse_output(const json_t *item, struct rain_error *err)
{
	const char *path;
	json_t *output = parse_bundle(item, err);

	if (!output)
		return NULL;
	if (rain_json_string_or(item, "path", RAIN_MANIFEST_TEXT_MAX, ".", &path, err))
		goto fail;
	if (strcmp(path, ".") != 0 && !rain_path_is_safe(path)) {
		rain_error_set(err, "the path of an output leaves its directory or is malformed");
		goto fail;
	}
	json_object_set_new(output, "path", json_string(path));
	return output;
fail:
	json_decref(output);
	return NULL;
}

/* "direct" of a manifest; NULL when there is none, or with err when it is wrong. */
static json_t *parse_direct(const json_t *object, struct rain_error *err)
{
	json_t *direct;
	int64_t rows, columns;

	err->text[0] = '\0';
	if (!json_object_get(object, "direct"))
		return NULL;
	if (rain_json_object(object, "direct", &direct, err) ||
	    rain_json_int_or(direct, "rows", 1, RAIN_TERMINAL_MAX, 0, &rows, err) ||
	    rain_json_int_or(direct, "columns", 1, RAIN_TERMINAL_MAX, 0, &columns, err))
		return NULL;
	return rows && columns ? json_pack("{s:I, s:I}", "rows", (json_int_t)rows, "columns", (json_int_t)columns)
			       : json_object();
}

json_t *rain_manifest_parse(const json_t *object, struct rain_error *err)
{
	struct rain_error wrong = { "" };
	json_t *direct = parse_direct(object, &wrong);
	json_t *script = parse_blob_at(object, "script", err);
	json_t *environment = script ? parse_blob_at(object, "environment", err) : NULL;
	json_t *args = environment ? parse_array(object, "args", RAIN_MANIFEST_ARGS_MAX, parse_argument, err) : NULL;
	json_t *inputs = args ? parse_array(object, "inputs", RAIN_MANIFEST_INPUTS_MAX, parse_bundle, err) : NULL;
	json_t *patterns = inputs ? parse_array(object, "stage_out", RAIN_MANIFEST_PATTERNS_MAX, parse_pattern, err)
				  : NULL;
	json_t *manifest = NULL;

	if (patterns && wrong.text[0]) {
		*err = wrong;
	} else if (patterns) {
		manifest = json_pack("{s:O, s:O, s:O, s:O, s:O}", "script", script, "environment", environment,
				     "args", args, "inputs", inputs, "stage_out", patterns);
		if (direct)
			json_object_set(manifest, "direct", direct);
		if (json_dumpb(manifest, NULL, 0, JSON_COMPACT) > RAIN_MANIFEST_BYTES_MAX) {
			rain_error_set(err, "the manifest is larger than %d bytes", RAIN_MANIFEST_BYTES_MAX);
			json_decref(manifest);
			manifest = NULL;
		}
	}
	json_decref(direct);
	json_decref(script);
	json_decref(environment);
	json_decref(args);
	json_decref(inputs);
	json_decref(patterns);
	return manifest;
}

json_t *rain_outputs_parse(const json_t *object, const char *key, struct rain_error *err)
{
	json_t *outputs = parse_array(object, key, RAIN_OUTPUTS_MAX, parse_output, err);
	if (outputs && json_dumpb(outputs, NULL, 0, JSON_COMPACT) > RAIN_MANIFEST_BYTES_MAX) {
		rain_error_set(err, "the list of outputs is larger than %d bytes", RAIN_MANIFEST_BYTES_MAX);
		json_decref(outputs);
		return NULL;
	}
	return outputs;
}

static int visit_blob(const json_t *blob, rain_blob_visit visit, void *arg)
{
	const char *sha256 = json_string_value(json_object_get(blob, "sha256"));
	const json_t *parts = json_object_get(blob, "parts");

	if (parts)
		return rain_outputs_blobs(parts, visit, arg);
	return sha256 ? visit(arg, sha256, json_integer_value(json_object_get(blob, "size"))) : 0;
}

int rain_outputs_blobs(const json_t *outputs, rain_blob_visit visit, void *arg)
{
	json_t *item;
	size_t i;
	int result = 0;

	json_array_foreach(outputs, i, item)
		if ((result = visit_blob(item, visit, arg)))
			return result;
	return 0;
}

int rain_manifest_blobs(const json_t *manifest, rain_blob_visit visit, void *arg)
{
	int result = visit_blob(json_object_get(manifest, "script"), visit, arg);
	if (!result)
		result = visit_blob(json_object_get(manifest, "environment"), visit, arg);
	if (!result)
		result = rain_outputs_blobs(json_object_get(manifest, "inputs"), visit, arg);
	return result;
}
