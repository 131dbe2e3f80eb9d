/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_ARRAY_TASKS_H
#define RAIN_FEDERATION_ARRAY_TASKS_H

#include <stddef.h>
#include <stdint.h>

/*
 * The first tasks of "1,3-7,9-21:4%2", as Slurm writes those of an array that
 * haven't begun; what it shortens ("1,3,...") ends there.  Returns how many were
 * found, at most `max`.  Pure.
 */
size_t rain_array_tasks_first(const char *text, uint32_t tasks[], size_t max);

#endif
