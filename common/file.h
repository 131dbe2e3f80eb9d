/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_COMMON_FILE_H
#define RAIN_COMMON_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "common/error.h"

/* Reads a whole file of at most `max` bytes into a new NUL-terminated buffer
 * (the caller frees it; *size leaves out the NUL). NULL with err otherwise. */
char *rain_file_read(const char *path, size_t max, size_t *size, struct rain_error *err);

/* The same from an open descriptor, up to its end. `what` names it in errors. */
char *rain_file_read_fd(int fd, const char *what, size_t max, size_t *size,
			struct rain_error *err);

/* Opens a regular file for reading, not to be led elsewhere by a link, nor held up by a fifo.
 * -1 with err (and errno; EINVAL: it is no regular file). */
int rain_file_open_regular(const char *path, struct rain_error *err);

/* Replaces `path` by data, all or nothing, and durably: temporary file in the
 * same directory, fsync, rename, fsync of the directory. */
int rain_file_write(const char *path, const void *data, size_t size, mode_t mode,
		    struct rain_error *err);

/* Writes all bytes despite short writes and EINTR. */
int rain_file_write_fd(int fd, const void *data, size_t size, struct rain_error *err);

#endif
