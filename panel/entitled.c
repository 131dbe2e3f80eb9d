/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/entitled.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* The owner of the connection whose ends are these, in the kernel's list. */
static bool find_owner(const struct sockaddr_in *theirs, const struct sockaddr_in *ours, uid_t *uid)
{
	FILE *list = fopen("/proc/net/tcp", "re");
	char line[256];
	bool found = false;

	while (list && !found && fgets(line, sizeof(line), list)) {
		unsigned int local, local_port, remote, remote_port, owner;

		found = sscanf(line, "%*d: %x:%x %x:%x %*x %*s %*s %*s %u", &local, &local_port,
			       &remote, &remote_port, &owner) == 5 &&
			local == theirs->sin_addr.s_addr && local_port == ntohs(theirs->sin_port) &&
			remote == ours->sin_addr.s_addr && remote_port == ntohs(ours->sin_port);
		if (found)
			*uid = owner;
	}
	if (list)
		fclose(list);
	return found;
}

static bool is_loopback(const struct sockaddr_in *address)
{
	return address->sin_family == AF_INET && ntohl(address->sin_addr.s_addr) >> 24 == 127;
}

bool rain_panel_is_administrator(int fd, const struct rain_config *config)
{
	struct sockaddr_in theirs = {0}, ours = {0};
	socklen_t their_length = sizeof(theirs), our_length = sizeof(ours);
	const struct passwd *entry;
	uid_t uid;

	if (getpeername(fd, (struct sockaddr *)&theirs, &their_length) < 0 ||
	    getsockname(fd, (struct sockaddr *)&ours, &our_length) < 0 || !is_loopback(&theirs) ||
	    !is_loopback(&ours) || !find_owner(&theirs, &ours, &uid))
		return false;
	if (uid == 0)
		return true;
	entry = getpwuid(uid);
	for (char **name = config->ledger.administrators; entry && name && *name; name++) {
		if (strcmp(*name, entry->pw_name) == 0)
			return true;
	}
	return false;
}

bool rain_panel_host_is_ours(const char *host, const char *listen)
{
	size_t length = host ? strcspn(host, ":") : 0;

	if (strncmp(listen, "127.", 4) != 0 && strncmp(listen, "[::1]", 5) != 0)
		return true;
	if (!host)
		return false;
	if (*host == '[')
		return strncmp(host, "[::1]", 5) == 0 && (host[5] == ':' || host[5] == '\0');
	return (length == 9 && strncmp(host, "localhost", 9) == 0) ||
	       (strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == length);
}
