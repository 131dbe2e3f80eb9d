// SPDX-License-Identifier: GPL-2.0-or-later
/* Preloaded into rain-ledgerd by test_ledgerd.sh: dies as from kill -9 at the
 * moment a booked record would be deleted, which is after the COMMIT. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

__attribute__((visibility("default"))) int unlink(const char *path)
{
	size_t length = strlen(path);

	if (length > 5 && strcmp(path + length - 5, ".json") == 0)
		kill(getpid(), SIGKILL);
	return unlinkat(AT_FDCWD, path, 0);
}
