// SPDX-License-Identifier: GPL-2.0-or-later
/* Fills a spool as jobcomp_rain would in a long time without rain-ledgerd.
 *
 *   spool_fill DIRECTORY COUNT [FIRST [USERS [EACH]]]
 *   spool_fill DIRECTORY - <RECORD
 *
 * The jobs FIRST .. FIRST+COUNT-1 of user0 .. user(USERS-1) (USERS 0: root), so that a segment
 * has EACH of them (0: as many as it takes); or one record from the standard input. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "accounting/segment.h"
#include "accounting/spool_writer.h"
#include "common/clock.h"
#include "common/file.h"

static int write_record(struct rain_spool_writer *writer, long job, long users, int64_t now, struct rain_error *err)
{
	char user[32], text[1024];
	int n;

	snprintf(user, sizeof(user), "user%ld", users > 0 ? job % users : 0);
	n = snprintf(text, sizeof(text),
		     "{\"v\":1,\"cluster\":\"alpha\",\"job_id\":%ld,\"array_job_id\":null,"
		     "\"array_task_id\":null,\"het_job_id\":null,\"restart\":0,\"uid\":1000,"
		     "\"user\":\"%s\",\"group\":\"users\",\"account\":\"\",\"partition\":\"trainer\","
		     "\"qos\":\"normal\",\"name\":\"job %ld\",\"state\":\"COMPLETED\",\"exit_code\":0,"
		     "\"exit_signal\":0,\"submit\":%ld,\"eligible\":%ld,\"start\":%ld,\"end\":%ld,"
		     "\"suspended\":0,\"nodes\":\"node[1-4]\",\"node_count\":4,\"cpus\":16,"
		     "\"tres\":\"cpu=16,mem=8G,node=4,billing=16\",\"admin_comment\":\"\"}",
		     job, users > 0 ? user : "root", job, 1700000000 + job, 1700000000 + job,
		     1700000010 + job, 1700000019 + job);
	return rain_spool_writer_add(writer, text, (size_t)n, now, err);
}

static int write_given(struct rain_spool_writer *writer, int64_t now, struct rain_error *err)
{
	size_t size;
	char *text = rain_file_read_fd(STDIN_FILENO, "the standard input", RAIN_SEGMENT_RECORD_MAX, &size, err);
	int rc = text ? rain_spool_writer_add(writer, text, size, now, err) : -1;

	free(text);
	return rc;
}

/* Writes the jobs from *job on that one group takes, and none from `end` on. */
static int write_group(struct rain_spool_writer *writer, const char *directory, long *job, long end, long users,
		       struct rain_error *err)
{
	int64_t now = rain_clock_realtime_ms();
	size_t durable;
	int rc = rain_spool_writer_begin(writer, directory, now, err);

	while (rc == 0 && *job < end)
		rc = users < 0 ? write_given(writer, now, err) : write_record(writer, *job, users, now, err), ++*job;
	return rc < 0 ? -1 : rain_spool_writer_sync(writer, &durable, err);
}

int main(int argc, char *argv[])
{
	bool given = argc == 3 && strcmp(argv[2], "-") == 0;
	long count = given ? 1 : argc >= 3 ? atol(argv[2]) : 0, job = argc >= 4 ? atol(argv[3]) : 1;
	long users = given ? -1 : argc >= 5 ? atol(argv[4]) : 0, each = argc >= 6 ? atol(argv[5]) : 0;
	long end = job + count;
	struct rain_error err = {""};
	int rc = 0;

	if (count <= 0) {
		fputs("usage: spool_fill DIRECTORY {COUNT [FIRST [USERS [EACH]]] | -}\n", stderr);
		return 2;
	}
	while (rc == 0 && job < end) {
		struct rain_spool_writer *writer = rain_spool_writer_create();
		long until = each > 0 && job + each < end ? job + each : end;

		rc = writer ? 0 : rain_error_set(&err, "no memory");
		while (rc == 0 && job < until)
			rc = write_group(writer, argv[1], &job, until, users, &err);
		rain_spool_writer_destroy(writer);
	}
	if (rc < 0)
		fprintf(stderr, "spool_fill: %s\n", err.text);
	return rc < 0 ? 1 : 0;
}
