// SPDX-License-Identifier: GPL-2.0-or-later
/* Bodies of HTTP requests that are no messages.  The first byte says whose: a
 * relay's manifest, an agent's end, a join, or an agent's list of outputs. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "federation/card.h"
#include "federation/limits.h"
#include "federation/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int check_blob(void *arg, const char *sha256, int64_t size)
{
	(void)arg;
	if (!rain_sha256_is_valid(sha256) || size < 0 || size > RAIN_BLOB_BYTES_MAX)
		abort();
	return 0;
}

static void check_outputs(const json_t *outputs)
{
	rain_outputs_blobs(outputs, check_blob, NULL);
	for (size_t i = 0; i < json_array_size(outputs); i++) {
		const char *path = json_string_value(json_object_get(json_array_get(outputs, i), "path"));

		if (!path || (strcmp(path, ".") != 0 && !rain_path_is_safe(path)))
			abort();
	}
}

/* What was let in is let in again, and is the same. */
static void manifest(const json_t *body)
{
	json_t *first = rain_manifest_parse(body, NULL), *again;

	if (!first)
		return;
	rain_manifest_blobs(first, check_blob, NULL);
	again = rain_manifest_parse(first, NULL);
	if (!again || !json_equal(first, again))
		abort();
	json_decref(again);
	json_decref(first);
}

static void exit_report(const json_t *body)
{
	struct rain_exit_report report;

	if (rain_exit_report_parse(body, &report, NULL) == 0) {
		if (report.code < -1 || report.code > 255 || report.signal < 0 ||
		    report.signal > RAIN_SIGNAL_MAX || report.stdout_bytes < 0 ||
		    report.stderr_bytes < 0 || strlen(report.agent) >= RAIN_AGENT_SIZE)
			abort();
		check_outputs(report.outputs);
	} else if (report.outputs) {
		abort();
	}
	json_decref(report.outputs);
}

/* Nobody here has the key that it takes, so it must be refused. */
static void join(const json_t *body)
{
	static const unsigned char key[RAIN_IDENTITY_KEY_SIZE] = {1};
	struct rain_card card;
	json_t *object;

	if (rain_card_join_parse(body, key, key, &card, &object, NULL) == 0)
		abort();
	rain_card_release(&card);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *body, *outputs;

	if (size == 0)
		return 0;
	body = rain_json_parse((const char *)data + 1, size - 1, RAIN_LIMIT_HTTP_JSON_BODY, NULL);
	if (!body)
		return 0;
	switch (data[0] % 4) {
	case 0:
		manifest(body);
		break;
	case 1:
		exit_report(body);
		break;
	case 2:
		join(body);
		break;
	default:
		outputs = rain_outputs_parse(body, "outputs", NULL);
		check_outputs(outputs);
		json_decref(outputs);
	}
	json_decref(body);
	return 0;
}
