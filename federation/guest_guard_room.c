/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/guest_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "federation/sandbox.h"
#include "federation/tree.h"

static int open_directory(int at, const char *path, struct rain_error *err)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? rain_error_set(err, "can't open %s: %s", path, strerror(errno)) : fd;
}

/* A new directory is ours until it is complete, so nobody else can put
 * anything into it or in its place meanwhile. */
static int make_new(int at, const char *name, struct rain_error *err)
{
	struct stat st;
	int fd;

	if (mkdirat(at, name, 0700) < 0)
		return rain_error_set(err, "can't make %s: %s", name, strerror(errno));
	fd = open_directory(at, name, err);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0 || st.st_uid != 0) {
		close(fd);
		return rain_error_set(err, "%s is not the directory that was just made", name);
	}
	return fd;
}

static int give(int fd, uid_t uid, gid_t gid, const char *name, struct rain_error *err)
{
	if (fchown(fd, uid, gid) < 0)
		return rain_error_set(err, "can't give %s to uid %u: %s", name, uid,
				      strerror(errno));
	return 0;
}

static int fill_room(int room, uid_t uid, gid_t gid, struct rain_error *err)
{
	static const char *const names[] = {"work", "tmp"};

	for (size_t i = 0; i < 2; i++) {
		int fd = make_new(room, names[i], err);
		int result = fd < 0 ? -1 : give(fd, uid, gid, names[i], err);

		if (fd >= 0)
			close(fd);
		if (result < 0)
			return -1;
	}
	return give(room, uid, gid, "the job's directory", err);
}

static int make_in(const char *where, const char *name, bool fill, uid_t uid, gid_t gid,
		   struct rain_error *err)
{
	int at = open_directory(AT_FDCWD, where, err), fd = -1, result = -1;

	if (at < 0)
		return -1;
	/* An earlier try for the same job, or a number that is used again. */
	if (rain_tree_remove(at, name, err) == 0)
		fd = make_new(at, name, err);
	if (fd >= 0)
		result = fill ? fill_room(fd, uid, gid, err) : give(fd, uid, gid, name, err);
	if (fd >= 0)
		close(fd);
	close(at);
	return result < 0 ? rain_error_prefix(err, "%s", where) : 0;
}

static void shm_name(uint32_t job, char name[static 64])
{
	snprintf(name, 64, "%s%u", strrchr(RAIN_GUEST_SHM, '/') + 1, job);
}

int rain_guard_room_make(uint32_t job, uid_t uid, gid_t gid, struct rain_error *err)
{
	char name[16], shm[64];

	snprintf(name, sizeof(name), "%u", job);
	shm_name(job, shm);
	if (make_in(RAIN_GUEST_SPOOL, name, true, uid, gid, err) < 0)
		return -1;
	return make_in("/dev/shm", shm, false, uid, gid, err);
}

static int remove_in(const char *where, const char *name, struct rain_error *err)
{
	int at = open_directory(AT_FDCWD, where, err), result;

	if (at < 0)
		return -1;
	result = rain_tree_remove(at, name, err);
	close(at);
	return result;
}

int rain_guard_room_remove(uint32_t job, struct rain_error *err)
{
	char name[16], shm[64];
	int result;

	snprintf(name, sizeof(name), "%u", job);
	shm_name(job, shm);
	result = remove_in(RAIN_GUEST_SPOOL, name, err);
	if (remove_in("/dev/shm", shm, result == 0 ? err : NULL) < 0)
		result = -1;
	return result;
}

int rain_guard_leftovers_remove(uid_t uid, struct rain_error *err)
{
	static const char *const places[] = {"/tmp", "/var/tmp", "/dev/shm"};
	int result = 0;

	for (size_t i = 0; i < 3; i++) {
		int at = open_directory(AT_FDCWD, places[i], result == 0 ? err : NULL);

		if (at < 0 || rain_tree_remove_owned(at, uid, result == 0 ? err : NULL) < 0)
			result = -1;
		if (at >= 0)
			close(at);
	}
	return result;
}
