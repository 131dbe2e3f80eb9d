// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/guest_exec.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_all(int fd, const char *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

int rain_guest_environment_seal(char *const *environment, struct rain_error *err)
{
	int fd = memfd_create("rain-environment", MFD_ALLOW_SEALING);

	if (fd < 0)
		return rain_error_set(err, "can't keep a guest's environment in memory: %s",
				      strerror(errno));
	for (char *const *p = environment; p && *p; p++)
		if (write_all(fd, *p, strlen(*p) + 1))
			goto fail;
	if (lseek(fd, 0, SEEK_SET) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		goto fail;
	return fd;
fail:
	rain_error_set(err, "can't write a guest's environment: %s", strerror(errno));
	close(fd);
	return -1;
}

static bool closed_to(const char *directory, uid_t uid)
{
	struct stat status;

	return !lstat(directory, &status) && S_ISDIR(status.st_mode) && status.st_uid != uid &&
	       !(status.st_mode & (S_IWGRP | S_IWOTH));
}

bool rain_guest_pmix_directory_is_genuine(const char *path, uint32_t job, uint32_t step,
					  uid_t uid)
{
	char name[64], resolved[PATH_MAX], *slash;
	struct stat status;

	snprintf(name, sizeof name, "pmix.%u.%u", job, step);
	if (!realpath(path, resolved) || strcmp(path, resolved))
		return false;
	slash = strrchr(resolved, '/');
	if (!slash || slash == resolved || strcmp(slash + 1, name) || lstat(path, &status) ||
	    !S_ISDIR(status.st_mode))
		return false;
	*slash = '\0';
	return closed_to(resolved, uid);
}

/* Where the PMIx server of this step has its files, or NULL. */
static char *pmix_directory(const struct rain_guest_task *task, char path[static PATH_MAX])
{
	static const char key[] = "PMIX_SERVER_TMPDIR=";
	size_t length;

	for (char *const *p = task->environment; p && *p; p++) {
		if (strncmp(*p, key, sizeof key - 1))
			continue;
		length = strlen(*p + sizeof key - 1);
		if (!length || length >= PATH_MAX)
			return NULL;
		memcpy(path, *p + sizeof key - 1, length + 1);
		while (length > 1 && path[length - 1] == '/')
			path[--length] = '\0';
		return rain_guest_pmix_directory_is_genuine(path, task->job, task->step, task->uid)
			       ? path
			       : NULL;
	}
	return NULL;
}

int rain_guest_exec(const struct rain_guest_task *task, struct rain_error *err)
{
	char *environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", NULL};
	char job[16], fd_text[16], pmix[PATH_MAX], *directory;
	size_t count = 0, n = 0;
	char **argv;
	int fd;

	while (task->argv && task->argv[count])
		count++;
	if (!count)
		return rain_error_set(err, "a guest's task has no command");
	argv = calloc(count + 9, sizeof *argv);
	if (!argv)
		return rain_error_set(err, "no memory for a guest's command");
	fd = rain_guest_environment_seal(task->environment, err);
	if (fd < 0) {
		free(argv);
		return -1;
	}
	snprintf(job, sizeof job, "%u", task->job);
	snprintf(fd_text, sizeof fd_text, "%d", fd);
	argv[n++] = "rain-sandbox";
	argv[n++] = "--job";
	argv[n++] = job;
	argv[n++] = "--environment-fd";
	argv[n++] = fd_text;
	directory = pmix_directory(task, pmix);
	if (directory) {
		argv[n++] = "--pmix-dir";
		argv[n++] = directory;
	}
	argv[n++] = "--";
	memcpy(argv + n, task->argv, count * sizeof *argv);
	execve(task->sandbox, argv, environment);
	rain_error_set(err, "can't start %s: %s", task->sandbox, strerror(errno));
	close(fd);
	free(argv);
	return -1;
}
