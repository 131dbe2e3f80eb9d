// SPDX-License-Identifier: GPL-2.0-or-later
/* Writing blobs: resumable, hashed as they come. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/file.h"
#include "federation/blob_internal.h"

/* After a restart the hash of what is there must be made again.  The daemon
 * does at most this much of it at a time and asks the writer to come back. */
#define REHASH_BYTES (32 << 20)
#define REHASH_BLOCK 65536
/* The disk gets work while the blob comes, so that the last sync is short. */
#define SYNC_BYTES (8 << 20)
#define IDLE_MAX 64 /* uploads whose hash is kept while nobody writes */

/* GnuTLS' SHA-256 uses the processor's own instructions, libsodium's doesn't:
 * six times faster where there are some. */
static int hash_reset(struct rain_blob_upload *upload)
{
	if (upload->hash)
		gnutls_hash_deinit(upload->hash, NULL);
	upload->hash = NULL;
	upload->offset = upload->synced = 0;
	return gnutls_hash_init(&upload->hash, GNUTLS_DIG_SHA256) < 0 ? -1 : 0;
}

void rain_blob_upload_forget(struct rain_blob_upload *upload)
{
	TAILQ_REMOVE(&upload->store->uploads, upload, entry);
	if (upload->hash)
		gnutls_hash_deinit(upload->hash, NULL);
	if (upload->fd >= 0)
		close(upload->fd);
	free(upload);
}

/* Ends the writing: what was reserved for it is free again. */
static void release(struct rain_blob_upload *upload)
{
	if (upload->owner) {
		upload->owner->reserved -= upload->size;
		upload->store->reserved -= upload->size;
	}
	upload->size = 0;
	upload->owner = NULL;
	upload->busy = false;
	upload->used_ms = rain_clock_monotonic_ms();
}

static void forget_oldest(struct rain_blob_store *store)
{
	struct rain_blob_upload *upload, *oldest = NULL;
	size_t idle = 0;

	TAILQ_FOREACH(upload, &store->uploads, entry) {
		if (upload->busy)
			continue;
		idle++;
		if (!oldest || upload->used_ms < oldest->used_ms)
			oldest = upload;
	}
	if (idle > IDLE_MAX)
		rain_blob_upload_forget(oldest);
}

static struct rain_blob_upload *find(const struct rain_blob_store *store, const char *sha256,
				     const char *owner)
{
	struct rain_blob_upload *upload;

	TAILQ_FOREACH(upload, &store->uploads, entry)
		if (strcmp(upload->sha256, sha256) == 0 && strcmp(upload->whose, owner) == 0)
			return upload;
	return NULL;
}

bool rain_blob_is_coming(const struct rain_blob_store *store, const char *sha256, const char *owner)
{
	const struct rain_blob_upload *upload = find(store, sha256, owner);

	return upload && upload->busy;
}

static struct rain_blob_upload *open_partial(struct rain_blob_store *store, const char *sha256,
					     const char *owner, struct rain_error *err)
{
	struct rain_blob_upload *upload = calloc(1, sizeof(*upload));
	char path[RAIN_BLOB_PATH_SIZE];

	if (!upload) {
		rain_error_set(err, "out of memory");
		return NULL;
	}
	upload->store = store;
	strcpy(upload->sha256, sha256);
	strcpy(upload->whose, owner);
	TAILQ_INSERT_TAIL(&store->uploads, upload, entry);
	rain_blob_partial_path(path, owner, sha256);
	upload->fd = openat(store->directory, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (upload->fd < 0 || hash_reset(upload) < 0) {
		rain_error_set(err, "can't write a blob in %s: %s", store->path, strerror(errno));
		rain_blob_upload_forget(upload);
		return NULL;
	}
	return upload;
}

/* Brings the hash up to `offset` from the file. 1: more is to do. */
static int rehash(struct rain_blob_upload *upload, int64_t offset, struct rain_error *err)
{
	static unsigned char block[REHASH_BLOCK];
	int64_t stop = upload->offset + REHASH_BYTES;

	while (upload->offset < offset) {
		size_t want = sizeof(block);
		ssize_t got;

		if (upload->offset >= stop)
			return 1;
		if ((int64_t)want > offset - upload->offset)
			want = (size_t)(offset - upload->offset);
		got = pread(upload->fd, block, want, upload->offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return rain_error_set(err, "can't read a part of blob %.12s again: %s",
					      upload->sha256, strerror(errno));
		gnutls_hash(upload->hash, block, (size_t)got);
		upload->offset += got;
	}
	return 0;
}

/* Puts the upload at `offset`. -1 with err and *status. */
static int seek(struct rain_blob_upload *upload, int64_t offset, int *status,
		struct rain_error *err)
{
	int result;

	*status = RAIN_BLOB_FULL;
	if (offset < upload->offset && hash_reset(upload) < 0)
		return rain_error_set(err, "out of memory");
	result = rehash(upload, offset, err);
	if (result < 0)
		return -1;
	if (result > 0) {
		*status = RAIN_BLOB_BUSY;
		return rain_error_set(err, "what is here of blob %.12s is being checked: try again at "
					   "once", upload->sha256);
	}
	if (ftruncate(upload->fd, offset) < 0)
		return rain_error_set(err, "can't write a blob in %s: %s", upload->store->path,
				      strerror(errno));
	return 0;
}

static int check(const char *sha256, int64_t size, int64_t offset, int *status,
		 struct rain_error *err)
{
	*status = RAIN_BLOB_BAD;
	if (!rain_blob_name_is_valid(sha256))
		return rain_error_set(err, "a blob's name is 64 hexadecimal digits in small letters");
	if (size < 0 || offset < 0 || offset > size)
		return rain_error_set(err, "the size of blob %.12s, or where to go on, makes no sense",
				      sha256);
	*status = RAIN_BLOB_TOO_LARGE;
	if (size > RAIN_LIMIT_BLOB)
		return rain_error_set(err, "a blob is at most %lld bytes", (long long)RAIN_LIMIT_BLOB);
	return 0;
}

struct rain_blob_upload *rain_blob_upload_begin(struct rain_blob_store *store, const char *sha256,
						const char *owner_name, int64_t size, int64_t offset,
						int *status, struct rain_error *err)
{
	struct rain_blob_upload *upload;
	struct rain_blob_owner *owner;

	if (check(sha256, size, offset, status, err) < 0)
		return NULL;
	upload = find(store, sha256, owner_name);
	if (upload && upload->busy) {
		*status = RAIN_BLOB_BUSY;
		rain_error_set(err, "blob %.12s is being written by somebody else: try again later",
			       sha256);
		return NULL;
	}
	if (offset > rain_blob_partial_size(store, sha256, owner_name)) {
		*status = RAIN_BLOB_WRONG_OFFSET;
		rain_error_set(err, "only %lld bytes of blob %.12s are here",
			       (long long)rain_blob_partial_size(store, sha256, owner_name), sha256);
		return NULL;
	}
	*status = RAIN_BLOB_FULL;
	owner = rain_blob_owner_get(store, owner_name, err);
	if (!owner || (!upload && !(upload = open_partial(store, sha256, owner->name, err))))
		return NULL;
	if (seek(upload, offset, status, err) < 0 ||
	    rain_blob_reserve(store, owner, size, status, err) < 0)
		return NULL;
	upload->owner = owner;
	upload->size = size;
	upload->busy = true;
	return upload;
}

int rain_blob_upload_write(struct rain_blob_upload *upload, const void *data, size_t size,
			   struct rain_error *err)
{
	if (upload->offset + (int64_t)size > upload->size)
		return rain_error_set(err, "more comes than the %lld bytes that were announced",
				      (long long)upload->size);
	if (lseek(upload->fd, upload->offset, SEEK_SET) < 0 ||
	    rain_file_write_fd(upload->fd, data, size, err) < 0)
		return rain_error_prefix(err, "blob %.12s", upload->sha256);
	gnutls_hash(upload->hash, data, size);
	upload->offset += (int64_t)size;
	if (upload->offset - upload->synced >= SYNC_BYTES) {
		/* Only a hint to begin: the sync at the end is what counts. */
		(void)!sync_file_range(upload->fd, upload->synced, upload->offset - upload->synced,
				       SYNC_FILE_RANGE_WRITE);
		upload->synced = upload->offset;
	}
	return 0;
}

int64_t rain_blob_upload_offset(const struct rain_blob_upload *upload)
{
	return upload->offset;
}

int64_t rain_blob_upload_size(const struct rain_blob_upload *upload)
{
	return upload->size;
}

void rain_blob_upload_abort(struct rain_blob_upload *upload)
{
	struct rain_blob_store *store;

	if (!upload)
		return;
	store = upload->store;
	release(upload);
	forget_oldest(store);
}

/* Puts the complete file in its place and gives it to its owner. */
static int move_into_place(struct rain_blob_upload *upload, const char *partial, int *status,
			   struct rain_error *err)
{
	struct rain_blob_store *store = upload->store;
	char path[RAIN_BLOB_PATH_SIZE], shelf[3];

	snprintf(shelf, sizeof(shelf), "%.2s", upload->sha256);
	rain_blob_path(path, upload->sha256);
	if ((mkdirat(store->directory, shelf, 0700) < 0 && errno != EEXIST) ||
	    fdatasync(upload->fd) < 0 ||
	    renameat(store->directory, partial, store->directory, path) < 0 ||
	    fchmod(upload->fd, 0400) < 0) {
		*status = rain_blob_status(errno);
		return rain_error_set(err, "can't store blob %.12s: %s", upload->sha256,
				      strerror(errno));
	}
	store->bytes += upload->size;
	/* The name comes last: after a crash in between, nobody pays for it and it
	 * is removed as unused. */
	return rain_blob_link(store, upload->owner, upload->sha256, upload->size, status, err);
}

int rain_blob_upload_finish(struct rain_blob_upload *upload, int *status, struct rain_error *err)
{
	struct rain_blob_store *store = upload->store;
	unsigned char digest[32];
	char name[RAIN_BLOB_NAME_SIZE], partial[RAIN_BLOB_PATH_SIZE];
	int result = -1;

	*status = RAIN_BLOB_WRONG;
	rain_blob_partial_path(partial, upload->whose, upload->sha256);
	gnutls_hash_deinit(upload->hash, digest);
	upload->hash = NULL;
	sodium_bin2hex(name, sizeof(name), digest, sizeof(digest));
	if (upload->offset != upload->size) {
		rain_error_set(err, "blob %.12s ended after %lld of %lld bytes", upload->sha256,
			       (long long)upload->offset, (long long)upload->size);
	} else if (strcmp(name, upload->sha256) != 0) {
		rain_error_set(err, "the content isn't blob %.12s but %.12s", upload->sha256, name);
		unlinkat(store->directory, partial, 0);
	} else if (rain_blob_size(store, upload->sha256) >= 0) { /* somebody else's is the same */
		struct rain_blob_owner *owner = upload->owner;

		unlinkat(store->directory, partial, 0);
		release(upload);
		result = rain_blob_own(store, upload->sha256, owner->name, status, err);
	} else {
		result = move_into_place(upload, partial, status, err);
	}
	release(upload);
	rain_blob_upload_forget(upload);
	return result;
}

int rain_blob_add(struct rain_blob_store *store, const char *owner, const void *data, size_t size,
		  char *sha256, struct rain_error *err)
{
	unsigned char digest[32];
	struct rain_blob_upload *upload;
	int status;

	if (gnutls_hash_fast(GNUTLS_DIG_SHA256, data, size, digest) < 0)
		return rain_error_set(err, "out of memory");
	sodium_bin2hex(sha256, RAIN_BLOB_NAME_SIZE, digest, sizeof(digest));
	if (rain_blob_size(store, sha256) >= 0)
		return rain_blob_own(store, sha256, owner, &status, err);
	upload = rain_blob_upload_begin(store, sha256, owner, (int64_t)size, 0, &status, err);
	if (!upload)
		return -1;
	if (rain_blob_upload_write(upload, data, size, err) < 0) {
		rain_blob_upload_abort(upload);
		return -1;
	}
	return rain_blob_upload_finish(upload, &status, err);
}
