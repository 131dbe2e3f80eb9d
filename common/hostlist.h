/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_COMMON_HOSTLIST_H
#define RAIN_COMMON_HOSTLIST_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"

/*
 * Slurm's host lists ("node[1-8]", "a1,b[02-04,7]"), read by libslurm itself
 * (link libhostlist.la).  The text may come from anybody: what libslurm would
 * stumble over (unknown characters, two brackets in one name, huge ranges) is
 * refused before it gets there.
 */

/* Longest text of a list, and most hosts in one. */
#define RAIN_HOSTLIST_TEXT_MAX 16384
#define RAIN_HOSTLIST_HOSTS_MAX 65536

/* True when `host` is one of the hosts of `list`.  A list that is NULL, empty
 * or malformed contains nothing. */
bool rain_hostlist_contains(const char *list, const char *host);

/* Lists the hosts, in the list's order, in a new NULL-terminated array of new
 * strings (rain_hostlist_free).  *count may be NULL.  -1 with err when the
 * list is malformed or has more than `max` hosts.  NULL and "" have none. */
int rain_hostlist_expand(const char *list, size_t max, char ***hosts, size_t *count,
			 struct rain_error *err);

/* The other way round: "node[1-8]" of node1 … node8, sorted, in a new string
 * (free()). NULL with err when there are none or too many. */
char *rain_hostlist_fold(const char *const hosts[], size_t count, struct rain_error *err);

/* Frees what rain_hostlist_expand made; NULL is fine. */
void rain_hostlist_free(char **hosts);

#endif
