/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_ADDRESS_H
#define RAIN_PANEL_ADDRESS_H

#include <sys/socket.h>

/* Reads an IP address (no name) and a port in digits.  Unlike getaddrinfo it
 * brings none of the name service's memory along. 0, or -1 when it is neither
 * IPv4 nor IPv6 or the port is out of range. */
int rain_panel_address_parse(const char *host, const char *port,
			     struct sockaddr_storage *address, socklen_t *length);

#endif
