/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/caller.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint32_t read_job(const char *text, const char *ends)
{
	unsigned long job;
	char *end;

	if (*text < '1' || *text > '9')
		return 0;
	errno = 0;
	job = strtoul(text, &end, 10);
	return errno || job >= UINT32_MAX || !*end || !strchr(ends, *end) ? 0 : (uint32_t)job;
}

/* "HIERARCHY:CONTROLLERS:PATH"; Slurm's paths:
 *   version 1  /slurm/uid_1000/job_12/step_0/task_0, or /slurm_NODE/uid_…
 *   version 2  /system.slice/slurmstepd.scope/job_12/step_0/…, or
 *              /system.slice/NODE_slurmstepd.scope/job_12/… */
uint32_t rain_panel_caller_cgroup(const char *line)
{
	const char *path = strchr(line, ':'), *part;

	path = path ? strchr(path + 1, ':') : NULL;
	if (!path)
		return 0;
	path++;
	if (strncmp(path, "/system.slice/", 14) == 0) {
		part = strchr(path + 14, '/');
		if (!part || part - path < 30 || strncmp(part - 16, "slurmstepd.scope", 16) != 0)
			return 0;
	} else if (strncmp(path, "/slurm", 6) == 0) {
		part = strchr(path + 1, '/');
		if (!part || strncmp(part, "/uid_", 5) != 0)
			return 0;
		part = strchr(part + 1, '/');
	} else {
		return 0;
	}
	return part && strncmp(part, "/job_", 5) == 0 ? read_job(part + 5, "/\n") : 0;
}

uint32_t rain_panel_caller_title(const char *title)
{
	static const char prefix[] = "slurmstepd: [";

	if (strncmp(title, prefix, sizeof(prefix) - 1) != 0)
		return 0;
	return read_job(title + sizeof(prefix) - 1, ".+");
}
