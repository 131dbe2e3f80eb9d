/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_CALLER_H
#define RAIN_PANEL_CALLER_H

#include <stdint.h>
#include <sys/types.h>

/*
 * Which job a process belongs to.  Nothing that the process itself could say is
 * asked, only what it can't change: the control group that Slurm put it into,
 * or an ancestor that is root's own slurmstepd.
 */

/* The job in one line of /proc/PID/cgroup, 0 when the line tells of none. Only
 * groups below Slurm's own at the top count: a user may make a group of any name
 * within what was given to him. Pure. */
uint32_t rain_panel_caller_cgroup(const char *line);

/* The job in the title of a slurmstepd, "slurmstepd: [12.batch]"; else 0. Pure. */
uint32_t rain_panel_caller_title(const char *title);

/* The job of process `pid`, which must be of `uid`; 0 when it is in none, or is
 * gone. */
uint32_t rain_panel_caller_job(pid_t pid, uid_t uid);

#endif
