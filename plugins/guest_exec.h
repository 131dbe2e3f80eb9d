/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PLUGINS_GUEST_EXEC_H
#define RAIN_PLUGINS_GUEST_EXEC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"

/*
 * How a guest's task starts:
 *
 *   rain-sandbox --job JOB --environment-fd N [--pmix-dir DIR] -- CMD ARG...
 *
 * with an environment of our own: the guest's (LD_PRELOAD and all) is only
 * data, in a sealed memfd, until the sandbox stands.
 */
struct rain_guest_task {
	const char *sandbox; /* path of rain-sandbox */
	uid_t uid; /* the guest's */
	uint32_t job, step;
	char *const *argv; /* at least one */
	char *const *environment;
};

/* Replaces this process by the sandbox. Returns only on failure, always -1. */
int rain_guest_exec(const struct rain_guest_task *task, struct rain_error *err);

/* Puts the strings, each with its NUL, into a sealed memfd that survives exec
 * and stands at its beginning. Returns the descriptor or -1. */
int rain_guest_environment_seal(char *const *environment, struct rain_error *err);

/* Tells whether `path` is the PMIx directory that Slurm made for this step,
 * and not one that the guest names: the sandbox makes it writable.  It must be
 * a real directory called pmix.JOB.STEP in one that is not `uid`'s and that only
 * its owner may write. `path` has no trailing '/'. */
bool rain_guest_pmix_directory_is_genuine(const char *path, uint32_t job, uint32_t step,
					  uid_t uid);

#endif
