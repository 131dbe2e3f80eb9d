/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/array_tasks.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

/* Slurm's MaxArraySize is at most 4,000,001. */
#define TASK_MAX 10000000

static bool number_read(const char **at, uint32_t *value)
{
	const char *p = *at;

	for (*value = 0; isdigit((unsigned char)*p) && *value <= TASK_MAX; p++)
		*value = *value * 10 + (uint32_t)(*p - '0');
	if (p == *at || *value > TASK_MAX)
		return false;
	*at = p;
	return true;
}

/* What follows the number belongs to it, or it was cut off within. */
static bool is_whole(const char *behind)
{
	return !*behind || strchr(",-:%", *behind);
}

size_t rain_array_tasks_first(const char *text, uint32_t tasks[], size_t max)
{
	const char *p = text ? text : "";
	size_t count = 0;

	while (*p && *p != '%') {
		uint32_t first, last, step = 1;

		if (!number_read(&p, &first) || !is_whole(p))
			break;
		last = first;
		if (*p == '-') {
			p++;
			if (!number_read(&p, &last) || !is_whole(p))
				last = first;
			else if (*p == ':' && (p++, !number_read(&p, &step) || !is_whole(p) || step == 0))
				step = TASK_MAX;
		}
		for (uint32_t task = first; task <= last && count < max; task += step)
			tasks[count++] = task;
		if (*p != ',')
			break;
		p++;
	}
	return count;
}
