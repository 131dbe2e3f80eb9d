/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_GUEST_GUARD_H
#define RAIN_FEDERATION_GUEST_GUARD_H

#include <jansson.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/config.h"
#include "common/error.h"

/* rain-guest-guard in parts. */

#define RAIN_GUARD_NODES_MAX 1024 /* addresses of one job's nodes */
#define RAIN_GUARD_DOORS_MAX 64	  /* address and port pairs */
#define RAIN_GUARD_JOBS_MAX 256	  /* guest jobs on one node */
#define RAIN_GUARD_CLOSED_MAX 8

/* Somewhere a guest may connect to. */
struct rain_guard_door {
	char address[INET6_ADDRSTRLEN];
	uint16_t port;
};

/* What one guest job on this node may reach. */
struct rain_guard_job {
	uint32_t job;
	uid_t uid;
	size_t node_count, door_count;
	char (*nodes)[INET6_ADDRSTRLEN]; /* every port but the closed ones */
	struct rain_guard_door doors[RAIN_GUARD_DOORS_MAX];
};
void rain_guard_job_release(struct rain_guard_job *job);

struct rain_guard_jobs {
	struct rain_guard_job list[RAIN_GUARD_JOBS_MAX];
	size_t count;
};

/* guest_guard_rules.c, pure: the whole table "inet rain" of nft(8) for the
 * guest uids and the jobs that are here. The caller frees it. */
char *rain_guard_rules(uid_t uid_min, uid_t uid_max, const struct rain_guard_job *jobs,
		       size_t count, const uint16_t *closed, size_t closed_count,
		       struct rain_error *err);

/* A job as it is noted in a file, and back; pure. */
json_t *rain_guard_job_json(const struct rain_guard_job *job, const char *boot);
int rain_guard_job_read(const json_t *json, const char *boot, struct rain_guard_job *job,
			struct rain_error *err);

/* guest_guard_state.c: the notes of the jobs on this node, below the spool.
 * All of it under the lock. */
int rain_guard_lock(struct rain_error *err); /* a descriptor to close */
int rain_guard_note(const struct rain_guard_job *job, struct rain_error *err);
int rain_guard_forget(uint32_t job, struct rain_error *err);
/* Those of this boot; older notes are removed. */
int rain_guard_load(struct rain_guard_jobs *jobs, struct rain_error *err);
/* It was noted so long ago that a controller which came back with an older state knew it. */
bool rain_guard_is_old(uint32_t job);
void rain_guard_jobs_release(struct rain_guard_jobs *jobs);

/* guest_guard_slurm.c: asks Slurm for the addresses of the job's nodes and of
 * slurmctld, and adds the gateway's door for agents. */
int rain_guard_addresses(struct rain_guard_job *job, const char *nodelist,
			 const struct rain_config *config, struct rain_error *err);

/* Whether Slurm says that the job has left its nodes; `is_old`: also that it doesn't know it
 * (any more). false when Slurm can't be asked. */
bool rain_guard_job_is_over(uint32_t job, bool is_old);

/* guest_guard_room.c: the job's directories on this node. */
int rain_guard_room_make(uint32_t job, uid_t uid, gid_t gid, struct rain_error *err);
int rain_guard_room_remove(uint32_t job, struct rain_error *err);
/* What the uid may have left in /tmp, /var/tmp and /dev/shm. */
int rain_guard_leftovers_remove(uid_t uid, struct rain_error *err);

/* guest_guard_kill.c: kills every process of the uid on this node and waits
 * until they are gone. */
int rain_guard_kill(uid_t uid, struct rain_error *err);

#endif
