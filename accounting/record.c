// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/record.h"

#include <inttypes.h>
#include <string.h>

#include "common/json.h"

/* Past any clock that could be meant, and far from overflow in sums. */
#define TIME_MAX (INT64_C(1) << 40)
#define JOB_ID_MAX INT64_C(4294967295)

static int read_identity(struct rain_record *record, struct rain_error *err)
{
	const json_t *json = record->json;
	int64_t version;

	if (rain_json_int(json, "v", 0, INT64_MAX, &version, err) < 0)
		return -1;
	if (version != RAIN_RECORD_VERSION)
		return rain_error_set(err, "the record has version %" PRId64
				      ", but this rain-ledgerd reads version %d: jobcomp_rain and "
				      "rain-ledgerd must come from the same RAIN",
				      version, RAIN_RECORD_VERSION);
	if (rain_json_string(json, "cluster", 64, &record->cluster, err) < 0 ||
	    rain_json_int(json, "job_id", 1, JOB_ID_MAX, &record->job_id, err) < 0 ||
	    rain_json_int(json, "submit", 0, TIME_MAX, &record->submit, err) < 0 ||
	    rain_json_int(json, "restart", 0, INT32_MAX, &record->restart, err) < 0 ||
	    rain_json_int_or(json, "array_job_id", -1, JOB_ID_MAX, -1, &record->array_job_id,
			     err) < 0 ||
	    rain_json_int_or(json, "array_task_id", -1, JOB_ID_MAX, -1, &record->array_task_id,
			     err) < 0 ||
	    rain_json_int_or(json, "het_job_id", -1, JOB_ID_MAX, -1, &record->het_job_id,
			     err) < 0)
		return -1;
	if (record->cluster[0] == '\0')
		return rain_error_set(err, "cluster is empty");
	return 0;
}

static int read_description(struct rain_record *record, struct rain_error *err)
{
	const json_t *json = record->json;

	if (rain_json_string(json, "user", 64, &record->user, err) < 0 ||
	    rain_json_string(json, "partition", RAIN_RECORD_TEXT_MAX, &record->partition,
			     err) < 0 ||
	    rain_json_string(json, "state", 64, &record->state, err) < 0 ||
	    rain_json_string_or(json, "account", RAIN_RECORD_TEXT_MAX, "", &record->account,
				err) < 0 ||
	    rain_json_string_or(json, "qos", RAIN_RECORD_TEXT_MAX, "", &record->qos, err) < 0 ||
	    rain_json_string_or(json, "name", RAIN_RECORD_TEXT_MAX, "", &record->name, err) < 0)
		return -1;
	if (record->user[0] == '\0' || strpbrk(record->user, ": \t\r\n"))
		return rain_error_set(err, "user \"%s\" can't have an account", record->user);
	return 0;
}

static int read_usage(struct rain_record *record, struct rain_error *err)
{
	const json_t *json = record->json;
	int64_t suspended;

	if (rain_json_int(json, "exit_code", INT32_MIN, INT32_MAX, &record->exit_code, err) < 0 ||
	    rain_json_int(json, "exit_signal", 0, 255, &record->exit_signal, err) < 0 ||
	    rain_json_int(json, "start", 0, TIME_MAX, &record->start, err) < 0 ||
	    rain_json_int(json, "end", 0, TIME_MAX, &record->end, err) < 0 ||
	    rain_json_int_or(json, "suspended", 0, TIME_MAX, 0, &suspended, err) < 0 ||
	    rain_json_int(json, "cpus", 0, JOB_ID_MAX, &record->cpus, err) < 0 ||
	    rain_json_int(json, "node_count", 0, JOB_ID_MAX, &record->node_count, err) < 0 ||
	    rain_json_string_or(json, "nodes", RAIN_RECORD_NODES_MAX, "", &record->nodes, err) < 0 ||
	    rain_json_string_or(json, "tres", RAIN_RECORD_NODES_MAX, "", &record->tres, err) < 0)
		return -1;
	if (record->start == 0 || record->nodes[0] == '\0') {
		record->start = record->end;
		record->run_ms = record->core_ms = 0;
		return 0;
	}
	if (record->end < record->start)
		return rain_error_set(err, "job %" PRId64 " ended at %" PRId64
				      ", before it started at %" PRId64
				      ": was the clock set while it ran?",
				      record->job_id, record->end, record->start);
	if (suspended > record->end - record->start)
		return rain_error_set(err, "job %" PRId64 " was suspended for %" PRId64
				      " s of a run of %" PRId64 " s", record->job_id, suspended,
				      record->end - record->start);
	/* 2^32 cpus x 2^40 s x 1000 would not fit. */
	record->run_ms = (record->end - record->start - suspended) * 1000;
	if (__builtin_mul_overflow(record->cpus, record->run_ms, &record->core_ms))
		return rain_error_set(err, "job %" PRId64 " used more core time than can be counted",
				      record->job_id);
	return 0;
}

int rain_record_parse(struct rain_record *record, const char *text, size_t size,
		      struct rain_error *err)
{
	*record = (struct rain_record){0};
	record->json = rain_json_parse(text, size, RAIN_RECORD_SIZE_MAX, err);
	if (!record->json)
		return -1;
	if (read_identity(record, err) < 0 || read_description(record, err) < 0 ||
	    read_usage(record, err) < 0) {
		rain_record_release(record);
		return -1;
	}
	return 0;
}

void rain_record_release(struct rain_record *record)
{
	json_decref(record->json);
	*record = (struct rain_record){0};
}

enum rain_record_place rain_record_place(const struct rain_record *record,
					 const char *overflow_partition,
					 const char *guest_partition)
{
	if (strcmp(record->partition, overflow_partition) == 0)
		return RAIN_PLACE_OVERFLOW;
	if (strcmp(record->partition, guest_partition) == 0)
		return RAIN_PLACE_GUEST;
	return RAIN_PLACE_HOME;
}

static json_t *number_or_null(int64_t value)
{
	return value < 0 ? json_null() : json_integer(value);
}

json_t *rain_record_to_run(const struct rain_record *record, enum rain_record_place place,
			   int64_t price)
{
	static const char *const names[] = {
		[RAIN_PLACE_HOME] = "home",
		[RAIN_PLACE_OVERFLOW] = "overflow",
		[RAIN_PLACE_GUEST] = "guest",
	};

	return json_pack(
		"{s:s s:I s:I s:I s:o s:o s:o s:s s:s s:s s:s s:s s:s s:I s:I s:I s:I s:s s:I s:I "
		"s:I s:s s:I}",
		"cluster", record->cluster, "slurm_job_id", (json_int_t)record->job_id,
		"submit_time", (json_int_t)record->submit, "restart", (json_int_t)record->restart,
		"array_job_id", number_or_null(record->array_job_id),
		"array_task_id", number_or_null(record->array_task_id),
		"het_job_id", number_or_null(record->het_job_id),
		"user_name", record->user, "account", record->account,
		"partition", record->partition, "qos", record->qos, "job_name", record->name,
		"state", record->state, "exit_code", (json_int_t)record->exit_code,
		"exit_signal", (json_int_t)record->exit_signal,
		"start_time", (json_int_t)record->start, "end_time", (json_int_t)record->end,
		"nodes", record->nodes, "node_count", (json_int_t)record->node_count,
		"cpus", (json_int_t)record->cpus, "core_ms", (json_int_t)record->core_ms,
		"place", names[place], "price", (json_int_t)price);
}
