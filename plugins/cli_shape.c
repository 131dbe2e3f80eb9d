// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/cli_shape.h"

#include <jansson.h>

char *rain_cli_shape_write(const struct rain_cli_shape *shape)
{
	json_t *object = json_pack(
		"{s:s* s:s* s:s* s:I s:I s:I s:I s:I s:s* s:s* s:s* s:s* s:s* s:s* s:s*}", "name", shape->name,
		"partition", shape->partition, "constraint", shape->constraint, "nodes",
		(json_int_t)shape->nodes, "tasks", (json_int_t)shape->tasks, "cpus_per_task",
		(json_int_t)shape->cpus_per_task, "ntasks_per_node", (json_int_t)shape->ntasks_per_node,
		"minutes", (json_int_t)shape->minutes, "burst", shape->burst, "max_tokens", shape->max_tokens,
		"peers", shape->peers, "stage_in", shape->stage_in, "array", shape->array, "directory",
		shape->directory, "waits", shape->waits);
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

	json_decref(object);
	return text;
}
