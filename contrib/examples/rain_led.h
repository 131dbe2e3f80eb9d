/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_LED_H
#define RAIN_LED_H

/*
 * Drives a user LED of this node from within a job; needs nothing but libc.
 *
 *   rain_led("user1", "blink", 2);     twice a second
 *   rain_led("user2", "code", 3);      three flashes, a pause, over and over
 *   rain_led("user1", "on", 0);        also "off", and "auto" for the owner's pattern
 *
 * Never waits.  Returns 0 when the node's panel has it, -1 with errno when it
 * can't be told (no panel there, or too much at once).  The end of the job
 * clears it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef RAIN_LED_SOCKET
#define RAIN_LED_SOCKET "/run/rain/panel/user.sock"
#endif

static inline int rain_led(const char *led, const char *show, int number)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = RAIN_LED_SOCKET};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char text[128];
	int size, error = 0;

	if (fd < 0)
		return -1;
	size = snprintf(text, sizeof(text),
			"{\"v\":1,\"op\":\"led\",\"led\":\"%s\",\"show\":\"%s\",\"number\":%d}", led,
			show, number);
	if (size < 0 || size >= (int)sizeof(text))
		error = EINVAL;
	else if (sendto(fd, text, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL,
			(struct sockaddr *)&to, sizeof(to)) < 0)
		error = errno;
	close(fd);
	errno = error;
	return error ? -1 : 0;
}

#endif
