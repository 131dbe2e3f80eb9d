// SPDX-License-Identifier: GPL-2.0-or-later
/* The part of jobcomp_rain that runs inside slurmctld, without it: for tests that kill it.
 *
 *   jobcomp_write DIRECTORY JOB...
 *
 * Writes a record of each job into the directory, and ends when all are durable. */
#include <stdio.h>
#include <stdlib.h>

#include "plugins/jobcomp_writer.h"

static int failures;

static void tell(bool is_error, const char *sentence)
{
	fprintf(stderr, "jobcomp_write: %s\n", sentence);
	failures += is_error;
}

int main(int argc, char *argv[])
{
	struct rain_error err;
	struct rain_jobcomp_writer *writer = argc > 2 ? rain_jobcomp_writer_create(argv[1], tell, &err) : NULL;

	if (!writer) {
		fprintf(stderr, "jobcomp_write: %s\n", argc > 2 ? err.text : "usage: jobcomp_write DIRECTORY JOB...");
		return 2;
	}
	for (int i = 2; i < argc; i++) {
		struct rain_jobcomp_run run = {
			.job_id = (uint32_t)strtoul(argv[i], NULL, 10), .array_task_id = -1,
			.submit = 1700000000, .eligible = 1700000000, .start = 1700000010, .end = 1700000019,
			.node_count = 4, .cpus = 16, .cluster = "alpha", .account = "", .partition = "trainer",
			.qos = "normal", .name = "job", .state = "COMPLETED", .nodes = "node[1-4]", .tres = "cpu=16",
			.admin_comment = "",
		};

		rain_jobcomp_writer_add(writer, &run);
	}
	rain_jobcomp_writer_destroy(writer);
	return failures ? 1 : 0;
}
