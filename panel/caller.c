/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/caller.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Deeper than shells in shells; a bound, not a wish. */
#define ANCESTORS_MAX 64

static ssize_t read_proc(pid_t pid, const char *name, char *text, size_t size)
{
	char path[64];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	got = read(fd, text, size - 1);
	close(fd);
	if (got >= 0)
		text[got] = '\0';
	return got;
}

struct process {
	pid_t parent;
	char name[32];
	uid_t uid[4]; /* real, effective, saved, of the file system */
};

static bool read_field(const char *status, const char *field, const char **value)
{
	const char *at = strstr(status, field);

	if (at)
		*value = at + strlen(field);
	return at != NULL;
}

static bool read_process(pid_t pid, struct process *process)
{
	char status[2048];
	const char *value;
	int parent;

	if (read_proc(pid, "status", status, sizeof(status)) <= 0 ||
	    sscanf(status, "Name:\t%31[^\n]", process->name) != 1)
		return false;
	if (!read_field(status, "\nPPid:", &value) || sscanf(value, "%d", &parent) != 1)
		return false;
	process->parent = parent;
	return read_field(status, "\nUid:", &value) &&
	       sscanf(value, "%u %u %u %u", &process->uid[0], &process->uid[1], &process->uid[2],
		      &process->uid[3]) == 4;
}

static bool is_of(const struct process *process, uid_t uid)
{
	return process->uid[0] == uid && process->uid[1] == uid && process->uid[2] == uid;
}

static uint32_t job_of_cgroup(pid_t pid)
{
	char text[4096], *next = text, *line;

	if (read_proc(pid, "cgroup", text, sizeof(text)) <= 0)
		return 0;
	while ((line = strsep(&next, "\n"))) {
		uint32_t job = rain_panel_caller_cgroup(line);

		if (job != 0)
			return job;
	}
	return 0;
}

uint32_t rain_panel_caller_job(pid_t pid, uid_t uid)
{
	struct process process;
	uint32_t job;

	if (pid <= 1 || !read_process(pid, &process) || process.uid[0] != uid)
		return 0;
	job = job_of_cgroup(pid);
	for (int i = 0; job == 0 && i < ANCESTORS_MAX && process.parent > 1; i++) {
		char title[64];

		pid = process.parent;
		if (!read_process(pid, &process))
			return 0;
		/* Wholly root: not a program that a user started setuid. */
		if (is_of(&process, 0) && strcmp(process.name, "slurmstepd") == 0 &&
		    read_proc(pid, "cmdline", title, sizeof(title)) > 0)
			job = rain_panel_caller_title(title);
	}
	return job;
}
