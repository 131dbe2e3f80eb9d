/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An entry of the cache as a job's work/, and a job's work/ as an entry. */
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

/* An overlay stacks over what it has: a small page of options is enough. */
#define OPTIONS_SIZE 1024

static void entry_name(const struct rain_guard_cache_job *job, const char *key,
		       char name[static RAIN_GUEST_CACHE_NAME_SIZE])
{
	snprintf(name, RAIN_GUEST_CACHE_NAME_SIZE, "%s.%s", job->owner, key);
}

static bool is_of_another_job(const struct rain_guard_cache_job *job, const char *name)
{
	char **jobs = rain_tree_names(job->cache.jobs, SIZE_MAX, NULL);
	bool found = !jobs; /* who can't look must not touch it */

	for (size_t i = 0; jobs && jobs[i] && !found; i++) {
		char link[64], to[RAIN_GUEST_CACHE_NAME_SIZE];
		ssize_t length;

		snprintf(link, sizeof(link), "%.32s/entry", jobs[i]);
		length = readlinkat(job->cache.jobs, link, to, sizeof(to));
		found = length == (ssize_t)strlen(name) && !memcmp(to, name, (size_t)length);
	}
	rain_tree_names_free(jobs);
	return found;
}

/* From here on nobody removes it. */
static int hold(struct rain_guard_cache_job *job, const char *name, struct rain_error *err)
{
	if (symlinkat(name, job->own, "entry") < 0)
		return rain_error_set(err, "can't note the job's entry: %s", strerror(errno));
	memcpy(job->entry, name, strlen(name) + 1);
	return 0;
}

static void let_go(struct rain_guard_cache_job *job)
{
	unlinkat(job->own, "entry", 0);
	job->entry[0] = '\0';
	job->was_kept = false;
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

/* work/ is absent: root makes it, whom no guest can pass should the mount not be seen. */
static int mount_entry(struct rain_guard_cache_job *job, struct rain_error *err)
{
	char options[OPTIONS_SIZE], target[64];
	int work, result = 0;

	if (make_own(job, "upper", true, err) < 0 || make_own(job, "work", false, err) < 0)
		return -1;
	if (mkdirat(job->under, "work", 0700) < 0)
		return rain_error_set(err, "can't make work: %s", strerror(errno));
	work = openat(job->room, "work", DIRECTORY_FLAGS);
	if (work < 0)
		return rain_error_set(err, "can't open work: %s", strerror(errno));
	/* All of these are root's alone, and none holds a comma or colon. */
	snprintf(options, sizeof(options),
		 "lowerdir=%s/entries/%s/tree,upperdir=%s/jobs/%u/upper,workdir=%s/jobs/%u/work,"
		 "redirect_dir=on",
		 RAIN_GUEST_CACHE, job->entry, RAIN_GUEST_CACHE, job->job, RAIN_GUEST_CACHE,
		 job->job);
	snprintf(target, sizeof(target), "/proc/self/fd/%d", work);
	if (mount("rain-inputs", target, "overlay", MS_NOSUID | MS_NODEV, options) < 0) {
		result = rain_error_set(err, "the kernel refuses an overlay in %s: %s",
					RAIN_GUEST_CACHE, strerror(errno));
		rain_guard_cache_refuse(&job->cache, err);
	}
	close(work);
	return result;
}

static int work_unmount(const struct rain_guard_cache_job *job, struct rain_error *err)
{
	char path[sizeof(RAIN_GUEST_SPOOL) + 32];

	snprintf(path, sizeof(path), "%s/%u/work", RAIN_GUEST_SPOOL, job->job);
	if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT)
		return rain_error_set(err, "can't unmount %s: %s", path, strerror(errno));
	return 0;
}

/* The job's former work/ is `name` in `from`. */
static int work_return(const struct rain_guard_cache_job *job, int from, const char *name,
		       struct rain_error *err)
{
	if (unlinkat(job->under, "work", AT_REMOVEDIR) < 0 && errno != ENOENT)
		return rain_error_set(err, "can't remove work: %s", strerror(errno));
	if (renameat(from, name, job->under, "work") < 0)
		return rain_error_set(err, "can't put work back: %s", strerror(errno));
	return 0;
}

int rain_guard_cache_back(struct rain_guard_cache_job *job, struct rain_error *err)
{
	char tree[RAIN_GUEST_CACHE_NAME_SIZE + 8];
	int lock, result;

	if (!job->entry[0])
		return 0;
	lock = rain_guard_cache_lock(&job->cache, err);
	if (lock < 0 || work_unmount(job, err) < 0) {
		result = -1;
	} else if (job->was_kept) {
		snprintf(tree, sizeof(tree), "%s/tree", job->entry);
		result = work_return(job, job->cache.entries, tree, err);
		if (result == 0)
			result = rain_guard_cache_throw(&job->cache, job->cache.entries, job->entry,
							err);
	} else {
		result = work_return(job, job->own, "aside", err);
	}
	if (result == 0)
		let_go(job);
	if (lock >= 0)
		close(lock);
	return result;
}

/* 1: it is ours now; 0: there is none that we could use. */
static int entry_take(struct rain_guard_cache_job *job, const char *name, struct rain_error *err)
{
	int entry = openat(job->cache.entries, name, DIRECTORY_FLAGS), tree, result = 0;
	struct stat st;

	if (entry < 0)
		return 0;
	tree = openat(entry, "tree", DIRECTORY_FLAGS);
	if (tree < 0 || fstat(tree, &st) < 0) {
		result = rain_guard_cache_throw(&job->cache, job->cache.entries, name, err);
	} else if (st.st_uid != job->uid && is_of_another_job(job, name)) {
		result = 0; /* a job of his under another uid, which still runs */
	} else if (st.st_uid != job->uid &&
		   rain_guard_cache_walk(tree, st.st_uid, job->uid, job->gid, err) < 0) {
		result = rain_guard_cache_throw(&job->cache, job->cache.entries, name, err);
	} else if (futimens(entry, NULL) < 0) {
		result = rain_error_set(err, "can't note the use: %s", strerror(errno));
	} else {
		result = hold(job, name, err) < 0 ? -1 : 1;
	}
	if (tree >= 0)
		close(tree);
	close(entry);
	return result;
}

int rain_guard_cache_use(struct rain_guard_cache_job *job, const char *key, struct rain_error *err)
{
	char name[RAIN_GUEST_CACHE_NAME_SIZE];
	int lock = rain_guard_cache_lock(&job->cache, err), result = 0;

	entry_name(job, key, name);
	if (lock >= 0)
		result = entry_take(job, name, err);
	if (lock >= 0)
		close(lock);
	if (result <= 0)
		return 0;
	if (renameat(job->under, "work", job->own, "aside") < 0) {
		let_go(job);
		return 0;
	}
	if (mount_entry(job, err) == 0)
		return 1;
	return rain_guard_cache_back(job, err) < 0 ? -1 : 0;
}

/* work/ has become new/tree in the job's own part; the entry, if it is what it should be. */
static int entry_make(struct rain_guard_cache_job *job, const char *name, struct rain_error *err)
{
	struct stat st;

	/* Nobody but root can reach it any more. */
	if (fstatat(job->own, "new/tree", &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode) ||
	    st.st_uid != job->uid || faccessat(job->cache.entries, name, F_OK, 0) == 0)
		return rain_error_set(err, "work is no directory of the guest's, or there is such an "
					   "entry by now");
	if (hold(job, name, err) < 0)
		return -1;
	job->was_kept = true;
	if (renameat(job->own, "new", job->cache.entries, name) == 0)
		return 0;
	let_go(job);
	return rain_error_set(err, "can't make the entry: %s", strerror(errno));
}

int rain_guard_cache_keep(struct rain_guard_cache_job *job, const char *key,
			  struct rain_error *err)
{
	char name[RAIN_GUEST_CACHE_NAME_SIZE];
	int lock, result;

	if (job->entry[0])
		return 0;
	entry_name(job, key, name);
	if (make_own(job, "new", false, err) < 0)
		return 0;
	if (renameat(job->under, "work", job->own, "new/tree") < 0) {
		rain_error_set(err, "can't keep inputs in %s: %s", RAIN_GUEST_CACHE, strerror(errno));
		if (errno == EXDEV)
			rain_guard_cache_refuse(&job->cache, err);
		return 0;
	}
	lock = rain_guard_cache_lock(&job->cache, err);
	result = lock < 0 ? -1 : entry_make(job, name, err);
	if (lock >= 0)
		close(lock);
	if (result < 0)
		return work_return(job, job->own, "new/tree", err);
	if (mount_entry(job, err) == 0)
		return 1;
	return rain_guard_cache_back(job, err) < 0 ? -1 : 0;
}
