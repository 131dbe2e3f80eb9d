/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_GUEST_GUARD_CACHE_H
#define RAIN_FEDERATION_GUEST_GUARD_CACHE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/config.h"
#include "common/error.h"
#include "federation/guest_cache.h"

/* Root's part of the cache of guests' inputs (guest_cache.h): what
 * rain-guest-guard and its keeper do on a node. */

/* Of a job's link to an entry of this name. */
#define RAIN_GUEST_CACHE_TARGET "../../entries/%s/tree"

struct rain_guard_cache {
	int top, entries, jobs, trash; /* directories below RAIN_GUEST_CACHE */
};

/* One guest job of this node, as the Prolog knows it. */
struct rain_guard_cache_job {
	struct rain_guard_cache cache;
	uint32_t job;
	uid_t uid;
	gid_t gid;
	char owner[RAIN_DIGEST_SIZE];
	int own;   /* jobs/JOB */
	int under; /* the job's directory below its mount, and in it: what is renamed */
	int room;  /* is of the one, what is mounted of the other */
	uint32_t count; /* bundles, once it was asked for them */
	char keys[RAIN_GUEST_CACHE_BUNDLES_MAX][RAIN_DIGEST_SIZE];
	bool has[RAIN_GUEST_CACHE_BUNDLES_MAX]; /* held by this job */
	bool mounted;
};

/* guest_guard_cache.c: makes the directories where they are missing and opens
 * them; what another boot has left is thrown away. -1 with err. */
int rain_guard_cache_open(struct rain_guard_cache *cache, struct rain_error *err);
void rain_guard_cache_close(struct rain_guard_cache *cache);
/* A descriptor to close; nothing is renamed or removed without it. -1 with err. */
int rain_guard_cache_lock(const struct rain_guard_cache *cache, struct rain_error *err);
/* Notes that this file system can't, until the next boot. */
void rain_guard_cache_refuse(const struct rain_guard_cache *cache, const struct rain_error *why);
/* NULL, or why; the caller frees it. */
char *rain_guard_cache_refusal(const struct rain_guard_cache *cache);
/* Out of sight; the name is free again. */
int rain_guard_cache_throw(const struct rain_guard_cache *cache, int dir, const char *name,
			   struct rain_error *err);

/* Whether a job holds the entry. */
bool rain_guard_cache_is_used(const struct rain_guard_cache *cache, const char *name);

/* guest_guard_cache_mount.c: the steps of guest_cache.h, with the lock taken where it
 * is needed; `use` begins with the job's keys.  1: all is mounted; 0: work/ is as it was,
 * and err may say why; -1 with err: it is lost. */
int rain_guard_cache_use(struct rain_guard_cache_job *job, struct rain_error *err);
int rain_guard_cache_keep(struct rain_guard_cache_job *job, struct rain_error *err);
int rain_guard_cache_back(struct rain_guard_cache_job *job, struct rain_error *err);

/* guest_guard_cache_trim.c: removes what the bounds don't allow; `need` bytes more
 * are to become free. */
int rain_guard_cache_trim(const struct rain_guard_cache *cache, int64_t bytes_max, int64_t need,
			  struct rain_error *err);
/* [{owner, key, bytes, used, in_use}], and why there is nothing. NULL with err. */
json_t *rain_guard_cache_list(const struct rain_guard_cache *cache, struct rain_error *err);
/* Bytes on the disk of a tree of `from`'s. With another uid `to` gives all of it to him;
 * what isn't a tree of files of `from`'s alone is an error. -1 with err. */
int64_t rain_guard_cache_walk(int tree, uid_t from, uid_t to, gid_t gid, struct rain_error *err);

/* guest_guard_cache_show.c: for people, or programs; an exit code. */
int rain_guard_cache_show(bool as_json);

/* guest_guard_keeper.c: the child of the Prolog. Begun when the job's directory is
 * complete; ended by the Epilog, which also takes the mounts away. */
int rain_guard_keeper_begin(uint32_t job, uid_t uid, gid_t gid, const struct rain_config *config,
			    struct rain_error *err);
int rain_guard_keeper_end(uint32_t job, struct rain_error *err);
/* Removes what the bounds don't allow and what was thrown away: it may take its time.  What
 * fails is said, and may go after the next job. */
void rain_guard_keeper_tidy(const struct rain_config *config);

#endif
