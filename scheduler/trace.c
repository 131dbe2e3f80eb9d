/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scheduler/trace.h"

#include <archive.h>
#include <archive_entry.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_NEEDED 12
#define FIELDS 18
#define SECONDS_MAX 1000000000 /* of a run or limit; 31 years */
#define SUBMIT_MAX 100000000000

enum { ID = 0, SUBMIT = 1, RUN = 3, PROCS = 4, PROCS_ASKED = 7, TIME_ASKED = 8, USER = 11 };

/* "; MaxProcs: 338"; MaxNodes counts when there is no MaxProcs. */
static void read_header(const char *line, struct rain_trace *trace)
{
	static const char *const keys[] = {"MaxNodes:", "MaxProcs:"};

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		const char *at = strstr(line, keys[i]);
		long value = at ? strtol(at + strlen(keys[i]), NULL, 10) : 0;

		if (value > 0 && value <= INT32_MAX && (i > 0 || trace->procs == 0))
			trace->procs = (int32_t)value;
	}
}

static int read_fields(const char *line, double fields[FIELDS], struct rain_error *err)
{
	int count = 0;

	for (;;) {
		char *end;

		while (isspace((unsigned char)*line))
			line++;
		if (*line == '\0')
			break;
		if (count == FIELDS)
			return rain_error_set(err, "more than %d fields", FIELDS);
		fields[count] = strtod(line, &end);
		if (end == line || (*end && !isspace((unsigned char)*end)) || !isfinite(fields[count]))
			return rain_error_set(err, "field %d, '%.20s', is no number", count + 1, line);
		count++;
		line = end;
	}
	if (count < FIELDS_NEEDED)
		return rain_error_set(err, "%d fields where the format has %d", count, FIELDS);
	return count;
}

int rain_trace_line(const char *line, struct rain_arrival *job, struct rain_trace *trace,
		    struct rain_error *err)
{
	double fields[FIELDS], procs, limit;

	while (isspace((unsigned char)*line))
		line++;
	if (*line == ';')
		read_header(line, trace);
	if (*line == ';' || *line == '\0')
		return 0;
	if (read_fields(line, fields, err) < 0)
		return -1;
	if (fields[SUBMIT] < 0 || fields[SUBMIT] > SUBMIT_MAX)
		return rain_error_set(err, "submitted at %.0f s: not between 0 and %lld",
				      fields[SUBMIT], (long long)SUBMIT_MAX);
	if (fields[RUN] > SECONDS_MAX || fields[TIME_ASKED] > SECONDS_MAX)
		return rain_error_set(err, "a run of more than %d s", SECONDS_MAX);
	procs = fields[PROCS] > 0 ? fields[PROCS] : fields[PROCS_ASKED];
	if (procs > INT32_MAX)
		return rain_error_set(err, "%.0f processors are too many", procs);
	if (fields[RUN] < 0 || procs < 1) {
		trace->warnings.left_out++;
		return 0;
	}
	limit = fields[TIME_ASKED];
	if (limit <= 0) {
		trace->warnings.no_limit++;
		limit = fields[RUN];
	} else if (limit < fields[RUN]) {
		trace->warnings.overran++;
		limit = fields[RUN];
	}
	*job = (struct rain_arrival){
		.submit = (int64_t)fields[SUBMIT], .run = fields[RUN] < 1 ? 1 : (int32_t)fields[RUN],
		.limit = limit < 1 ? 1 : (int32_t)limit, .procs = (int32_t)procs,
		.user = fields[USER] >= 0 && fields[USER] < UINT32_MAX ? (uint32_t)fields[USER]
								       : UINT32_MAX,
		.id = fields[ID] >= 0 && fields[ID] < UINT32_MAX ? (uint32_t)fields[ID] : UINT32_MAX,
	};
	return 1;
}

static int add(struct rain_trace *trace, const struct rain_arrival *job, struct rain_error *err)
{
	if (trace->count == trace->size) {
		size_t size = trace->size ? trace->size * 2 : 4096;
		struct rain_arrival *jobs = size <= RAIN_TRACE_JOBS_MAX * 2u
						    ? reallocarray(trace->jobs, size, sizeof *jobs)
						    : NULL;

		if (!jobs)
			return rain_error_set(err, "more than %zu jobs don't fit into memory",
					      trace->count);
		trace->jobs = jobs;
		trace->size = size;
	}
	if (trace->count > 0 && job->submit < trace->jobs[trace->count - 1].submit)
		trace->warnings.unsorted++;
	trace->jobs[trace->count++] = *job;
	return 0;
}

/* Lines that grow out of blocks; none is ever longer than the bound. */
struct lines {
	char text[RAIN_TRACE_LINE_MAX + 1];
	size_t used;
	int64_t number;
};

static int end_line(struct rain_trace *trace, struct lines *lines, struct rain_error *err)
{
	struct rain_arrival job;
	int got;

	lines->text[lines->used] = '\0';
	if (memchr(lines->text, '\0', lines->used))
		return rain_error_set(err, "a zero byte: this is no text");
	got = rain_trace_line(lines->text, &job, trace, err);
	if (got > 0 && add(trace, &job, err) < 0)
		return -1;
	if (got < 0)
		return -1;
	lines->used = 0;
	lines->number++;
	return 0;
}

static int take_block(struct rain_trace *trace, struct lines *lines, const char *block, size_t size,
		      struct rain_error *err)
{
	while (size > 0) {
		const char *newline = memchr(block, '\n', size);
		size_t part = newline ? (size_t)(newline - block) : size;

		if (lines->used + part > RAIN_TRACE_LINE_MAX)
			return rain_error_set(err, "longer than %d bytes", RAIN_TRACE_LINE_MAX);
		memcpy(lines->text + lines->used, block, part);
		lines->used += part;
		if (!newline)
			return 0;
		if (end_line(trace, lines, err) < 0)
			return -1;
		block += part + 1;
		size -= part + 1;
	}
	return 0;
}

static int read_all(struct archive *archive, const char *path, struct rain_trace *trace,
		    struct rain_error *err)
{
	struct lines lines = {.number = 1};
	char block[65536];
	la_ssize_t got;

	while ((got = archive_read_data(archive, block, sizeof block)) > 0)
		if (take_block(trace, &lines, block, (size_t)got, err) < 0)
			return rain_error_prefix(err, "%s: line %lld", path, (long long)lines.number);
	if (got < 0)
		return rain_error_set(err, "%s: after line %lld: %s", path, (long long)lines.number - 1,
				      archive_error_string(archive));
	if (lines.used > 0 && end_line(trace, &lines, err) < 0)
		return rain_error_prefix(err, "%s: line %lld", path, (long long)lines.number);
	return 0;
}

static int by_submission(const void *a, const void *b)
{
	const struct rain_arrival *x = a, *y = b;

	if (x->submit != y->submit)
		return x->submit < y->submit ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

struct rain_trace *rain_trace_load(const char *path, struct rain_error *err)
{
	struct rain_trace *trace = calloc(1, sizeof *trace);
	struct archive *archive = archive_read_new();
	struct archive_entry *entry;
	int rc = -1;

	if (!trace || !archive) {
		rain_error_set(err, "no memory for %s", path);
	} else if (archive_read_support_filter_all(archive) < ARCHIVE_WARN ||
		   archive_read_support_format_raw(archive) != ARCHIVE_OK ||
		   archive_read_support_format_empty(archive) != ARCHIVE_OK ||
		   archive_read_open_filename(archive, path, 65536) != ARCHIVE_OK) {
		rain_error_set(err, "can't open %s: %s", path, archive_error_string(archive));
	} else {
		int first = archive_read_next_header(archive, &entry);

		if (first == ARCHIVE_OK)
			rc = read_all(archive, path, trace, err);
		else if (first != ARCHIVE_EOF)
			rain_error_set(err, "can't read %s: %s", path, archive_error_string(archive));
		else
			rc = 0;
	}
	if (rc == 0 && trace->count == 0)
		rc = rain_error_set(err, "%s has no job that could be replayed", path);
	archive_read_free(archive);
	if (rc < 0) {
		rain_trace_destroy(trace);
		return NULL;
	}
	if (trace->warnings.unsorted > 0)
		qsort(trace->jobs, trace->count, sizeof *trace->jobs, by_submission);
	return trace;
}

void rain_trace_destroy(struct rain_trace *trace)
{
	if (!trace)
		return;
	free(trace->jobs);
	free(trace);
}
