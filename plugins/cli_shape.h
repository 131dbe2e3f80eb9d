/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PLUGINS_CLI_SHAPE_H
#define RAIN_PLUGINS_CLI_SHAPE_H

#include <stdint.h>

/* What rain-estimate has to know of a job that is about to be submitted. */
struct rain_cli_shape {
	const char *name, *partition, *constraint; /* NULL: none */
	int64_t nodes, tasks, cpus_per_task, ntasks_per_node;
	int64_t minutes; /* -1: the partition's default; 0: without a limit */
	const char *burst, *max_tokens, *peers, *stage_in; /* of the options; NULL: not given */
	const char *array, *directory; /* of the job; NULL: none */
	const char *waits;	       /* "hold" or "dependency"; NULL: for nothing */
};

/* As one line of JSON in a new string. NULL: no memory, or text that isn't UTF-8. */
char *rain_cli_shape_write(const struct rain_cli_shape *shape);

#endif
