/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/file.h"
#include "federation/bundle.h"
#include "federation/environment.h"

/* Slurm's own bound on a script is 4 MiB. */
#define SCRIPT_MAX (4 * 1024 * 1024)
#define ARGUMENTS_MAX 256
#define ARGUMENTS_BYTES_MAX 65536

static int blob_send(struct rain_relay *relay, int fd, const struct rain_digest *digest,
		     struct rain_error *err)
{
	char path[128];
	bool sent;

	snprintf(path, sizeof(path), "/v1/blobs/%s", digest->sha256);
	return rain_local_blob_put(relay->client, path, fd, digest, &sent, err);
}

static json_t *bytes_send(struct rain_relay *relay, const void *data, size_t size,
			  struct rain_error *err)
{
	int fd = rain_local_temporary(relay->directory, err);
	struct rain_digest digest;
	json_t *result = NULL;

	if (fd < 0)
		return NULL;
	if (rain_digest_bytes(data, size, &digest, err) == 0 &&
	    rain_file_write_fd(fd, data, size, err) == 0 && blob_send(relay, fd, &digest, err) == 0)
		result = rain_local_digest_json(&digest);
	close(fd);
	return result;
}

static json_t *direct_script_send(struct rain_relay *relay, struct rain_error *err)
{
	char text[256];
	int size = rain_relay_direct_script(relay, text, sizeof(text));

	return bytes_send(relay, text, (size_t)size, err);
}

static json_t *script_send(struct rain_relay *relay, struct rain_error *err)
{
	size_t size;
	char *script = relay->direct ? NULL : rain_file_read(relay->command[0], SCRIPT_MAX, &size, err);
	json_t *result = script ? bytes_send(relay, script, size, err) : NULL;

	if (relay->direct)
		return direct_script_send(relay, err);
	free(script);
	if (!result)
		rain_error_prefix(err, "can't send the job's script");
	return result;
}

static json_t *environment_send(struct rain_relay *relay, char *const from[],
				struct rain_error *err)
{
	struct rain_environment environment = {0};
	json_t *result = NULL;
	char *data = NULL;
	size_t size;

	if (rain_environment_add_travelling(&environment, from, err) == 0)
		data = rain_environment_pack(&environment, &size, err);
	if (data)
		result = bytes_send(relay, data, size, err);
	free(data);
	rain_environment_release(&environment);
	if (!result)
		rain_error_prefix(err, "can't send the job's environment");
	return result;
}

/* The clock that stamps changes of files here. */
static int64_t file_clock_ns(int directory)
{
	int fd = rain_local_temporary(directory, NULL);
	struct stat st = {0};

	if (fd < 0)
		return 0;
	if (fstat(fd, &st) < 0)
		st.st_ctim.tv_sec = 0;
	close(fd);
	return rain_clock_nanoseconds(&st.st_ctim);
}

static int item_pack(struct rain_relay *relay, struct rain_local_target *target, const char *item,
		     const struct rain_bundle_print *before, int64_t looked_ns,
		     struct rain_digests *parts, struct rain_error *err)
{
	struct rain_bundle_print after;
	struct rain_bundle_summary summary;

	if (rain_local_bundle_send(target, relay->directory, &item, 1, false, NULL, parts, &summary,
				   err) < 0)
		return -1;
	if (rain_bundle_fingerprint(relay->directory, &item, 1, &after, NULL) == 0 &&
	    strcmp(before->key.sha256, after.key.sha256) == 0)
		rain_relay_cache_keep(before, looked_ns, parts);
	return 0;
}

/* One bundle for each item, so that what changes doesn't drag along what
 * doesn't. */
static json_t *item_send(struct rain_relay *relay, struct rain_local_target *target,
			 const char *item, struct rain_error *err)
{
	int64_t looked_ns = file_clock_ns(relay->directory);
	struct rain_digests parts = {0};
	struct rain_bundle_print before;
	json_t *result = NULL;
	bool known;

	if (rain_bundle_fingerprint(relay->directory, &item, 1, &before, err) < 0)
		return NULL;
	known = !relay->forgotten && rain_relay_cache_find(&before, &parts) &&
		(!relay->whole || parts.count == 1);
	if (!known)
		rain_digests_release(&parts);
	relay->remembered |= known;
	if (known || item_pack(relay, target, item, &before, looked_ns, &parts, err) == 0)
		result = rain_local_digests_json(&parts);
	rain_digests_release(&parts);
	return result;
}

static json_t *items_send(struct rain_relay *relay, struct rain_local_target *target,
			  struct rain_error *err)
{
	json_t *list = json_array();

	for (size_t i = 0; i < relay->stage_in.count; i++) {
		json_t *item = item_send(relay, target, relay->stage_in.items[i], err);

		if (!item || json_array_append_new(list, item) < 0) {
			rain_error_prefix(err, "--stage-in");
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* What is typed at srun is a program of this directory more often than not. */
static int program_send(struct rain_relay *relay, struct rain_local_target *target, json_t *list,
			struct rain_error *err)
{
	const char *program = relay->direct ? rain_relay_direct_program(relay) : NULL;
	json_t *item = program ? item_send(relay, target, program, err) : NULL;

	if (!program)
		return 0;
	return item ? json_array_append_new(list, item) : rain_error_prefix(err, "the program");
}

static json_t *argument_json(const struct rain_relay *relay, size_t i)
{
	const char *program = i == 0 ? rain_relay_direct_program(relay) : NULL;

	return program ? json_sprintf("./%s", program) : json_string(relay->command[i]);
}

static json_t *arguments_json(struct rain_relay *relay, struct rain_error *err)
{
	json_t *list = json_array();
	size_t bytes = 0;

	for (size_t i = relay->direct ? 0 : 1; relay->command[i]; i++) {
		bytes += strlen(relay->command[i]) + 1;
		if (i > ARGUMENTS_MAX || bytes > ARGUMENTS_BYTES_MAX) {
			rain_error_set(err,
				       "the script has more than %d arguments or %d bytes of them",
				       ARGUMENTS_MAX, ARGUMENTS_BYTES_MAX);
			json_decref(list);
			return NULL;
		}
		/* JSON is text: what isn't can't be passed on. */
		if (json_array_append_new(list, argument_json(relay, i)) < 0) {
			rain_error_set(err, "argument %zu of the script is not UTF-8", i);
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *patterns_json(struct rain_relay *relay, struct rain_error *err)
{
	json_t *list = json_array();

	for (size_t i = 0; i < relay->stage_out.count; i++) {
		const char *item = relay->stage_out.items[i];

		if (*item == '/') {
			rain_error_set(err,
				       "--stage-out: %s must be relative to the working "
				       "directory, which is another one on a peer",
				       item);
			json_decref(list);
			return NULL;
		}
		if (json_array_append_new(list, json_string(item)) < 0) {
			rain_error_set(err, "--stage-out: an item is not UTF-8");
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static int inputs_send(struct rain_relay *relay, char *const environment[], int *status,
		       struct rain_error *err)
{
	json_t *request = json_object(), *answer = NULL;
	char path[64], query[32];
	struct rain_local_target target = {
		.client = relay->client, .blobs = "/v1/blobs", .query = query,
		.spool = relay->directory, .whole = relay->whole};

	snprintf(query, sizeof(query), "?job=%u", relay->job);
	/* What can be refused without work comes first. */
	if (json_object_set_new(request, "stage_out", patterns_json(relay, err)) == 0 &&
	    json_object_set_new(request, "args", arguments_json(relay, err)) == 0 &&
	    json_object_set_new(request, "script", script_send(relay, err)) == 0 &&
	    json_object_set_new(request, "environment",
				environment_send(relay, environment, err)) == 0 &&
	    json_object_set_new(request, "inputs", items_send(relay, &target, err)) == 0 &&
	    program_send(relay, &target, json_object_get(request, "inputs"), err) == 0) {
		if (relay->direct)
			json_object_set_new(request, "direct", rain_relay_direct_json(relay));
		snprintf(path, sizeof(path), "/v1/jobs/%u/inputs", relay->job);
		answer = rain_local_json(relay->client, "POST", path, request, 0, status, err);
	}
	json_decref(request);
	json_decref(answer);
	return answer ? 0 : -1;
}

int rain_relay_inputs_send(struct rain_relay *relay, char *const environment[],
			   struct rain_error *err)
{
	int status = 0, result = inputs_send(relay, environment, &status, err);

	/* The gateway may have thrown away what it was brought once; and bundles that were
	 * packed one by one have more parts than a manifest may name. */
	if (result < 0 && (status == 409 || status == 400) && relay->remembered) {
		relay->forgotten = true;
		result = inputs_send(relay, environment, &status, err);
	}
	return result;
}
