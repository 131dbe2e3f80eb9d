/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PLUGINS_GUEST_CONFINE_H
#define RAIN_PLUGINS_GUEST_CONFINE_H

#include "common/error.h"

/*
 * A guest's tasks run in the sandbox, but the slurmstepd around them opens
 * files and runs programs for the guest too: the files of `srun --input`, and
 * `srun --task-epilog`.  These two shut that side door.  Both act on the
 * calling thread and all that it starts later, need root, and can't be undone.
 */

/* Gives this process a mount namespace of its own, in which the places where
 * the owner keeps files (/home and the like) are empty. */
int rain_guest_confine_files(struct rain_error *err);

/* From now on execve fails with EPERM. For steps of anybody on the head, too. */
int rain_guest_confine_exec(struct rain_error *err);

#endif
