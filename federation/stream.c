/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stdout and stderr as files under <state>: loans/<id>/ on the lender as the
 * agent brings them, bursts/<id>/ at home as they arrive from there. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/log.h"
#include "federation/limits.h"
#include "federation/mind.h"

const char *const rain_stream_names[3] = { "stdout", "stderr", "stdin" };

/* Beside stdin: nothing more comes behind it. */
#define END_NAME "stdin.end"

#define PATH_SIZE 4096

int rain_stream_find(const char *name)
{
	for (int i = 0; i < 2; i++)
		if (name && !strcmp(name, rain_stream_names[i]))
			return i;
	return -1;
}

static const char *side(bool is_loan)
{
	return is_loan ? "loans" : "bursts";
}

static void stream_path(const struct rain_gateway *gateway, bool is_loan, const char *id, int which,
			char path[static PATH_SIZE])
{
	snprintf(path, PATH_SIZE, "%s/%s/%s%s%s", gateway->config->gateway.state, side(is_loan), id,
		 which < 0 ? "" : "/", which < 0 ? "" : rain_stream_names[which]);
}

static void end_path(const struct rain_gateway *gateway, bool is_loan, const char *id, char path[static PATH_SIZE])
{
	snprintf(path, PATH_SIZE, "%s/%s/%s/" END_NAME, gateway->config->gateway.state, side(is_loan), id);
}

bool rain_stream_has_ended(const struct rain_gateway *gateway, bool is_loan, const char *id)
{
	char path[PATH_SIZE];

	end_path(gateway, is_loan, id, path);
	return access(path, F_OK) == 0;
}

int64_t rain_stream_size(const struct rain_gateway *gateway, bool is_loan, const char *id, int which)
{
	char path[PATH_SIZE];
	struct stat status;

	stream_path(gateway, is_loan, id, which, path);
	return stat(path, &status) < 0 ? 0 : (int64_t)status.st_size;
}

int rain_stream_open(const struct rain_gateway *gateway, bool is_loan, const char *id, int which)
{
	char path[PATH_SIZE];

	stream_path(gateway, is_loan, id, which, path);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Opens the file for writing, with the directories above it. */
static int open_to_write(const struct rain_gateway *gateway, bool is_loan, const char *id, int which,
			 struct rain_error *err)
{
	char path[PATH_SIZE], directory[PATH_SIZE];
	int fd;

	stream_path(gateway, is_loan, id, which, path);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0 || errno != ENOENT)
		goto out;
	snprintf(directory, sizeof directory, "%s/%s", gateway->config->gateway.state, side(is_loan));
	mkdir(directory, 0700);
	stream_path(gateway, is_loan, id, -1, directory);
	mkdir(directory, 0700);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
out:
	if (fd < 0)
		rain_error_set(err, "can't write %s: %s", path, strerror(errno));
	return fd;
}

int rain_stream_write(const struct rain_gateway *gateway, bool is_loan, const char *id, int which,
		      int64_t offset, const void *data, size_t size, int64_t *now, struct rain_error *err)
{
	int fd = open_to_write(gateway, is_loan, id, which, err);
	struct stat status;
	int result = 0;

	if (fd < 0)
		return -1;
	if (fstat(fd, &status) < 0) {
		result = rain_error_set(err, "can't look at %s: %s", rain_stream_names[which], strerror(errno));
	} else if (offset > (int64_t)status.st_size) {
		*now = status.st_size;
		result = 1;
	} else {
		/* What is there already was sent before; it isn't written twice. */
		size_t old = (size_t)((int64_t)status.st_size - offset);

		*now = status.st_size;
		if (old < size) {
			if (*now + (int64_t)(size - old) > RAIN_LIMIT_STREAM_BYTES) {
				result = rain_error_set(err, "%s of a job may have at most %" PRId64 " bytes",
							rain_stream_names[which], (int64_t)RAIN_LIMIT_STREAM_BYTES);
			} else if (lseek(fd, 0, SEEK_END) < 0 ||
				   rain_file_write_fd(fd, (const char *)data + old, size - old, err)) {
				result = -1;
				if (ftruncate(fd, status.st_size) < 0) /* half a piece would be no harm */
					rain_log_warning("can't cut %s of %s: %s", rain_stream_names[which], id,
							 strerror(errno));
			} else {
				*now += (int64_t)(size - old);
			}
		}
	}
	close(fd);
	return result;
}

int rain_stream_end(const struct rain_gateway *gateway, bool is_loan, const char *id, struct rain_error *err)
{
	char path[PATH_SIZE];
	int fd;

	end_path(gateway, is_loan, id, path);
	/* rain_stream_write has made the directory, if only for no byte. */
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return rain_error_set(err, "can't write %s: %s", path, strerror(errno));
	close(fd);
	return 0;
}

static void number_header(struct rain_http_request *request, const char *name, int64_t value)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRId64, value);
	rain_http_reply_header(request, name, text);
}

void rain_stream_reply(struct rain_gateway *gateway, struct rain_http_request *request, bool is_loan,
		       const char *id, int which, int64_t after, int64_t total)
{
	int64_t size = rain_stream_size(gateway, is_loan, id, which), piece = size - after;
	int fd;

	if (after > size) {
		number_header(request, "Rain-Offset", size);
		rain_http_reply_error(request, 416, "%s has only %" PRId64 " bytes", rain_stream_names[which], size);
		return;
	}
	if (piece > RAIN_STREAM_PIECE)
		piece = RAIN_STREAM_PIECE;
	number_header(request, "Rain-Offset", after);
	if (total >= 0)
		number_header(request, "Rain-End", total);
	fd = piece > 0 ? rain_stream_open(gateway, is_loan, id, which) : -1;
	if (fd >= 0)
		rain_http_reply_file(request, 200, fd, after, piece);
	else
		rain_http_reply_bytes(request, 200, "", 0);
}

void rain_stream_remove(const struct rain_gateway *gateway, bool is_loan, const char *id)
{
	char path[PATH_SIZE];

	for (int i = 0; i < 3; i++) {
		stream_path(gateway, is_loan, id, i, path);
		unlink(path);
	}
	end_path(gateway, is_loan, id, path);
	unlink(path);
	stream_path(gateway, is_loan, id, -1, path);
	rmdir(path);
}

static void clean_side(struct rain_gateway *gateway, bool is_loan)
{
	char path[PATH_SIZE];
	struct dirent *entry;
	DIR *directory;

	snprintf(path, sizeof path, "%s/%s", gateway->config->gateway.state, side(is_loan));
	directory = opendir(path);
	while (directory && (entry = readdir(directory)))
		if (rain_uuid_is_valid(entry->d_name) &&
		    !(is_loan ? (void *)rain_loan_live(gateway, entry->d_name)
			      : (void *)rain_burst_live(gateway, entry->d_name)))
			rain_stream_remove(gateway, is_loan, entry->d_name);
	if (directory)
		closedir(directory);
}

void rain_streams_clean(struct rain_gateway *gateway)
{
	clean_side(gateway, false);
	clean_side(gateway, true);
}
