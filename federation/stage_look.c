/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "federation/stage.h"
#include "federation/tree.h"

/* Longer than any of them may be needed. */
#define STALE_S (2 * 24 * 3600)

bool rain_stage_is_plain(const char *item)
{
	return *item != '/' && !rain_stage_colon(item);
}

size_t rain_stage_items(const struct rain_stage_list *list, bool plain,
			const char *items[static RAIN_STAGE_ITEMS_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++)
		if (rain_stage_is_plain(list->items[i]) == plain)
			items[count++] = list->items[i];
	return count;
}

int rain_stage_look(int root, const struct rain_stage_list *list, struct rain_digest *word,
		    struct rain_error *err)
{
	struct rain_digest_hash *hash = rain_digest_hash_create();
	int result = hash ? 0 : rain_error_set(err, "out of memory");

	for (size_t i = 0; i < list->count && result == 0; i++) {
		struct rain_bundle_print print;

		result = rain_bundle_fingerprint(root, &list->items[i], 1, &print, err);
		if (result == 0 && print.entries == 0)
			result = rain_error_set(err, "%s: there is no such file", list->items[i]);
		if (result == 0 && rain_digest_hash_add(hash, print.anywhere.sha256,
							sizeof(print.anywhere.sha256)) < 0)
			result = rain_error_set(err, "out of memory");
	}
	rain_digest_hash_finish(hash, word);
	return result;
}

static void directories_make(const char *path)
{
	char part[PATH_MAX];

	for (const char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
		size_t length = slash ? (size_t)(slash - path) : strlen(path);

		if (length >= sizeof(part))
			return;
		memcpy(part, path, length);
		part[length] = '\0';
		(void)mkdir(part, 0755); /* what can't be made can't be opened either */
		if (!slash)
			return;
	}
}

int rain_stage_directory(const char *path, bool create, struct rain_error *err)
{
	int fd;

	if (*path != '/')
		return rain_error_set(err, "the working directory %s is not absolute", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && create) {
		directories_make(path);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd < 0)
		return rain_error_set(err, "can't open the working directory %s: %s", path,
				      strerror(errno));
	return fd;
}

/* A probe, or the directory that a bundle is unpacked in (federation/bundle_unpack.c). */
static bool is_ours(const char *name)
{
	if (strncmp(name, RAIN_STAGE_PROBE_PREFIX, strlen(RAIN_STAGE_PROBE_PREFIX)) == 0)
		return true;
	return strncmp(name, ".rain-", 6) == 0 && strlen(name) == 6 + 16 &&
	       strspn(name + 6, "0123456789abcdef") == 16;
}

void rain_stage_sweep(int directory)
{
	char **names = rain_tree_names(directory, RAIN_BUNDLE_ENTRIES_MAX, NULL);
	struct stat st;

	for (size_t i = 0; names && names[i]; i++)
		if (is_ours(names[i]) &&
		    fstatat(directory, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_uid == getuid() && st.st_mtime < time(NULL) - STALE_S)
			rain_tree_remove(directory, names[i], NULL);
	rain_tree_names_free(names);
}

bool rain_stage_probe_seen(int directory, const char *probe)
{
	return *probe && !strchr(probe, '/') &&
	       faccessat(directory, probe, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}
