/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

int rain_panel_address_parse(const char *host, const char *port,
			     struct sockaddr_storage *address, socklen_t *length)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)address;
	struct sockaddr_in *in = (struct sockaddr_in *)address;
	char *end;
	long number = strtol(port, &end, 10);

	if (*port < '0' || *port > '9' || *end || number < 0 || number > 65535)
		return -1;
	memset(address, 0, sizeof(*address));
	if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)number);
		*length = sizeof(*in);
		return 0;
	}
	if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)number);
		*length = sizeof(*in6);
		return 0;
	}
	return -1;
}
