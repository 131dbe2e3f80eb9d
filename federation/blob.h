/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_BLOB_H
#define RAIN_FEDERATION_BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/*
 * Content-addressed files under <state>/blobs: "ab/abcdef…" is the blob whose
 * SHA-256 is abcdef… (64 lower-case hex digits; anything else is refused).
 * Each owner ("peer-bravo", "uid-1000") of a blob has a hard link of it, which
 * is what its quota counts; the file system is the only record.
 */
#define RAIN_BLOB_NAME_SIZE 65
#define RAIN_BLOB_OWNER_SIZE 32

struct rain_blob_store;

/* Tells whether a blob is still needed (old ones that aren't are removed). */
typedef bool (*rain_blob_in_use)(void *arg, const char *sha256);

/* Opens or makes <state>/blobs and counts what is there. */
struct rain_blob_store *rain_blob_store_create(const char *state, struct rain_error *err);
void rain_blob_store_destroy(struct rain_blob_store *store);
void rain_blob_store_set_in_use(struct rain_blob_store *store, rain_blob_in_use in_use, void *arg);
/* Bounds, RAIN_LIMIT_BLOB_… by default. */
void rain_blob_store_set_quota(struct rain_blob_store *store, int64_t per_owner, int64_t total);

bool rain_blob_name_is_valid(const char *sha256);

/* Size of a whole blob, or -1 when we don't have it. */
int64_t rain_blob_size(const struct rain_blob_store *store, const char *sha256);
/* Bytes of this owner's partial upload that are there already (0: none). */
int64_t rain_blob_partial_size(const struct rain_blob_store *store, const char *sha256,
			       const char *owner);
/* Opens a whole blob for reading (the caller closes it); marks it as used. */
int rain_blob_open(struct rain_blob_store *store, const char *sha256, int64_t *size,
		   struct rain_error *err);
/* Makes `owner` an owner of a blob that is already there: quota checked. -1 with err and
 * *status, an enum rain_blob_refusal. */
int rain_blob_own(struct rain_blob_store *store, const char *sha256, const char *owner, int *status,
		  struct rain_error *err);
/* True when `owner` is one of the owners of this whole blob. */
bool rain_blob_is_owned(const struct rain_blob_store *store, const char *sha256, const char *owner);
/* Stores bytes of our own; sha256 (RAIN_BLOB_NAME_SIZE) gets the name. */
int rain_blob_add(struct rain_blob_store *store, const char *owner, const void *data,
		  size_t size, char *sha256, struct rain_error *err);
/* True while somebody writes this blob for this owner. */
bool rain_blob_is_coming(const struct rain_blob_store *store, const char *sha256,
			 const char *owner);
/* Whether `size` more bytes of `owner` would fit: -1 with err, a sentence for
 * people, when not. */
int rain_blob_room(struct rain_blob_store *store, const char *owner, int64_t size,
		   struct rain_error *err);
/* Bytes that owner has stored, and that are stored in all. */
int64_t rain_blob_owner_bytes(const struct rain_blob_store *store, const char *owner);
int64_t rain_blob_total_bytes(const struct rain_blob_store *store);

/*
 * Writing: one writer per blob and owner at a time, and nobody goes on with, or spoils,
 * what another owner has begun.  Begin checks the quotas against the
 * announced whole size before a byte is taken.  `offset` is where the writer
 * continues; it must be <= the partial's size (what is beyond is dropped).
 * Finish checks the SHA-256 and moves it into place; a wrong one is removed.  *status
 * is RAIN_BLOB_WRONG then, RAIN_BLOB_FULL or _TOO_LARGE for want of space.
 * Abort keeps the partial for a later writer. Both free the upload.
 */
struct rain_blob_upload;
enum rain_blob_refusal { RAIN_BLOB_BAD = 400, RAIN_BLOB_BUSY = 409, RAIN_BLOB_TOO_LARGE = 413,
			 RAIN_BLOB_WRONG_OFFSET = 416, RAIN_BLOB_WRONG = 422,
			 RAIN_BLOB_FAULT = 500, RAIN_BLOB_FULL = 507 };
struct rain_blob_upload *rain_blob_upload_begin(struct rain_blob_store *store,
						const char *sha256, const char *owner,
						int64_t size, int64_t offset, int *status,
						struct rain_error *err);
int rain_blob_upload_write(struct rain_blob_upload *upload, const void *data, size_t size,
			   struct rain_error *err);
int64_t rain_blob_upload_offset(const struct rain_blob_upload *upload);
int64_t rain_blob_upload_size(const struct rain_blob_upload *upload); /* announced */
int rain_blob_upload_finish(struct rain_blob_upload *upload, int *status, struct rain_error *err);
void rain_blob_upload_abort(struct rain_blob_upload *upload);

/* Notes up to where a peer was given a blob (store: struct rain_blob_store *);
 * of the last few blobs, _sent_bytes tells it again, else 0. */
void rain_blob_sent(void *store, const char *sha256, int64_t at);
int64_t rain_blob_sent_bytes(const struct rain_blob_store *store, const char *sha256);

/* Removes old partials and blobs that nobody used for long and that aren't in
 * use. Returns how many were removed. */
size_t rain_blob_store_clean(struct rain_blob_store *store, int64_t now_ms);

#endif
