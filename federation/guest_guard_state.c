/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/guest_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/file.h"
#include "common/json.h"
#include "federation/sandbox.h"
#include "federation/tree.h"

#define NOTES RAIN_GUEST_SPOOL "/.guard"
#define NOTE_MAX (256 * 1024)
#define OLD_S 600

static int directory_make(const char *path, mode_t mode, struct rain_error *err)
{
	struct stat st;

	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return rain_error_set(err, "can't make %s: %s", path, strerror(errno));
	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != 0 || (st.st_mode & 022))
		return rain_error_set(
			err, "%s must be a directory of root that only root may write", path);
	return 0;
}

/* Guests pass through the first to their own directory, and see none other. */
static int directories_make(struct rain_error *err)
{
	char above[] = RAIN_SPOOLDIR;

	*strrchr(above, '/') = '\0';
	return directory_make(above, 0755, err) < 0 ||
			       directory_make(RAIN_SPOOLDIR, 0755, err) < 0 ||
			       directory_make(RAIN_GUEST_SPOOL, 0711, err) < 0 ||
			       directory_make(NOTES, 0700, err) < 0
		       ? -1
		       : 0;
}

int rain_guard_lock(struct rain_error *err)
{
	int fd;

	if (directories_make(err) < 0)
		return -1;
	fd = open(NOTES "/lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return rain_error_set(err, "can't open %s/lock: %s", NOTES, strerror(errno));
	while (flock(fd, LOCK_EX) < 0) {
		if (errno == EINTR)
			continue;
		close(fd);
		return rain_error_set(err, "can't lock %s: %s", NOTES, strerror(errno));
	}
	return fd;
}

static int boot_read(char boot[static 64], struct rain_error *err)
{
	size_t size;
	char *text = rain_file_read("/proc/sys/kernel/random/boot_id", 63, &size, err);

	if (!text)
		return -1;
	strcpy(boot, text);
	boot[strcspn(boot, "\n")] = '\0';
	free(text);
	return 0;
}

int rain_guard_note(const struct rain_guard_job *job, struct rain_error *err)
{
	char boot[64], path[sizeof(NOTES) + 32], *text;
	json_t *json;
	int result;

	if (boot_read(boot, err) < 0)
		return -1;
	json = rain_guard_job_json(job, boot);
	text = json ? rain_json_canonical(json) : NULL;
	json_decref(json);
	if (!text)
		return rain_error_set(err, "out of memory");
	snprintf(path, sizeof(path), "%s/%u.json", NOTES, job->job);
	result = rain_file_write(path, text, strlen(text), 0600, err);
	free(text);
	return result;
}

int rain_guard_forget(uint32_t job, struct rain_error *err)
{
	char path[sizeof(NOTES) + 32];

	snprintf(path, sizeof(path), "%s/%u.json", NOTES, job);
	if (unlink(path) < 0 && errno != ENOENT)
		return rain_error_set(err, "can't remove %s: %s", path, strerror(errno));
	return 0;
}

bool rain_guard_is_old(uint32_t job)
{
	char path[sizeof(NOTES) + 32];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%u.json", NOTES, job);
	return stat(path, &st) == 0 && time(NULL) - st.st_mtime > OLD_S;
}

/* 1: not one of now, and removed. */
static int note_load(const char *name, const char *boot, struct rain_guard_job *job,
		     struct rain_error *err)
{
	char path[sizeof(NOTES) + 300];
	json_t *json = NULL;
	size_t size;
	char *text;
	int result = -1;

	snprintf(path, sizeof(path), "%s/%s", NOTES, name);
	text = rain_file_read(path, NOTE_MAX, &size, err);
	if (text)
		json = rain_json_parse(text, size, NOTE_MAX, err);
	if (json)
		result = rain_guard_job_read(json, boot, job, err);
	json_decref(json);
	free(text);
	if (result < 0)
		return rain_error_prefix(err, "%s", path);
	if (result > 0)
		unlink(path);
	return result;
}

int rain_guard_load(struct rain_guard_jobs *jobs, struct rain_error *err)
{
	int dir = open(NOTES, O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = 0;
	char **names = dir < 0 ? NULL : rain_tree_names(dir, 4 * RAIN_GUARD_JOBS_MAX, err),
	     boot[64];

	jobs->count = 0;
	if (dir < 0)
		return rain_error_set(err, "can't read %s: %s", NOTES, strerror(errno));
	close(dir);
	if (!names || boot_read(boot, err) < 0) {
		rain_tree_names_free(names);
		return -1;
	}
	for (size_t i = 0; names[i] && result >= 0; i++) {
		const char *end = strrchr(names[i], '.');

		if (!end || strcmp(end, ".json") != 0 || names[i][0] == '.')
			continue;
		if (jobs->count == RAIN_GUARD_JOBS_MAX) {
			result = rain_error_set(err,
						"there are more than %d guest jobs on this node",
						RAIN_GUARD_JOBS_MAX);
			break;
		}
		result = note_load(names[i], boot, &jobs->list[jobs->count], err);
		jobs->count += result == 0;
	}
	rain_tree_names_free(names);
	if (result < 0)
		rain_guard_jobs_release(jobs);
	return result < 0 ? -1 : 0;
}

void rain_guard_jobs_release(struct rain_guard_jobs *jobs)
{
	for (size_t i = 0; i < jobs->count; i++)
		rain_guard_job_release(&jobs->list[i]);
	jobs->count = 0;
}
