/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/hostlist.h"

#include <ctype.h>
#include <slurm/slurm.h>
#include <stdlib.h>
#include <string.h>

/* Reads "12-34" or "12" at *p, moves behind it, and tells how many that are. */
static int range_size(const char **p, unsigned long *size)
{
	unsigned long bound[2] = { 0, 0 };
	int parts = 0;

	for (;;) {
		int digits = 0;

		while (isdigit((unsigned char)**p) && digits < 10) {
			bound[parts] = bound[parts] * 10 + (unsigned long)(**p - '0');
			(*p)++;
			digits++;
		}
		if (digits == 0 || isdigit((unsigned char)**p))
			return -1;
		parts++;
		if (**p != '-')
			break;
		if (parts == 2)
			return -1;
		(*p)++;
	}
	if (parts == 1)
		bound[1] = bound[0];
	if (bound[1] < bound[0])
		return -1;
	*size = bound[1] - bound[0] + 1;
	return 0;
}

/* Reads "[1-3,7]" at *p and moves behind it. */
static int bracket_size(const char **p, unsigned long *size)
{
	unsigned long one;

	*size = 0;
	do {
		(*p)++;
		if (range_size(p, &one) < 0)
			return -1;
		*size += one;
		if (*size > RAIN_HOSTLIST_HOSTS_MAX)
			return -1;
	} while (**p == ',');
	if (**p != ']')
		return -1;
	(*p)++;
	return 0;
}

/* libslurm multiplies several brackets of one name without a bound and ends
 * the process on some lists, so the grammar that we let through is small:
 * NAME[,NAME…], NAME of letters, digits, '.', '_', '-' and at most one
 * bracket.  Returns the number of hosts, or -1. */
static long list_size(const char *list)
{
	unsigned long total = 0;
	const char *p = list;

	for (;;) {
		unsigned long size = 1;
		bool bracket = false;
		const char *start = p;

		while (isalnum((unsigned char)*p) || (*p && strchr("._-", *p)) ||
		       (*p == '[' && !bracket)) {
			if (*p == '[') {
				bracket = true;
				if (bracket_size(&p, &size) < 0)
					return -1;
			} else {
				p++;
			}
		}
		total += size;
		if (p == start || p - start > 1024 || total > RAIN_HOSTLIST_HOSTS_MAX)
			return -1;
		if (*p == '\0')
			return (long)total;
		if (*p++ != ',')
			return -1;
	}
}

static hostlist_t list_open(const char *list, size_t max, struct rain_error *err)
{
	hostlist_t hl;
	long size;

	if (strlen(list) > RAIN_HOSTLIST_TEXT_MAX) {
		rain_error_set(err, "a host list may have at most %d characters",
			       RAIN_HOSTLIST_TEXT_MAX);
		return NULL;
	}
	size = list_size(list);
	if (size < 0) {
		rain_error_set(err,
			       "\"%.64s\" is no host list: write names like node[1-8],head, at most %d hosts",
			       list, RAIN_HOSTLIST_HOSTS_MAX);
		return NULL;
	}
	if ((size_t)size > max) {
		rain_error_set(err, "the host list \"%.64s\" has %ld hosts, at most %zu are allowed",
			       list, size, max);
		return NULL;
	}
	hl = slurm_hostlist_create(list);
	if (!hl)
		rain_error_set(err, "\"%.64s\" is no host list", list);
	return hl;
}

bool rain_hostlist_contains(const char *list, const char *host)
{
	hostlist_t hl;
	bool found;

	/* A host that is itself a list would be looked up by its first name. */
	if (!list || !*list || !host || !*host || strpbrk(host, ",[]") ||
	    strlen(host) > 255)
		return false;
	hl = list_open(list, RAIN_HOSTLIST_HOSTS_MAX, NULL);
	if (!hl)
		return false;
	found = slurm_hostlist_find(hl, host) >= 0;
	slurm_hostlist_destroy(hl);
	return found;
}

int rain_hostlist_expand(const char *list, size_t max, char ***hosts, size_t *count,
			 struct rain_error *err)
{
	hostlist_t hl = NULL;
	char **names = NULL;
	size_t n = 0;
	size_t size = 0;

	*hosts = NULL;
	if (count)
		*count = 0;
	if (list && *list) {
		hl = list_open(list, max, err);
		if (!hl)
			return -1;
		size = (size_t)slurm_hostlist_count(hl);
	}
	names = calloc(size + 1, sizeof(*names));
	while (names && n < size && (names[n] = slurm_hostlist_shift(hl)))
		n++;
	if (hl)
		slurm_hostlist_destroy(hl);
	if (!names || n < size) {
		rain_hostlist_free(names);
		return rain_error_set(err, "out of memory while reading a host list");
	}
	*hosts = names;
	if (count)
		*count = n;
	return 0;
}

char *rain_hostlist_fold(const char *const hosts[], size_t count, struct rain_error *err)
{
	hostlist_t hl;
	char *text = NULL;

	if (count == 0 || count > RAIN_HOSTLIST_HOSTS_MAX) {
		rain_error_set(err, "%zu hosts make no host list", count);
		return NULL;
	}
	hl = slurm_hostlist_create(NULL);
	for (size_t i = 0; hl && i < count; i++)
		slurm_hostlist_push_host(hl, hosts[i]);
	if (hl) {
		slurm_hostlist_uniq(hl); /* sorts, too */
		text = slurm_hostlist_ranged_string_malloc(hl);
		slurm_hostlist_destroy(hl);
	}
	if (!text)
		rain_error_set(err, "out of memory while writing a host list");
	return text;
}

void rain_hostlist_free(char **hosts)
{
	if (!hosts)
		return;
	for (char **p = hosts; *p; p++)
		free(*p);
	free(hosts);
}
