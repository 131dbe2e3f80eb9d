// SPDX-License-Identifier: GPL-2.0-or-later
/* What the lender's agent gets of a stranger's job besides its files: the
 * manifest (first byte even) and the environment (odd). */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "federation/agent.h"
#include "federation/environment.h"
#include "federation/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void manifest(const char *data, size_t size)
{
	json_t *json = rain_json_parse(data, size, RAIN_LIMIT_HTTP_JSON_BODY, NULL);
	struct rain_agent_manifest manifest;

	if (!json)
		return;
	if (rain_agent_manifest_read(json, &manifest, NULL) == 0) {
		if (manifest.input_count > RAIN_AGENT_INPUTS_MAX ||
		    manifest.stage_out_count > RAIN_AGENT_INPUTS_MAX)
			abort();
		for (size_t i = 0; i < manifest.input_count; i++)
			for (size_t j = 0; j < manifest.inputs[i].count; j++)
				if (!rain_digest_is_valid(manifest.inputs[i].list[j].sha256) ||
				    manifest.inputs[i].list[j].size < 0)
					abort();
		for (size_t i = 0; i < manifest.stage_out_count; i++)
			if (*manifest.stage_out[i] == '/')
				abort();
	}
	rain_agent_manifest_release(&manifest);
	json_decref(json);
}

/* What may travel is never what Slurm, PMIx or the sandbox say themselves. */
static void environment(const char *data, size_t size)
{
	struct rain_environment given = {0}, kept = {0};

	if (rain_environment_parse(&given, data, size, NULL) == 0 && given.list &&
	    rain_environment_add_travelling(&kept, given.list, NULL) == 0)
		for (size_t i = 0; kept.list && kept.list[i]; i++)
			if (!strchr(kept.list[i], '=') || !strncmp(kept.list[i], "SLURM", 5) ||
			    !strncmp(kept.list[i], "PMIX_", 5) || !strncmp(kept.list[i], "RAIN_", 5))
				abort();
	rain_environment_release(&given);
	rain_environment_release(&kept);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] & 1)
		environment((const char *)data + 1, size - 1);
	else
		manifest((const char *)data + 1, size - 1);
	return 0;
}
