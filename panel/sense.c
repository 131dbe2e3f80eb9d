/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/sense.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOT_MILLIDEGREES 80000
#define ZONES_MAX 32
#define TRIPS_MAX 16
#define POLICIES_MAX 16
#define BUSY_PERCENT 80

static bool address_counts(const struct sockaddr *address)
{
	if (!address)
		return false;
	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)address;

		/* 169.254/16 says that nobody answered. */
		return (ntohl(in->sin_addr.s_addr) >> 16) != 0xa9fe;
	}
	if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;

		return !IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr);
	}
	return false;
}

bool rain_panel_sense_network(void)
{
	const unsigned int wanted = IFF_UP | IFF_RUNNING;
	struct ifaddrs *all;
	bool up = false;

	if (getifaddrs(&all) < 0)
		return false;
	for (const struct ifaddrs *i = all; i && !up; i = i->ifa_next)
		up = (i->ifa_flags & wanted) == wanted && !(i->ifa_flags & IFF_LOOPBACK) &&
		     address_counts(i->ifa_addr);
	freeifaddrs(all);
	return up;
}

int rain_panel_sense_network_open(void)
{
	struct sockaddr_nl address = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0)
		return -1;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

void rain_panel_sense_network_drain(int fd)
{
	char text[4096];

	/* ENOBUFS: changes were lost, which is a change too. */
	while (recv(fd, text, sizeof(text), MSG_DONTWAIT) > 0 || errno == EINTR ||
	       errno == ENOBUFS)
		errno = 0;
}

/* Reads a small file of /sys or /proc without its newline. Length or -1. */
static ssize_t read_small(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return -1;
	got = read(fd, text, size - 1);
	close(fd);
	if (got < 0)
		return -1;
	while (got > 0 && text[got - 1] == '\n')
		got--;
	text[got] = '\0';
	return got;
}

static bool read_number(const char *path, long *value)
{
	char text[32], *end;

	if (read_small(path, text, sizeof(text)) <= 0)
		return false;
	*value = strtol(text, &end, 10);
	return *end == '\0';
}

/* Where the kernel itself begins to slow the zone down. */
static long zone_limit(const char *zone)
{
	long limit = HOT_MILLIDEGREES, trip;
	bool found = false;
	char path[512], type[32];

	for (int i = 0; i < TRIPS_MAX; i++) {
		snprintf(path, sizeof(path), "%s/trip_point_%d_type", zone, i);
		if (read_small(path, type, sizeof(type)) < 0)
			break;
		if (strcmp(type, "passive") != 0 && strcmp(type, "hot") != 0)
			continue;
		snprintf(path, sizeof(path), "%s/trip_point_%d_temp", zone, i);
		if (!read_number(path, &trip) || trip <= 0)
			continue;
		if (!found || trip < limit)
			limit = trip;
		found = true;
	}
	return limit;
}

/* The zones: whether one can be read, whether one is too hot. */
static void sense_zones(const char *root, bool *known, bool *hot, int64_t *millidegrees)
{
	char zone[400], path[512];
	long now;

	for (int i = 0; i < ZONES_MAX; i++) {
		snprintf(zone, sizeof(zone), "%s/class/thermal/thermal_zone%d", root, i);
		snprintf(path, sizeof(path), "%s/temp", zone);
		if (access(zone, F_OK) < 0)
			break;
		/* A sensor that is off reads as an error: not known. */
		if (!read_number(path, &now))
			continue;
		*hot = *hot || now >= zone_limit(zone);
		if (!*known || now > *millidegrees)
			*millidegrees = now;
		*known = true;
	}
}

/* Whether the kernel cools by holding a processor back; fans don't count. */
static bool is_throttled(const char *root)
{
	char path[512], type[64];
	long now;

	for (int i = 0; i < ZONES_MAX; i++) {
		snprintf(path, sizeof(path), "%s/class/thermal/cooling_device%d/type", root, i);
		if (read_small(path, type, sizeof(type)) < 0)
			break;
		if (!strstr(type, "cpufreq") && strcmp(type, "Processor") != 0)
			continue;
		snprintf(path, sizeof(path), "%s/class/thermal/cooling_device%d/cur_state", root, i);
		if (read_number(path, &now) && now > 0)
			return true;
	}
	return false;
}

static bool read_clock(const char *root, int policy, const char *name, long *khz)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/devices/system/cpu/cpufreq/policy%d/%s", root, policy,
		 name);
	return read_number(path, khz) && *khz > 0;
}

/* True when a clock domain is slower than it must be. A board has few of them,
 * numbered by their first core. */
static bool is_slow(const char *root, unsigned int load_percent, int64_t *clock_khz)
{
	bool slow = false;

	for (int policy = 0; policy < POLICIES_MAX; policy++) {
		long limit, now, most;

		if (!read_clock(root, policy, "cpuinfo_max_freq", &most))
			continue;
		if (read_clock(root, policy, "scaling_max_freq", &limit) && limit < most / 10 * 9)
			slow = true;
		if (!read_clock(root, policy, "scaling_cur_freq", &now))
			continue;
		if (*clock_khz == 0 || now < *clock_khz)
			*clock_khz = now;
		if (load_percent >= BUSY_PERCENT && now < most / 10 * 9)
			slow = true;
	}
	return slow;
}

enum rain_panel_temperature rain_panel_sense_temperature(const char *root,
							 unsigned int load_percent,
							 int64_t *millidegrees,
							 int64_t *clock_khz)
{
	bool known = false, hot = false, slow;

	*millidegrees = *clock_khz = 0;
	sense_zones(root, &known, &hot, millidegrees);
	slow = is_slow(root, load_percent, clock_khz);
	if (hot || is_throttled(root))
		return RAIN_PANEL_TEMPERATURE_HOT;
	if (slow)
		return RAIN_PANEL_TEMPERATURE_SLOW;
	return known || *clock_khz > 0 ? RAIN_PANEL_TEMPERATURE_OK
				       : RAIN_PANEL_TEMPERATURE_UNKNOWN;
}

unsigned int rain_panel_sense_load(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	char text[128], *end;
	double load;

	if (cores < 1 || read_small("/proc/loadavg", text, sizeof(text)) <= 0)
		return 0;
	load = strtod(text, &end);
	if (end == text || load < 0 || load > 1e6)
		return 0;
	return (unsigned int)(load * 100 / (double)cores);
}
