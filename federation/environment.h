/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_ENVIRONMENT_H
#define RAIN_FEDERATION_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"

/* Sets of environment variables, and what of one may travel between clusters.
 * Pure. */

/* Of one variable ("NAME=value" and its NUL), of all, and how many. The first
 * is the kernel's own bound. */
#define RAIN_ENVIRONMENT_ITEM_MAX 131072
#define RAIN_ENVIRONMENT_BYTES_MAX (1024 * 1024)
#define RAIN_ENVIRONMENT_COUNT_MAX 4096

/* All zero is an empty one. */
struct rain_environment {
	char **list; /* "NAME=value", NULL-terminated when not NULL */
	size_t count;
};

void rain_environment_release(struct rain_environment *environment);

/* Reads items that each end with a NUL, as /proc/PID/environ has them. Later
 * ones win. Items without a valid name are left out. */
int rain_environment_parse(struct rain_environment *environment, const char *data, size_t size,
			   struct rain_error *err);

/* The other way round; the caller frees it. */
char *rain_environment_pack(const struct rain_environment *environment, size_t *size,
			    struct rain_error *err);

/* Sets (over what there is) or removes a variable. */
int rain_environment_set(struct rain_environment *environment, const char *name,
			 const char *value, struct rain_error *err);
/* The value, borrowed, or NULL. */
const char *rain_environment_get(const struct rain_environment *environment, const char *name);

/* Adds what of `from` may leave this cluster: no variable that describes this
 * job, machine, session or user, and none whose name says that it is a secret.
 * Out of bounds: -1 with err, naming the variable. */
int rain_environment_add_travelling(struct rain_environment *environment, char *const from[],
				    struct rain_error *err);

/* Whether a variable may leave; on the lender, whether a foreign one may come
 * in. `name` need not end at its '='. */
bool rain_environment_travels(const char *name);

/* Adds the variables of `from` whose names begin with the prefix. */
int rain_environment_add_prefix(struct rain_environment *environment, char *const from[],
				const char *prefix, struct rain_error *err);

#endif
