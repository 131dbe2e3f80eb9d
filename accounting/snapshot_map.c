// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/snapshot_map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "accounting/snapshot_file.h"

/* The directory is closed to others; both sides of it are different users. */
#define MODE 0644

/* Takes over what an earlier rain-ledgerd left. */
static void take_over(struct rain_snapshot_writer *writer, const char *path, size_t count,
		      const char *boot)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat status;
	void *block;

	if (fd < 0)
		return;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid() &&
	    status.st_size >= (off_t)rain_snapshot_size(RAIN_SNAPSHOT_SLOTS_MIN) &&
	    status.st_size <= (off_t)RAIN_SNAPSHOT_FILE_MAX &&
	    /* no hole that a full disk couldn't fill */
	    posix_fallocate(fd, 0, status.st_size) == 0) {
		block = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (block != MAP_FAILED) {
			writer->block = block;
			writer->size = (size_t)status.st_size;
			if (!rain_snapshot_fits(block, writer->size, count, boot))
				rain_snapshot_writer_release(writer);
		}
	}
	close(fd);
}

/* A new file under a temporary name, mapped and empty. */
static int make(struct rain_snapshot_writer *writer, const char *temporary, size_t count,
		const char *boot, struct rain_error *err)
{
	size_t slots = rain_snapshot_slots(count), size = rain_snapshot_size(slots);
	void *block = MAP_FAILED;
	int fd, rc;

	unlink(temporary);
	fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, MODE);
	if (fd < 0)
		return rain_error_set(err, "can't make %s: %s", temporary, strerror(errno));
	rc = fchmod(fd, MODE) < 0 ? errno : posix_fallocate(fd, 0, (off_t)size);
	if (rc == 0) {
		block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		rc = block == MAP_FAILED ? errno : 0;
	}
	close(fd);
	if (rc != 0) {
		unlink(temporary);
		return rain_error_set(err, "can't write %s: %s", temporary, strerror(rc));
	}
	rain_snapshot_init(block, slots, boot);
	*writer = (struct rain_snapshot_writer){.block = block, .size = size};
	return 0;
}

/* The old block, if any, goes only when the new one is in its place. */
static int replace(struct rain_snapshot_writer *writer, const char *directory, const char *name,
		   size_t count, const char *boot, struct rain_error *err)
{
	struct rain_snapshot_writer fresh = {0};
	char path[PATH_MAX], temporary[PATH_MAX];

	if (rain_snapshot_path(path, directory, "", name, err) < 0 ||
	    rain_snapshot_path(temporary, directory, ".", name, err) < 0)
		return -1;
	if (!writer->block)
		take_over(writer, path, count, boot);
	if (writer->block && rain_snapshot_fits(writer->block, writer->size, count, boot))
		return 0;
	if (make(&fresh, temporary, count, boot, err) < 0)
		return -1;
	if (rename(temporary, path) < 0) {
		rain_error_set(err, "can't put %s in its place: %s", path, strerror(errno));
		rain_snapshot_writer_release(&fresh);
		return -1;
	}
	rain_snapshot_writer_release(writer);
	*writer = fresh;
	return 0;
}

/* Somebody may have deleted or cut the file under us: then it's made anew. */
static bool is_in_place(const struct rain_snapshot_writer *writer, const char *directory,
			const char *name)
{
	char path[PATH_MAX];
	struct stat status;

	return rain_snapshot_path(path, directory, "", name, NULL) == 0 && lstat(path, &status) == 0 &&
	       S_ISREG(status.st_mode) && status.st_size == (off_t)writer->size;
}

int rain_snapshot_publish(struct rain_snapshot_writer *writer, const char *directory,
			  const char *name, const struct rain_snapshot_entry *entries, size_t count,
			  int64_t now_ms, struct rain_error *err)
{
	char boot[RAIN_SNAPSHOT_BOOT_SIZE];

	if (rain_snapshot_boot(boot, err) < 0)
		return -1;
	if (writer->block && !is_in_place(writer, directory, name))
		rain_snapshot_writer_release(writer);
	if (replace(writer, directory, name, count, boot, err) < 0)
		return -1;
	if (rain_snapshot_write(writer->block, entries, count, now_ms) < 0)
		return rain_error_set(err, "%zu entries are too many for %s", count, name);
	return 0;
}

void rain_snapshot_writer_release(struct rain_snapshot_writer *writer)
{
	if (writer->block)
		munmap(writer->block, writer->size);
	*writer = (struct rain_snapshot_writer){0};
}
