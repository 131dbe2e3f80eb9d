// SPDX-License-Identifier: GPL-2.0-or-later
/* Listening sockets of the gateway's faces. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/config.h"
#include "federation/http_internal.h"

#define BACKLOG 256

int rain_http_listen_tcp(const char *address, struct rain_error *err)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_PASSIVE};
	struct addrinfo *found = NULL;
	char *host = NULL, *port = NULL;
	int fd = -1, on = 1, code;

	if (rain_config_address_split(address, &host, &port, err) < 0)
		return -1;
	code = getaddrinfo(host, port, &hints, &found);
	if (code != 0) {
		rain_error_set(err, "can't listen on %s: %s", address, gai_strerror(code));
		goto out;
	}
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, found->ai_addr, found->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
		rain_error_set(err, "can't listen on %s: %s", address, strerror(errno));
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
out:
	if (found)
		freeaddrinfo(found);
	free(host);
	free(port);
	return fd;
}

int rain_http_listen_unix(const char *path, struct rain_error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return rain_error_set(err, "the socket's path %s is longer than %zu bytes", path,
				      sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && unlink(path) < 0 && errno != ENOENT) {
		close(fd);
		return rain_error_set(err, "can't replace %s: %s", path, strerror(errno));
	}
	/* Everybody may connect; who it is comes from the kernel. */
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(path, 0666) < 0 || listen(fd, BACKLOG) < 0) {
		rain_error_set(err, "can't listen on %s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}
