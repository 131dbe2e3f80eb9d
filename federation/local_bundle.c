/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/local_bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/json.h"
#include "federation/limits.h"
#include "federation/local_transfer.h"

#define PIPE_SIZE (1024 * 1024)
#define PAUSE_FIRST_MS 50
#define PAUSE_LAST_MS 5000
/* What tar and zstd add at most: headers of an entry with a long path and a map
 * of holes, and a little for data that doesn't shrink. */
#define ENTRY_OVERHEAD 8192
#define DATA_OVERHEAD_SHARE 128
#define OVERHEAD (1024 * 1024)

static int pipe_open(int ends[2], struct rain_error *err)
{
	if (pipe2(ends, O_CLOEXEC) < 0)
		return rain_error_set(err, "can't make a pipe: %s", strerror(errno));
	/* Smaller ones do, too. */
	(void)fcntl(ends[1], F_SETPIPE_SZ, PIPE_SIZE);
	return 0;
}

/* --- out --- */

struct packing {
	pthread_t thread;
	int root, out;
	const char *const *items;
	size_t count;
	bool allow_missing;
	const struct rain_bundle_seen *seen;
	struct rain_bundle_summary *summary;
	int result;
	struct rain_error err;
};

static void *pack(void *arg)
{
	struct packing *packing = arg;

	packing->result = rain_bundle_pack(packing->root, packing->items, packing->count,
					   packing->allow_missing, packing->seen, packing->out, packing->summary,
					   &packing->err);
	close(packing->out);
	return NULL;
}

/* What the gateway has must be what was packed. */
static int answer_check(const struct rain_local_answer *answer, const struct packing *packing,
			const char *path, struct rain_error *err)
{
	struct rain_digest there;
	json_t *object;
	int result;

	if (answer->status != 201)
		return rain_local_answer_error(answer, path, err);
	object = rain_json_parse(answer->body, answer->size, RAIN_LIMIT_CARD, err);
	result = object ? rain_local_digest_read(object, &there, err) : -1;
	json_decref(object);
	if (result == 0 && (there.size != packing->summary->digest.size ||
			    strcmp(there.sha256, packing->summary->digest.sha256) != 0))
		result = rain_error_set(err, "what reached the gateway is another bundle (%.12s) "
					     "than what was sent (%.12s)",
					there.sha256, packing->summary->digest.sha256);
	return result;
}

/* One try. 0: it is there; 1: again; -1 */
static int send_once(struct rain_local_client *client, const char *path, struct packing *packing,
		     const char *bound, struct rain_error *err)
{
	struct rain_local_answer answer = {0};
	struct rain_local_transfer transfer = {
		.method = "POST",
		.path = path,
		.in = -1,
		.in_size = -1,
		.out = -1,
		.answer = &answer,
		.wait_s = 60,
		.max = RAIN_LIMIT_CARD,
		.headers = {"Content-Type: application/octet-stream", bound},
	};
	int ends[2], result, refused;

	if (pipe_open(ends, err) < 0)
		return -1;
	transfer.in = ends[0];
	packing->out = ends[1];
	refused = pthread_create(&packing->thread, NULL, pack, packing);
	if (refused) {
		close(ends[0]);
		close(ends[1]);
		return rain_error_set(err, "can't start a thread: %s", strerror(refused));
	}
	result = rain_local_transfer_run(client, &transfer, false, err);
	close(ends[0]); /* who still packs sees that nobody reads */
	pthread_join(packing->thread, NULL);
	if (result == 0 && answer.status == 201 && packing->result < 0)
		result = rain_error_set(err, "%s", packing->err.text);
	else if (result == 0)
		result = answer_check(&answer, packing, path, err);
	rain_local_answer_release(&answer);
	return result;
}

int rain_local_bundle_send(struct rain_local_client *client, const char *path, int root,
			   const char *const items[], size_t count, bool allow_missing,
			   const struct rain_bundle_seen *seen,
			   struct rain_bundle_summary *summary, struct rain_error *err)
{
	struct packing packing = {.root = root, .items = items, .count = count,
				  .allow_missing = allow_missing, .seen = seen, .summary = summary};
	struct rain_bundle_print print;
	int pause = PAUSE_FIRST_MS, result;
	char bound[64];

	if (rain_bundle_fingerprint(root, items, count, &print, err) < 0)
		return -1;
	if (print.entries == 0 && allow_missing) {
		*summary = (struct rain_bundle_summary){.unmatched = count};
		return 0;
	}
	if (print.entries == 0)
		return rain_error_set(err, "%s: there is no such file", count ? items[0] : "(nothing)");
	snprintf(bound, sizeof(bound), "Rain-Size-Max: %lld",
		 (long long)(print.bytes + print.bytes / DATA_OVERHEAD_SHARE +
			     print.entries * ENTRY_OVERHEAD + OVERHEAD));
	while ((result = send_once(client, path, &packing, bound, err)) > 0) {
		rain_local_client_pause(client, pause);
		pause = pause * 2 > PAUSE_LAST_MS ? PAUSE_LAST_MS : pause * 2;
		if (rain_local_client_is_cancelled(client))
			return rain_error_set(err, "the upload was given up");
	}
	return result;
}

/* --- in --- */

struct fetching {
	pthread_t thread;
	struct rain_local_client *client;
	const char *path;
	const struct rain_digest *digest;
	int out, result;
	struct rain_error err;
};

static void *fetch(void *arg)
{
	struct fetching *fetching = arg;

	fetching->result = rain_local_blob_pipe(fetching->client, fetching->path, fetching->out,
						fetching->digest, &fetching->err);
	close(fetching->out);
	return NULL;
}

/* Called at the end of the pipe: the other end is closed, so this won't wait. */
static int is_whole(void *arg, struct rain_error *err)
{
	struct fetching *fetching = arg;

	pthread_join(fetching->thread, NULL);
	fetching->out = -1; /* joined */
	return fetching->result < 0 ? rain_error_set(err, "%s", fetching->err.text) : 0;
}

int rain_local_bundle_get(struct rain_local_client *client, const char *path,
			  const struct rain_digest *digest, int into, rain_bundle_accept accept,
			  void *arg, struct rain_error *err)
{
	struct fetching fetching = {.client = client, .path = path, .digest = digest};
	struct rain_bundle_summary summary;
	int ends[2], result, refused;

	if (pipe_open(ends, err) < 0)
		return -1;
	fetching.out = ends[1];
	refused = pthread_create(&fetching.thread, NULL, fetch, &fetching);
	if (refused) {
		close(ends[0]);
		close(ends[1]);
		return rain_error_set(err, "can't start a thread: %s", strerror(refused));
	}
	result = rain_bundle_unpack_pipe(ends[0], into, accept, arg, is_whole, &fetching, &summary,
					 err);
	close(ends[0]);
	if (fetching.out >= 0) {
		/* Unpacking failed before the end; perhaps because too little came. */
		pthread_join(fetching.thread, NULL);
		if (fetching.result < 0 && fetching.result != RAIN_LOCAL_PIPE_CLOSED)
			result = rain_error_set(err, "%s", fetching.err.text);
	}
	return result;
}
