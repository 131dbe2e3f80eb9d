/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_BLOB_INTERNAL_H
#define RAIN_FEDERATION_BLOB_INTERNAL_H

#include <gnutls/crypto.h>
#include <sys/queue.h>

#include "federation/blob.h"
#include "federation/limits.h"

/* What the files of the blob store share; nobody else includes this. */

struct rain_blob_owner {
	TAILQ_ENTRY(rain_blob_owner) entry;
	char name[RAIN_BLOB_OWNER_SIZE];
	int64_t bytes;	  /* of its whole blobs */
	int64_t reserved; /* announced by its uploads under way */
};

/* An upload, also while nobody writes: then it keeps the hash of what is there. */
struct rain_blob_upload {
	TAILQ_ENTRY(rain_blob_upload) entry;
	struct rain_blob_store *store;
	struct rain_blob_owner *owner; /* while somebody writes */
	char sha256[RAIN_BLOB_NAME_SIZE], whose[RAIN_BLOB_OWNER_SIZE];
	int fd;
	int64_t size;	/* announced */
	int64_t offset; /* hashed and written so far */
	int64_t synced; /* handed to the disk so far */
	int64_t used_ms; /* monotonic, of the last writing */
	gnutls_hash_hd_t hash;
	bool busy;
};

#define RAIN_BLOB_SENT_KEPT 64

struct rain_blob_store {
	char *path;
	int directory; /* descriptor of path */
	int64_t per_owner, total;
	int64_t bytes; /* of all whole blobs */
	int64_t reserved;
	rain_blob_in_use in_use;
	void *in_use_arg;
	TAILQ_HEAD(, rain_blob_owner) owners;
	TAILQ_HEAD(, rain_blob_upload) uploads;
	struct {
		char sha256[RAIN_BLOB_NAME_SIZE];
		int64_t at;
	} sent[RAIN_BLOB_SENT_KEPT];
	size_t sent_next; /* the oldest */
};

/* Paths below the store: "ab/abcdef…", "partial/NAME.abcdef…", "owner/NAME/abcdef…". */
#define RAIN_BLOB_PATH_SIZE (RAIN_BLOB_OWNER_SIZE + RAIN_BLOB_NAME_SIZE + 16)
void rain_blob_path(char *path, const char *sha256);
void rain_blob_partial_path(char *path, const char *owner, const char *sha256);
void rain_blob_owner_path(char *path, const char *owner, const char *sha256);

/* The owner's record, made when it is new. NULL with err. */
struct rain_blob_owner *rain_blob_owner_get(struct rain_blob_store *store, const char *name,
					    struct rain_error *err);

bool rain_blob_owner_is_valid(const char *name);

/* Calls visit for each entry of a directory below the store whose name isn't
 * one of a dot; stops when it returns -1. */
typedef int (*rain_blob_visit)(struct rain_blob_store *store, const char *directory,
			       const char *name, void *arg, struct rain_error *err);
int rain_blob_walk(struct rain_blob_store *store, const char *directory, rain_blob_visit visit,
		   void *arg, struct rain_error *err);

struct rain_blob_found {
	char sha256[RAIN_BLOB_NAME_SIZE];
	int64_t size;
	int64_t used_s;
};
struct rain_blob_list {
	struct rain_blob_found *items; /* the caller frees it */
	size_t count, space;
};
/* All whole blobs, the one that wasn't used for longest first. */
int rain_blob_find_all(struct rain_blob_store *store, struct rain_blob_list *list,
		       struct rain_error *err);

/* What a failed write says: RAIN_BLOB_FULL for want of space, else _FAULT. */
int rain_blob_status(int error);
/* Gives the blob to the owner, whose quota has been checked. -1 with err and *status. */
int rain_blob_link(struct rain_blob_store *store, struct rain_blob_owner *owner, const char *sha256,
		   int64_t size, int *status, struct rain_error *err);

/* Checks that `size` more bytes fit, removing old blobs that nobody uses.
 * 0, or -1 with err and *status. */
int rain_blob_reserve(struct rain_blob_store *store, struct rain_blob_owner *owner, int64_t size,
		      int *status, struct rain_error *err);

/* Frees an upload that nobody writes; the partial file stays. */
void rain_blob_upload_forget(struct rain_blob_upload *upload);

#endif
