/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bundles on their way to the gateway: one thread packs into one file while the
 * other sends what is in the other. */
#include "federation/local_bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/json.h"
#include "federation/limits.h"

/* What tar and zstd add at most: headers of an entry with a long path and a map
 * of holes, and a little for data that doesn't shrink. */
#define ENTRY_OVERHEAD 8192
#define DATA_OVERHEAD_SHARE 128
#define OVERHEAD (1024 * 1024)

struct part {
	int fd;
	struct rain_digest_hash *hash; /* of what is in it so far */
	int64_t size;
	struct rain_digest digest;
	bool full; /* to be sent */
};

struct sending {
	struct rain_local_target *target;
	int root;
	const char *const *items;
	size_t count;
	bool allow_missing;
	const struct rain_bundle_seen *seen;
	struct rain_bundle_summary *summary;

	pthread_mutex_t lock; /* of what both threads touch: */
	pthread_cond_t changed;
	struct part parts[2];
	bool packed, given_up;

	int filling;   /* the packer's */
	int64_t ahead; /* … bytes of the parts before this one */
	int result;
	struct rain_error err;
};

int rain_local_temporary(int directory, struct rain_error *err)
{
	const char *elsewhere = getenv("TMPDIR");
	int fd = openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	char path[PATH_MAX];

	if (fd >= 0)
		return fd;
	/* Not every file system can, and not every directory may be written. */
	snprintf(path, sizeof(path), "%s/rain-XXXXXX",
		 elsewhere && *elsewhere == '/' ? elsewhere : "/var/tmp");
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return rain_error_set(err, "can't make a temporary file (%s): %s", path,
				      strerror(errno));
	unlink(path);
	return fd;
}

/* --- the packing thread --- */

static int64_t part_bound(const struct sending *sending)
{
	int64_t share = (sending->target->sent + sending->ahead) / RAIN_LOCAL_PART_SHARE;

	if (sending->target->whole)
		return INT64_MAX;
	return share > RAIN_LOCAL_PART_BYTES ? share : RAIN_LOCAL_PART_BYTES;
}

/* The part goes to the sender, and the other one is next once it has been sent. */
static int part_close(struct sending *sending, struct rain_error *err)
{
	struct part *part = &sending->parts[sending->filling];
	bool given_up;

	rain_digest_hash_finish(part->hash, &part->digest);
	part->hash = NULL;
	sending->ahead += part->size;
	sending->filling ^= 1;
	pthread_mutex_lock(&sending->lock);
	part->full = true;
	pthread_cond_broadcast(&sending->changed);
	while (sending->parts[sending->filling].full && !sending->given_up)
		pthread_cond_wait(&sending->changed, &sending->lock);
	given_up = sending->given_up;
	pthread_mutex_unlock(&sending->lock);
	sending->parts[sending->filling].size = 0;
	return given_up ? rain_error_set(err, "the sending was given up") : 0;
}

static int part_add(struct part *part, const char *data, size_t size, struct rain_error *err)
{
	if (!part->hash && !(part->hash = rain_digest_hash_create()))
		return rain_error_set(err, "out of memory");
	if (rain_digest_hash_add(part->hash, data, size) < 0)
		return rain_error_set(err, "out of memory");
	for (size_t at = 0; at < size;) {
		ssize_t put = pwrite(part->fd, data + at, size - at, part->size);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return rain_error_set(err, "can't write a temporary file: %s",
					      strerror(errno));
		at += (size_t)put;
		part->size += put;
	}
	return 0;
}

static int take(void *arg, const void *data, size_t size, struct rain_error *err)
{
	struct sending *sending = arg;

	while (size > 0) {
		struct part *part = &sending->parts[sending->filling];
		int64_t room = part_bound(sending) - part->size;
		size_t now = (int64_t)size < room ? size : (size_t)room;

		if (part_add(part, data, now, err) < 0)
			return -1;
		if (part->size == part_bound(sending) && part_close(sending, err) < 0)
			return -1;
		data = (const char *)data + now;
		size -= now;
	}
	return 0;
}

static void *pack(void *arg)
{
	struct sending *sending = arg;

	sending->result = rain_bundle_pack(sending->root, sending->items, sending->count,
					   sending->allow_missing, sending->seen, take, sending,
					   sending->summary, &sending->err);
	if (sending->result == 0 && sending->parts[sending->filling].size > 0)
		sending->result = part_close(sending, &sending->err);
	pthread_mutex_lock(&sending->lock);
	sending->packed = true;
	pthread_cond_broadcast(&sending->changed);
	pthread_mutex_unlock(&sending->lock);
	return NULL;
}

/* --- the sending thread --- */

static int part_send(struct sending *sending, struct part *part, struct rain_digests *parts,
		     struct rain_error *err)
{
	const struct rain_local_target *target = sending->target;
	char path[RAIN_LIMIT_HTTP_PATH];
	bool sent;

	snprintf(path, sizeof(path), "%s/%s%s", target->blobs, part->digest.sha256, target->query);
	if (rain_local_blob_put(target->client, path, part->fd, &part->digest, &sent, err) < 0)
		return -1;
	return rain_digests_add(parts, &part->digest, err);
}

static int parts_send(struct sending *sending, struct rain_digests *parts, struct rain_error *err)
{
	int result = 0;

	for (int which = 0;; which ^= 1) {
		struct part *part = &sending->parts[which];
		bool full;

		pthread_mutex_lock(&sending->lock);
		while (!part->full && !sending->packed)
			pthread_cond_wait(&sending->changed, &sending->lock);
		full = part->full;
		pthread_mutex_unlock(&sending->lock);
		if (!full)
			return 0;
		result = part_send(sending, part, parts, err);
		pthread_mutex_lock(&sending->lock);
		part->full = false;
		sending->given_up = result < 0;
		pthread_cond_broadcast(&sending->changed);
		pthread_mutex_unlock(&sending->lock);
		if (result < 0)
			return -1;
	}
}

/* Whether the gateway has room, before anything is read. */
static int room_ask(const struct rain_local_target *target, const struct rain_bundle_print *print,
		    struct rain_error *err)
{
	char path[RAIN_LIMIT_HTTP_PATH];
	json_t *answer;

	snprintf(path, sizeof(path), "%s?bytes=%lld", target->blobs,
		 (long long)(print->bytes + print->bytes / DATA_OVERHEAD_SHARE +
			     print->entries * ENTRY_OVERHEAD + OVERHEAD));
	answer = rain_local_json(target->client, "GET", path, NULL, 0, NULL, err);
	json_decref(answer);
	return answer ? 0 : -1;
}

static int run(struct sending *sending, struct rain_digests *parts, struct rain_error *err)
{
	pthread_t thread;
	int result, refused;

	for (int i = 0; i < 2; i++) {
		sending->parts[i].fd = rain_local_temporary(sending->target->spool, err);
		if (sending->parts[i].fd < 0)
			return -1;
	}
	refused = pthread_create(&thread, NULL, pack, sending);
	if (refused)
		return rain_error_set(err, "can't start a thread: %s", strerror(refused));
	result = parts_send(sending, parts, err);
	pthread_join(thread, NULL);
	if (result == 0 && sending->result < 0)
		result = rain_error_set(err, "%s", sending->err.text);
	return result;
}

int rain_local_bundle_send(struct rain_local_target *target, int root, const char *const items[],
			   size_t count, bool allow_missing, const struct rain_bundle_seen *seen,
			   struct rain_digests *parts, struct rain_bundle_summary *summary,
			   struct rain_error *err)
{
	struct sending sending = {.target = target, .root = root, .items = items, .count = count,
				  .allow_missing = allow_missing, .seen = seen, .summary = summary,
				  .lock = PTHREAD_MUTEX_INITIALIZER,
				  .changed = PTHREAD_COND_INITIALIZER,
				  .parts = {{.fd = -1}, {.fd = -1}}};
	struct rain_bundle_print print;
	int result;

	if (rain_bundle_fingerprint(root, items, count, &print, err) < 0)
		return -1;
	if (print.entries == 0 && allow_missing) {
		*summary = (struct rain_bundle_summary){.unmatched = count};
		return 0;
	}
	if (print.entries == 0)
		return rain_error_set(err, "%s: there is no such file", count ? items[0] : "(nothing)");
	if (room_ask(target, &print, err) < 0)
		return -1;
	result = run(&sending, parts, err);
	target->sent += sending.ahead;
	for (int i = 0; i < 2; i++) {
		rain_digest_hash_finish(sending.parts[i].hash, NULL);
		if (sending.parts[i].fd >= 0)
			close(sending.parts[i].fd);
	}
	return result;
}
