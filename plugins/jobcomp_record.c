// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/jobcomp_record.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The strings of a run, for copying. */
static const size_t string_offsets[] = {
	offsetof(struct rain_jobcomp_run, cluster),   offsetof(struct rain_jobcomp_run, account),
	offsetof(struct rain_jobcomp_run, partition), offsetof(struct rain_jobcomp_run, qos),
	offsetof(struct rain_jobcomp_run, name),      offsetof(struct rain_jobcomp_run, state),
	offsetof(struct rain_jobcomp_run, nodes),     offsetof(struct rain_jobcomp_run, tres),
	offsetof(struct rain_jobcomp_run, admin_comment),
};
#define STRING_COUNT (sizeof string_offsets / sizeof *string_offsets)

static const char **string_of(struct rain_jobcomp_run *run, size_t i)
{
	return (const char **)((char *)run + string_offsets[i]);
}

struct rain_jobcomp_record *rain_jobcomp_record_create(const struct rain_jobcomp_run *run)
{
	struct rain_jobcomp_run copy = *run;
	struct rain_jobcomp_record *record;
	size_t lengths[STRING_COUNT], size = sizeof *record;
	char *p;

	for (size_t i = 0; i < STRING_COUNT; i++) {
		const char *string = *string_of(&copy, i);

		lengths[i] = string ? strlen(string) + 1 : 0;
		size += lengths[i];
	}
	record = malloc(size);
	if (!record)
		return NULL;
	record->next = NULL;
	record->size = size;
	record->run = copy;
	p = record->strings;
	for (size_t i = 0; i < STRING_COUNT; i++) {
		const char **string = string_of(&record->run, i);

		if (!*string)
			continue;
		memcpy(p, *string, lengths[i]);
		*string = p;
		p += lengths[i];
	}
	return record;
}

/* Names of jobs may hold any bytes: what isn't UTF-8 becomes '?'. */
static json_t *text(const char *string)
{
	json_t *value = json_string(string ? string : "");
	char *plain;

	if (value)
		return value;
	plain = strdup(string);
	if (!plain)
		return NULL;
	for (char *p = plain; *p; p++)
		if ((unsigned char)*p > '~')
			*p = '?';
	value = json_string(plain);
	free(plain);
	return value;
}

static json_t *name_or_number(const char *name, uint32_t number)
{
	char digits[16];

	if (name)
		return text(name);
	snprintf(digits, sizeof digits, "%" PRIu32, number);
	return json_string(digits);
}

static json_t *number_or_null(int64_t number, int64_t none)
{
	return number == none ? json_null() : json_integer(number);
}

char *rain_jobcomp_record_encode(const struct rain_jobcomp_run *run, const char *user,
				 const char *group, struct rain_error *err)
{
	json_t *object = json_pack(
		"{si,so,sI,so,so,so,sI,sI,so,so,so,so,so,so,so,si,si,sI,sI,sI,sI,sI,so,sI,sI,so,so}",
		"v", 1,
		"cluster", text(run->cluster),
		"job_id", (json_int_t)run->job_id,
		"array_job_id", number_or_null(run->array_job_id, 0),
		"array_task_id", number_or_null(run->array_task_id, -1),
		"het_job_id", number_or_null(run->het_job_id, 0),
		"restart", (json_int_t)run->restart,
		"uid", (json_int_t)run->uid,
		"user", name_or_number(user, run->uid),
		"group", name_or_number(group, run->gid),
		"account", text(run->account),
		"partition", text(run->partition),
		"qos", text(run->qos),
		"name", text(run->name),
		"state", text(run->state),
		"exit_code", run->exit_code,
		"exit_signal", run->exit_signal,
		"submit", (json_int_t)run->submit,
		"eligible", (json_int_t)run->eligible,
		"start", (json_int_t)run->start,
		"end", (json_int_t)run->end,
		"suspended", (json_int_t)run->suspended,
		"nodes", text(run->nodes),
		"node_count", (json_int_t)run->node_count,
		"cpus", (json_int_t)run->cpus,
		"tres", text(run->tres),
		"admin_comment", text(run->admin_comment));
	char *line;

	line = object ? json_dumps(object, JSON_COMPACT) : NULL;
	json_decref(object);
	if (!line)
		rain_error_set(err, "no memory for the record of job %" PRIu32, run->job_id);
	return line;
}
