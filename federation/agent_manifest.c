/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/agent.h"

#include <string.h>

#include "common/json.h"
#include "federation/bundle.h"
#include "federation/tree.h"

#define ARG_MAX_BYTES 65536

static int digest_field(const json_t *json, const char *key, struct rain_digest *digest,
			struct rain_error *err)
{
	json_t *object;

	if (rain_json_object(json, key, &object, err) < 0)
		return -1;
	return rain_local_digest_read(object, digest, err) < 0 ? rain_error_prefix(err, "%s", key)
							       : 0;
}

static int inputs_field(const json_t *json, struct rain_agent_manifest *manifest,
			struct rain_error *err)
{
	json_t *list;

	if (rain_json_array(json, "inputs", RAIN_AGENT_INPUTS_MAX, &list, err) < 0)
		return -1;
	manifest->input_count = json_array_size(list);
	for (size_t i = 0; i < manifest->input_count; i++)
		if (rain_local_digests_read(json_array_get(list, i), &manifest->inputs[i], err) < 0)
			return rain_error_prefix(err, "inputs");
	return 0;
}

static int strings_field(const json_t *json, const char *key, size_t max, const char **strings,
			 size_t *count, struct rain_error *err)
{
	json_t *list;

	if (rain_json_array(json, key, max, &list, err) < 0)
		return -1;
	*count = json_array_size(list);
	for (size_t i = 0; i < *count; i++) {
		strings[i] = json_string_value(json_array_get(list, i));
		if (!strings[i] || json_string_length(json_array_get(list, i)) > ARG_MAX_BYTES)
			return rain_error_set(err,
					      "%s: item %zu is not a string of at most %d bytes",
					      key, i, ARG_MAX_BYTES);
	}
	return 0;
}

static int manifest_fill(json_t *json, struct rain_agent_manifest *manifest, struct rain_error *err)
{
	size_t count;

	if (digest_field(json, "script", &manifest->script, err) < 0 ||
	    digest_field(json, "environment", &manifest->environment, err) < 0 ||
	    inputs_field(json, manifest, err) < 0 ||
	    strings_field(json, "args", RAIN_AGENT_ARGS_MAX, manifest->args, &count, err) < 0 ||
	    strings_field(json, "stage_out", RAIN_AGENT_INPUTS_MAX, manifest->stage_out,
			  &manifest->stage_out_count, err) < 0)
		return rain_error_prefix(err, "the manifest is wrong");
	if (manifest->script.size > RAIN_AGENT_SCRIPT_MAX ||
	    manifest->environment.size > RAIN_ENVIRONMENT_BYTES_MAX)
		return rain_error_set(err, "the manifest's script or environment is too large");
	/* Nothing of this machine goes out that isn't below the job's work. */
	for (size_t i = 0; i < manifest->stage_out_count; i++)
		if (*manifest->stage_out[i] == '/')
			return rain_error_set(
				err, "the manifest is wrong: stage_out: %.100s is absolute",
				manifest->stage_out[i]);
	manifest->json = json_incref(json);
	manifest->parts = json_is_true(json_object_get(json, "parts"));
	manifest->direct = json_is_object(json_object_get(json, "direct"));
	if (!manifest->direct)
		return 0;
	return rain_json_int_or(json_object_get(json, "direct"), "rows", 0, 65535, 0, &manifest->rows, err) < 0 ||
			       rain_json_int_or(json_object_get(json, "direct"), "columns", 0, 65535, 0,
						&manifest->columns, err) < 0
		       ? -1 : 0;
}

int rain_agent_manifest_read(json_t *json, struct rain_agent_manifest *manifest,
			     struct rain_error *err)
{
	int result;

	memset(manifest, 0, sizeof(*manifest));
	result = manifest_fill(json, manifest, err);
	if (result < 0)
		rain_agent_manifest_release(manifest);
	return result;
}

void rain_agent_manifest_release(struct rain_agent_manifest *manifest)
{
	json_decref(manifest->json);
	for (size_t i = 0; i < manifest->input_count; i++)
		rain_digests_release(&manifest->inputs[i]);
	memset(manifest, 0, sizeof(*manifest));
}
