/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_COMMON_MUNGE_CRED_H
#define RAIN_COMMON_MUNGE_CRED_H

#include <stddef.h>
#include <sys/types.h>

#include "common/error.h"

/* Makes a munge credential that carries `payload` (text). The caller frees it. */
char *rain_munge_encode(const char *payload, struct rain_error *err);

/* Checks a credential, once (munge refuses replays), and tells who made it.
 * *payload is NUL-terminated, the caller frees it. */
int rain_munge_decode(const char *credential, char **payload, uid_t *uid, gid_t *gid,
		      struct rain_error *err);

#endif
