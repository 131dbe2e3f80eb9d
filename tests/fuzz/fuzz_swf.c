// SPDX-License-Identifier: GPL-2.0-or-later
/* Workloads of strangers, line by line (the Standard Workload Format). */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void one_line(const char *line, struct rain_trace *trace)
{
	struct rain_arrival job;
	struct rain_error err;

	if (rain_trace_line(line, &job, trace, &err) == 1 &&
	    (job.submit < 0 || job.run < 1 || job.limit < job.run || job.procs < 1))
		abort();
	if (trace->procs < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rain_trace trace = {.count = 0};
	char *text = malloc(size + 1), *save = NULL;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		one_line(line, &trace);
	free(text);
	return 0;
}
