/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/listen.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/config.h"
#include "panel/address.h"

#define BACKLOG 16

int rain_panel_listen_tcp(const char *address, struct rain_error *err)
{
	struct sockaddr_storage at;
	socklen_t length;
	char *host, *port;
	int one = 1;
	int fd, rc;

	if (rain_config_address_split(address, &host, &port, err) < 0)
		return -1;
	rc = rain_panel_address_parse(host, port, &at, &length);
	free(host);
	free(port);
	if (rc < 0)
		return rain_error_set(err, "can't listen on %s: it must be an IP address of this "
					   "node and a port",
				      address);
	fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
	    bind(fd, (struct sockaddr *)&at, length) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	rain_error_set(err, "can't listen on %s: %s", address, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Nobody answers at a path that a dead process left. */
static bool somebody_listens(const struct sockaddr_un *address, int type)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool listens;

	if (fd < 0)
		return false;
	listens = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
		  errno == EAGAIN;
	close(fd);
	return listens;
}

int rain_panel_listen_unix(const char *path, int type, struct rain_error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat status;
	mode_t mask;
	int fd, rc;

	if (strlen(path) >= sizeof(address.sun_path))
		return rain_error_set(err, "the path of socket %s is longer than %zu bytes", path,
				      sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path));
	if (lstat(path, &status) == 0) {
		if (!S_ISSOCK(status.st_mode))
			return rain_error_set(err, "%s is in the way: it is no socket", path);
		if (somebody_listens(&address, type))
			return rain_error_set(err, "another rain-paneld listens at %s", path);
		if (unlink(path) < 0)
			return rain_error_set(err, "can't replace %s: %s", path, strerror(errno));
	}
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return rain_error_set(err, "can't make a socket: %s", strerror(errno));
	mask = umask(0177);
	rc = bind(fd, (struct sockaddr *)&address, sizeof(address));
	umask(mask);
	if (rc < 0 || (type == SOCK_STREAM && listen(fd, BACKLOG) < 0)) {
		rain_error_set(err, "can't listen at %s: %s", path, strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}
