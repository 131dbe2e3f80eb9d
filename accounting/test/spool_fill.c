// SPDX-License-Identifier: GPL-2.0-or-later
/* Fills a spool as jobcomp_rain would in a long time without rain-ledgerd.
 *
 *   spool_fill DIRECTORY COUNT [FIRST [USERS]]
 *
 * The jobs FIRST .. FIRST+COUNT-1 of user0 .. user(USERS-1) (USERS 0: root), one
 * file each. Not synced: this is for tests. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"

static int write_record(int directory, long job, long users, struct rain_error *err)
{
	char name[64], user[32], text[1024];
	int fd, n;

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
	snprintf(name, sizeof(name), "%ld-%ld-0.json", 1700000000 + job, job);
	fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd < 0)
		return rain_error_set(err, "can't make %s", name);
	if (rain_file_write_fd(fd, text, (size_t)n, err) < 0) {
		close(fd);
		return -1;
	}
	return close(fd);
}

int main(int argc, char *argv[])
{
	int directory = argc >= 3 ? open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	long count = argc >= 3 ? atol(argv[2]) : 0, first = argc >= 4 ? atol(argv[3]) : 1;
	long users = argc >= 5 ? atol(argv[4]) : 0;
	struct rain_error err = {""};

	if (directory < 0 || count <= 0) {
		fputs("usage: spool_fill DIRECTORY COUNT [FIRST [USERS]]\n", stderr);
		return 2;
	}
	for (long job = first; job < first + count; job++) {
		if (write_record(directory, job, users, &err) < 0) {
			fprintf(stderr, "spool_fill: %s\n", err.text);
			return 1;
		}
	}
	close(directory);
	return 0;
}
