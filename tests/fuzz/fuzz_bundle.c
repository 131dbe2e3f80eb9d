// SPDX-License-Identifier: GPL-2.0-or-later
/* Bundles of a stranger's.  A first byte that is even: the file as it comes; odd:
 * the tar inside of it, so that its parser is reached. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "federation/bundle.h"
#include "federation/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int room = -1; /* holds "into", and nothing else ever */

static void room_make(void)
{
	char path[] = "/tmp/fuzz-bundle-XXXXXX";

	if (!mkdtemp(path) || (room = open(path, O_RDONLY | O_DIRECTORY)) < 0)
		abort();
}

static int file_make(const uint8_t *data, size_t size)
{
	int fd = memfd_create("bundle", 0);
	size_t bound = ZSTD_compressBound(size);
	char *packed = malloc(bound);
	size_t length = ZSTD_compress(packed, bound, data + 1, size - 1, 1);
	const void *from = data[0] & 1 ? (const void *)packed : data + 1;

	length = data[0] & 1 ? length : size - 1;
	if (write(fd, from, length) != (ssize_t)length)
		abort();
	free(packed);
	return fd;
}

/* Not with more rights than its owner gives to others, and no special bits. */
static void check(int dir)
{
	char **names = rain_tree_names(dir, RAIN_BUNDLE_ENTRIES_MAX, NULL);

	for (size_t i = 0; names && names[i]; i++) {
		struct stat st;
		int sub;

		if (!strncmp(names[i], ".rain-", 6) ||
		    fstatat(dir, names[i], &st, AT_SYMLINK_NOFOLLOW) < 0 || (st.st_mode & 07000) ||
		    !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode)))
			abort();
		sub = openat(dir, names[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
		if (sub >= 0) {
			check(sub);
			close(sub);
		}
	}
	rain_tree_names_free(names);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rain_bundle_summary summary;
	struct rain_error err;
	char **names;
	int file, into, result;

	if (size == 0)
		return 0;
	if (room < 0)
		room_make();
	if (mkdirat(room, "into", 0700) < 0)
		abort();
	into = openat(room, "into", O_RDONLY | O_DIRECTORY);
	file = file_make(data, size);
	result = rain_bundle_unpack(file, into, NULL, NULL, &summary, &err);
	if (result == 0)
		check(into);
	names = rain_tree_names(room, 10, NULL);
	if (!names || !names[0] || strcmp(names[0], "into") != 0 || names[1])
		abort();
	rain_tree_names_free(names);
	close(file);
	close(into);
	if (rain_tree_remove(room, "into", &err) < 0)
		abort();
	return 0;
}
