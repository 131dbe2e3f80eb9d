/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entries of the cache as a job's work/, and what a job has unpacked as entries. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "federation/guest_guard_cache.h"
#include "federation/sandbox.h"
#include "federation/tree.h"

#define DIRECTORY_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static void entry_name(const struct rain_guard_cache_job *job, uint32_t i,
		       char name[static RAIN_GUEST_CACHE_NAME_SIZE])
{
	snprintf(name, RAIN_GUEST_CACHE_NAME_SIZE, "%s.%s", job->owner, job->keys[i]);
}

/* From here on nobody removes it. */
static int hold(struct rain_guard_cache_job *job, uint32_t i, const char *name,
		struct rain_error *err)
{
	char target[RAIN_GUEST_CACHE_NAME_SIZE + 32], link[16];

	snprintf(target, sizeof(target), RAIN_GUEST_CACHE_TARGET, name);
	snprintf(link, sizeof(link), "%u", i);
	if (symlinkat(target, job->own, link) < 0)
		return rain_error_set(err, "can't note the job's entry: %s", strerror(errno));
	job->has[i] = true;
	return 0;
}

static int make_own(const struct rain_guard_cache_job *job, const char *name, bool give,
		    struct rain_error *err)
{
	if (rain_tree_remove(job->own, name, err) < 0)
		return -1;
	if (mkdirat(job->own, name, 0700) < 0 ||
	    (give && fchownat(job->own, name, job->uid, job->gid, AT_SYMLINK_NOFOLLOW) < 0))
		return rain_error_set(err, "can't make %s: %s", name, strerror(errno));
	return 0;
}

static bool comes_again(const struct rain_guard_cache_job *job, uint32_t i)
{
	for (uint32_t j = i + 1; j < job->count; j++)
		if (!strcmp(job->keys[i], job->keys[j]))
			return true;
	return false;
}

/* Of two bundles with the same file the later one has it.  Names relative to the job's own
 * part, for the kernel takes no more than a page of them. */
static void options_make(const struct rain_guard_cache_job *job, char *options, size_t size)
{
	size_t length = (size_t)snprintf(options, size, "upperdir=upper,workdir=work,redirect_dir=on");

	for (uint32_t i = job->count; i-- > 0;)
		if (!comes_again(job, i)) /* it takes each but once */
			length += (size_t)snprintf(options + length, size - length, "%s%u",
						   i + 1 == job->count ? ",lowerdir=" : ":", i);
}

/* It isn't for want of memory or the like. */
static bool is_for_ever(int error)
{
	return error == ENODEV || error == EINVAL || error == EPERM || error == EOPNOTSUPP ||
	       error == EXDEV || error == ENOSYS;
}

/* work/ is absent: root makes it, whom no guest can pass should the mount not be seen. */
static int overlay_mount(struct rain_guard_cache_job *job, struct rain_error *err)
{
	char options[64 + 4 * RAIN_GUEST_CACHE_BUNDLES_MAX], target[64];
	int work, result = 0;

	if (make_own(job, "upper", true, err) < 0 || make_own(job, "work", false, err) < 0)
		return -1;
	if (mkdirat(job->under, "work", 0700) < 0)
		return rain_error_set(err, "can't make work: %s", strerror(errno));
	work = openat(job->room, "work", DIRECTORY_FLAGS);
	if (work < 0)
		return rain_error_set(err, "can't open work: %s", strerror(errno));
	options_make(job, options, sizeof(options));
	snprintf(target, sizeof(target), "/proc/self/fd/%d", work);
	if (fchdir(job->own) < 0 ||
	    mount("rain-inputs", target, "overlay", MS_NOSUID | MS_NODEV, options) < 0) {
		int error = errno;

		result = rain_error_set(err, "the kernel refuses an overlay in %s: %s",
					RAIN_GUEST_CACHE, strerror(error));
		if (is_for_ever(error))
			rain_guard_cache_refuse(&job->cache, err);
	}
	close(work);
	if (chdir("/") < 0 && result == 0)
		result = rain_error_set(err, "can't go to /: %s", strerror(errno));
	return result;
}

int rain_guard_cache_back(struct rain_guard_cache_job *job, struct rain_error *err)
{
	char path[sizeof(RAIN_GUEST_SPOOL) + 32];

	if (!job->mounted)
		return 0;
	snprintf(path, sizeof(path), "%s/%u/work", RAIN_GUEST_SPOOL, job->job);
	if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT)
		return rain_error_set(err, "can't unmount %s: %s", path, strerror(errno));
	if (unlinkat(job->under, "work", AT_REMOVEDIR) < 0 && errno != ENOENT)
		return rain_error_set(err, "can't remove work: %s", strerror(errno));
	if (renameat(job->own, "aside", job->under, "work") < 0)
		return rain_error_set(err, "can't put work back: %s", strerror(errno));
	job->mounted = false;
	return 0;
}

static int mount_all(struct rain_guard_cache_job *job, struct rain_error *err)
{
	if (rain_tree_remove(job->own, "aside", err) < 0)
		return 0;
	if (renameat(job->under, "work", job->own, "aside") < 0) {
		int error = errno;

		rain_error_set(err, "can't put work aside: %s", strerror(error));
		if (error == EXDEV)
			rain_guard_cache_refuse(&job->cache, err);
		return 0;
	}
	job->mounted = true;
	if (overlay_mount(job, err) == 0)
		return 1;
	return rain_guard_cache_back(job, err) < 0 ? -1 : 0;
}

/* 1: it is held now; 0: there is none that we could use; -1 with err. */
static int entry_take(struct rain_guard_cache_job *job, uint32_t i, const char *name,
		      struct rain_error *err)
{
	int entry = openat(job->cache.entries, name, DIRECTORY_FLAGS), tree, result = 0;
	struct stat st;

	if (entry < 0)
		return 0;
	tree = openat(entry, "tree", DIRECTORY_FLAGS);
	if (tree < 0 || fstat(tree, &st) < 0) {
		result = rain_guard_cache_throw(&job->cache, job->cache.entries, name, err);
	} else if (st.st_uid != job->uid && rain_guard_cache_is_used(&job->cache, name)) {
		result = 0; /* by a job of his under another uid */
	} else if (st.st_uid != job->uid &&
		   rain_guard_cache_walk(tree, st.st_uid, job->uid, job->gid, err) < 0) {
		result = rain_guard_cache_throw(&job->cache, job->cache.entries, name, err);
	} else if (futimens(entry, NULL) < 0) {
		result = rain_error_set(err, "can't note the use: %s", strerror(errno));
	} else {
		result = hold(job, i, name, err) < 0 ? -1 : 1;
	}
	if (tree >= 0)
		close(tree);
	close(entry);
	return result;
}

int rain_guard_cache_use(struct rain_guard_cache_job *job, struct rain_error *err)
{
	char name[RAIN_GUEST_CACHE_NAME_SIZE];
	int lock = rain_guard_cache_lock(&job->cache, err);
	uint32_t here = 0;

	for (uint32_t i = 0; lock >= 0 && i < job->count; i++) {
		entry_name(job, i, name);
		here += entry_take(job, i, name, err) > 0;
	}
	if (lock >= 0)
		close(lock);
	return here == job->count ? mount_all(job, err) : 0;
}

/* What the agent has unpacked is new/tree in the job's own part; nobody but root can reach
 * it any more. */
static int entry_make(struct rain_guard_cache_job *job, uint32_t i, const char *name,
		      struct rain_error *err)
{
	struct stat st;
	int taken;

	if (fstatat(job->own, "new/tree", &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode) ||
	    st.st_uid != job->uid)
		return rain_error_set(err, "bundle %u is no directory of the guest's", i);
	/* Another job of the same user may have been quicker. */
	taken = entry_take(job, i, name, err);
	if (taken != 0)
		return taken > 0 ? 0 : -1;
	if (renameat(job->own, "new", job->cache.entries, name) < 0)
		return rain_error_set(err, "can't make the entry: %s", strerror(errno));
	return hold(job, i, name, err);
}

static int entry_keep(struct rain_guard_cache_job *job, uint32_t i, struct rain_error *err)
{
	char name[RAIN_GUEST_CACHE_NAME_SIZE], from[32];

	entry_name(job, i, name);
	snprintf(from, sizeof(from), RAIN_GUEST_CACHE_INPUT, i);
	if (make_own(job, "new", false, err) < 0)
		return -1;
	if (renameat(job->under, from, job->own, "new/tree") < 0) {
		int error = errno;

		rain_error_set(err, "can't keep inputs in %s: %s", RAIN_GUEST_CACHE, strerror(error));
		if (error == EXDEV)
			rain_guard_cache_refuse(&job->cache, err);
		return -1;
	}
	return entry_make(job, i, name, err);
}

int rain_guard_cache_keep(struct rain_guard_cache_job *job, struct rain_error *err)
{
	int lock, result = 0;

	if (job->count == 0 || job->mounted)
		return 0;
	lock = rain_guard_cache_lock(&job->cache, err);
	if (lock < 0)
		return 0;
	for (uint32_t i = 0; i < job->count && result == 0; i++)
		if (!job->has[i])
			result = entry_keep(job, i, err);
	close(lock);
	return result < 0 ? 0 : mount_all(job, err);
}
