/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_GUEST_CACHE_H
#define RAIN_FEDERATION_GUEST_CACHE_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

#include "federation/digest.h"

/*
 * Inputs of guests that stay unpacked on a node, for the same remote user's next
 * job with the same inputs.
 *
 * An entry is one bundle as rain-agent has unpacked it, named by its owner (a word
 * for peer and remote user that the gateway makes and Slurm brings to the Prolog)
 * and by the bundle's digests.  A digest is no key to anything: what is looked up is
 * the job's own owner's entry, and the job has no say in who that is.
 *
 * A job never gets the entries themselves, but an overlay on them: it sees the files, its
 * changes stay in its own room, and the entries as they were.  Root mounts it over the
 * job's work/: a child of the Prolog (the keeper), which answers one agent of
 * the job, in three steps:
 *
 *   use KEY…  which of these bundles are here?  When all are, they are mounted.  Else
 *             the agent unpacks each of the others into a directory input-N of its own.
 *   keep      these become entries as they are, and all are mounted.  Nothing of the
 *             guest's program runs on the node before.
 *   back      the agent doesn't see the mount (a namespace without propagation):
 *             work/ is again what it was.
 *
 * The keeper answers whoever of the job's connects first, and ends with that connection.
 * That is rain-agent, before the guest's program begins; but on the other nodes of a job
 * that has no inputs it may be the program.
 *
 * Whatever fails leaves the job with an ordinary work/, into which the agent unpacks
 * everything.
 * The job's directory is a mount of its own, shared, so that what is mounted below
 * reaches the steps that run already, and goes as a whole in the Epilog.
 *
 *   /var/spool/rain/guest-cache/   root's alone
 *     boot                         entries of another boot are thrown away: nobody
 *                                  knows what of them had reached the disk
 *     refused                      why this node can't: nothing is kept
 *     entries/OWNER.KEY/           tree/, bytes; its mtime: last used
 *     jobs/JOB/                    N -> ../../entries/OWNER.KEY/tree (it is in use),
 *                                  upper/, work/
 *     trash/                       what is being removed
 */
#define RAIN_GUEST_CACHE RAIN_SPOOLDIR "/guest-cache"

/* In the job's directory: SOCK_SEQPACKET, one message for each step. */
#define RAIN_GUEST_CACHE_SOCKET "inputs.sock"

enum rain_guest_cache_step {
	RAIN_GUEST_CACHE_USE = 'u',
	RAIN_GUEST_CACHE_KEEP = 'k',
	RAIN_GUEST_CACHE_BACK = 'b',
	RAIN_GUEST_CACHE_NONE = 'n', /* the job has no inputs: nobody will ask again */
};

/* As many as a manifest has. */
#define RAIN_GUEST_CACHE_BUNDLES_MAX 64

/* In the job's directory: where the agent unpacks bundle N. */
#define RAIN_GUEST_CACHE_INPUT "input-%u"

/* Both ends are of one build. */
struct rain_guest_cache_request {
	int64_t bytes; /* use: of all bundles */
	uint32_t step, count;
	char keys[RAIN_GUEST_CACHE_BUNDLES_MAX][RAIN_DIGEST_SIZE]; /* use: in their order */
};

enum rain_guest_cache_state {
	RAIN_GUEST_CACHE_PLAIN = 'p', /* work/ is an ordinary directory */
	RAIN_GUEST_CACHE_MOUNTED = 'm',
	RAIN_GUEST_CACHE_FAILED = 'f', /* … and what was in work/ is lost */
};

struct rain_guest_cache_answer {
	char state;
	bool has[RAIN_GUEST_CACHE_BUNDLES_MAX]; /* use, when it is plain: is here */
};

/* guest_cache.c, pure. */

/* The name of a bundle. -1: out of memory. */
int rain_guest_cache_key(const struct rain_digests *bundle, char key[static RAIN_DIGEST_SIZE]);

#define RAIN_GUEST_CACHE_NAME_SIZE (2 * RAIN_DIGEST_SIZE) /* "OWNER.KEY" with its NUL */

struct rain_guest_cache_entry {
	char name[RAIN_GUEST_CACHE_NAME_SIZE];
	int64_t bytes, used_s; /* on the disk; last used, seconds since 1970 */
	bool in_use;
	bool goes; /* set by rain_guest_cache_choose */
};

struct rain_guest_cache_bounds {
	int64_t bytes_max; /* of all entries */
	size_t entries_max;
	int64_t free, free_min; /* bytes of the file system */
	int64_t now_s, age_max_s;
};

/* Marks what has to go: all that was not used for longer than age_max_s, and the
 * longest unused until all bounds hold.  What is in use stays. */
void rain_guest_cache_choose(struct rain_guest_cache_entry *entries, size_t count,
			     const struct rain_guest_cache_bounds *bounds);

#endif
