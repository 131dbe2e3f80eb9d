// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/snapshot_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

int rain_snapshot_boot(char boot[static RAIN_SNAPSHOT_BOOT_SIZE], struct rain_error *err)
{
	int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, boot, RAIN_SNAPSHOT_BOOT_SIZE) : -1;

	if (n < 0)
		rain_error_set(err, "can't read %s: %s", BOOT_ID, strerror(errno));
	else if (n != RAIN_SNAPSHOT_BOOT_SIZE)
		rain_error_set(err, "%s is too short", BOOT_ID);
	if (fd >= 0)
		close(fd);
	return n == RAIN_SNAPSHOT_BOOT_SIZE ? 0 : -1;
}

int rain_snapshot_path(char path[static PATH_MAX], const char *directory, const char *prefix,
		       const char *name, struct rain_error *err)
{
	if (snprintf(path, PATH_MAX, "%s/%s%s", directory, prefix, name) >= PATH_MAX)
		return rain_error_set(err, "the path of %s in %s is too long", name, directory);
	return 0;
}
