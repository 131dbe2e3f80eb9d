/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "federation/stage.h"

#define HEAD_SIZE 5

int rain_stage_write(int fd, enum rain_stage_type type, const void *data, size_t size,
		     struct rain_error *err)
{
	const unsigned char head[HEAD_SIZE] = {(unsigned char)type, (unsigned char)(size >> 24),
					       (unsigned char)(size >> 16),
					       (unsigned char)(size >> 8), (unsigned char)size};

	if (size > RAIN_STAGE_RECORD_MAX)
		return rain_error_set(err, "a record has at most %d bytes", RAIN_STAGE_RECORD_MAX);
	if (rain_file_write_fd(fd, head, sizeof(head), err) < 0 ||
	    rain_file_write_fd(fd, data, size, err) < 0)
		return rain_error_set(err, "the other side doesn't listen any more");
	return 0;
}

static int read_all(int fd, void *data, size_t size, struct rain_error *err)
{
	char *at = data;

	while (size > 0) {
		ssize_t got = read(fd, at, size);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return rain_error_set(err, "can't read what comes: %s", strerror(errno));
		if (got == 0)
			return rain_error_set(err, "what comes was cut off");
		at += got;
		size -= (size_t)got;
	}
	return 0;
}

int rain_stage_read(int fd, enum rain_stage_type *type, char *buffer, size_t *size,
		    struct rain_error *err)
{
	unsigned char head[HEAD_SIZE];

	if (read_all(fd, head, sizeof(head), err) < 0)
		return -1;
	*size = (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
	if (!head[0] || !strchr("PABDEF", head[0]) || *size > RAIN_STAGE_RECORD_MAX)
		return rain_error_set(err, "what comes is nothing of rain-stage's");
	*type = head[0];
	if (read_all(fd, buffer, *size, err) < 0)
		return -1;
	buffer[*size] = '\0';
	return 0;
}

int rain_stage_expect(int fd, enum rain_stage_type type, char *buffer, size_t *size,
		      struct rain_error *err)
{
	enum rain_stage_type got;

	if (rain_stage_read(fd, &got, buffer, size, err) < 0)
		return -1;
	if (got == RAIN_STAGE_FAILED) {
		rain_error_set(err, "%s", buffer);
		return RAIN_STAGE_TOLD;
	}
	return got == type ? 0 : rain_error_set(err, "what comes is out of turn");
}
