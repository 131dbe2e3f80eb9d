// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/snapshot_copy.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "accounting/snapshot_file.h"

/* Looks at a file that is just being written, which takes microseconds. */
#define TRIES 8

struct buffer {
	void *block; /* NULL: nothing yet */
	size_t room;
};

/* Three buffers: the refresher's, the reader's, and the newest that lies between
 * them, which each of the two exchanges for its own. */
#define NEW 4u

struct rain_snapshot_copy {
	char path[PATH_MAX];
	char boot[RAIN_SNAPSHOT_BOOT_SIZE];
	struct buffer buffers[3];
	_Atomic unsigned between; /* which buffer; with NEW until the reader has taken it */
	unsigned back;		  /* the refresher's */
	uint64_t taken[RAIN_SNAPSHOT_HEADER_SIZE / sizeof(uint64_t)]; /* header of what it read last */
	unsigned front;						      /* the reader's */
};

struct rain_snapshot_copy *rain_snapshot_copy_create(const char *directory, const char *name,
						     struct rain_error *err)
{
	struct rain_snapshot_copy *copy = calloc(1, sizeof *copy);

	if (!copy) {
		rain_error_set(err, "no memory for a copy of %s", name);
		return NULL;
	}
	if (rain_snapshot_path(copy->path, directory, "", name, err) < 0 ||
	    rain_snapshot_boot(copy->boot, err) < 0) {
		free(copy);
		return NULL;
	}
	copy->back = 1;
	copy->front = 2;
	return copy;
}

static int make_room(struct buffer *buffer, size_t size)
{
	void *block;

	if (buffer->room >= size)
		return 0;
	block = malloc(size);
	if (!block)
		return -1;
	free(buffer->block);
	*buffer = (struct buffer){block, size};
	return 0;
}

/* 1 when the buffer holds what the file held at one moment, 0 when there is nothing
 * new, -1 when it can't be had. */
static int take(struct rain_snapshot_copy *copy, int fd, struct buffer *to)
{
	uint64_t header[RAIN_SNAPSHOT_HEADER_SIZE / sizeof(uint64_t)];
	uint64_t after[RAIN_SNAPSHOT_HEADER_SIZE / sizeof(uint64_t)];
	struct stat status;
	size_t size;

	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) ||
	    status.st_size < RAIN_SNAPSHOT_HEADER_SIZE || status.st_size > (off_t)RAIN_SNAPSHOT_FILE_MAX)
		return -1;
	size = (size_t)status.st_size;
	for (int i = 0; i < TRIES; i++) {
		if (pread(fd, header, sizeof header, 0) != sizeof header)
			return -1;
		if (!rain_snapshot_settled(header, size, copy->boot))
			continue;
		if (memcmp(header, copy->taken, sizeof header) == 0)
			return 0;
		atomic_thread_fence(memory_order_seq_cst);
		if (make_room(to, size) < 0 || pread(fd, to->block, size, 0) != (ssize_t)size)
			return -1;
		atomic_thread_fence(memory_order_seq_cst);
		if (pread(fd, after, sizeof after, 0) == sizeof after &&
		    memcmp(after, header, sizeof after) == 0 && memcmp(after, to->block, sizeof after) == 0) {
			memcpy(copy->taken, header, sizeof header);
			return 1;
		}
	}
	return -1;
}

void rain_snapshot_copy_refresh(struct rain_snapshot_copy *copy)
{
	int fd = open(copy->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return;
	if (take(copy, fd, &copy->buffers[copy->back]) > 0)
		copy->back = atomic_exchange(&copy->between, copy->back | NEW) & ~NEW;
	close(fd);
}

bool rain_snapshot_copy_find(struct rain_snapshot_copy *copy, uint64_t key, int64_t now_ms,
			     struct rain_snapshot_entry *entry)
{
	if (atomic_load_explicit(&copy->between, memory_order_relaxed) & NEW)
		copy->front = atomic_exchange(&copy->between, copy->front) & ~NEW;
	return copy->buffers[copy->front].block &&
	       rain_snapshot_find(copy->buffers[copy->front].block, key, now_ms, entry);
}

void rain_snapshot_copy_destroy(struct rain_snapshot_copy *copy)
{
	if (!copy)
		return;
	for (size_t i = 0; i < sizeof copy->buffers / sizeof *copy->buffers; i++)
		free(copy->buffers[i].block);
	free(copy);
}
