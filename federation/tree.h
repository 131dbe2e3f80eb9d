/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_TREE_H
#define RAIN_FEDERATION_TREE_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/error.h"

/*
 * Directories in which somebody else may be renaming things at this moment:
 * every step goes through a directory's descriptor and follows no symbolic
 * link, so nothing outside of the tree can be reached.
 */

/* Deepest nesting that is followed. */
#define RAIN_TREE_DEPTH_MAX 64

/* Removes `name` in the directory `dir`, and everything below it. Absent is
 * fine. Goes on past what can't be removed and reports the first such thing. */
int rain_tree_remove(int dir, const char *name, struct rain_error *err);

/* Removes the entries directly in `dir` (and below them) that belong to uid. */
int rain_tree_remove_owned(int dir, uid_t uid, struct rain_error *err);

/* True for "a", "a/b": relative, no empty, "." or ".." component, and within
 * the bounds of length and depth. */
bool rain_tree_path_is_clean(const char *path);

/* Opens the directory `path` (clean, or "" for dir itself) below `dir`; with
 * `create`, makes the missing ones (mode 0755 less the umask). */
int rain_tree_open(int dir, const char *path, bool create, struct rain_error *err);

/* Moves everything in the directory `from` into `into`, which must be on the
 * same file system: directories are merged, anything else replaces, each by
 * one rename, what had its name. `what` names `into` in errors. */
int rain_tree_merge(int from, int into, struct rain_error *err);

/* Sorted names of a directory but "." and "..", NULL-terminated. The caller
 * frees it with rain_tree_names_free. At most `max`. */
char **rain_tree_names(int dir, size_t max, struct rain_error *err);
void rain_tree_names_free(char **names);

#endif
