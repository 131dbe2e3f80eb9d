// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/jobcomp_writer.h"

#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accounting/segment.h"
#include "accounting/spool_writer.h"
#include "common/clock.h"
#include "plugins/background.h"

#define RETRY_FIRST_MS 1000
#define RETRY_MOST_MS 60000
/* How long a record may lie before the thread looks; see background.h. */
#define LOOK_MS 10

struct rain_jobcomp_writer {
	struct rain_background background;
	rain_jobcomp_log log;

	/* of whoever adds and the thread */
	_Atomic(struct rain_jobcomp_record *) added; /* the newest first */
	_Atomic size_t bytes;			     /* of all that isn't durable yet */

	size_t given_up; /* since one could last be added; of whoever adds */

	pthread_mutex_t directory_mutex;
	char directory[PATH_MAX];

	/* the thread's own: the oldest first */
	struct rain_spool_writer *spool;
	struct rain_jobcomp_record *first, **last;
	size_t count;
	bool failing;
	int64_t retry_ms;
};

__attribute__((format(printf, 3, 4))) static void
say(struct rain_jobcomp_writer *writer, bool is_error, const char *fmt, ...)
{
	char sentence[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(sentence, sizeof sentence, fmt, args);
	va_end(args);
	writer->log(is_error, sentence);
}

static char *run_encode(const struct rain_jobcomp_run *run, struct rain_error *err)
{
	char user_buffer[4096], group_buffer[4096];
	struct passwd user, *user_found = NULL;
	struct group group, *group_found = NULL;

	getpwuid_r(run->uid, &user, user_buffer, sizeof user_buffer, &user_found);
	getgrgid_r(run->gid, &group, group_buffer, sizeof group_buffer, &group_found);
	return rain_jobcomp_record_encode(run, user_found ? user.pw_name : NULL,
					  group_found ? group.gr_name : NULL, err);
}

/* Adds a record to the group: 1 when that is full now, or -1. */
static int record_add(struct rain_jobcomp_writer *writer, const struct rain_jobcomp_record *record, int64_t now_ms,
		      struct rain_error *err)
{
	struct rain_jobcomp_run run = record->run;
	char *text = run_encode(&run, err);
	int rc;

	/* Nothing is paid by the comment, and without it all fits that slurmctld accepts. */
	if (text && strlen(text) > RAIN_SEGMENT_RECORD_MAX) {
		free(text);
		run.admin_comment = NULL;
		text = run_encode(&run, err);
	}
	rc = text ? rain_spool_writer_add(writer->spool, text, strlen(text), now_ms, err) : -1;
	free(text);
	return rc;
}

/* Appends what was added since to the thread's own queue. */
static void queue_fill(struct rain_jobcomp_writer *writer)
{
	struct rain_jobcomp_record *record = atomic_exchange(&writer->added, NULL), *older = NULL;

	while (record) {
		struct rain_jobcomp_record *next = record->next;

		record->next = older;
		older = record;
		record = next;
	}
	*writer->last = older;
	for (; older; older = older->next) {
		writer->last = &older->next;
		writer->count++;
	}
}

static void queue_drop_first(struct rain_jobcomp_writer *writer)
{
	struct rain_jobcomp_record *record = writer->first;

	writer->first = record->next;
	if (!writer->first)
		writer->last = &writer->first;
	writer->count--;
	atomic_fetch_sub(&writer->bytes, record->size);
	free(record);
}

static void write_failed(struct rain_jobcomp_writer *writer, const struct rain_error *err)
{
	if (!writer->failing)
		say(writer, true, "%s; %zu records of ended jobs wait in memory until it works again",
		    err->text, writer->count);
	writer->failing = true;
}

static void write_worked(struct rain_jobcomp_writer *writer)
{
	if (writer->failing)
		say(writer, false, "records of ended jobs can be written again");
	writer->failing = false;
	writer->retry_ms = RETRY_FIRST_MS;
}

/* Writes what one sync takes of the queue. -1 with err when that failed for some of it. */
static int group_write(struct rain_jobcomp_writer *writer, struct rain_error *err)
{
	int64_t now_ms = rain_clock_realtime_ms();
	char directory[PATH_MAX];
	size_t durable;
	int rc;

	pthread_mutex_lock(&writer->directory_mutex);
	memcpy(directory, writer->directory, sizeof directory);
	pthread_mutex_unlock(&writer->directory_mutex);
	rc = rain_spool_writer_begin(writer->spool, directory, now_ms, err);
	if (rc)
		return rc;
	for (const struct rain_jobcomp_record *record = writer->first; record && rc == 0; record = record->next)
		rc = record_add(writer, record, now_ms, err);
	/* What was added is written, whatever came after it. */
	if (rain_spool_writer_sync(writer->spool, &durable, err))
		rc = -1;
	while (durable-- > 0)
		queue_drop_first(writer);
	return rc < 0 ? -1 : 0;
}

/* Writes all that waits. False when that can't be done now. */
static bool queue_write(struct rain_jobcomp_writer *writer)
{
	struct rain_error err;

	while (writer->first) {
		if (group_write(writer, &err)) {
			write_failed(writer, &err);
			return false;
		}
		write_worked(writer);
	}
	return true;
}

/* How long to wait after a failure, more each time. */
static int64_t retry_wait(struct rain_jobcomp_writer *writer)
{
	int64_t ms = writer->retry_ms;

	writer->retry_ms = ms * 2 < RETRY_MOST_MS ? ms * 2 : RETRY_MOST_MS;
	return ms;
}

static int directory_set(struct rain_jobcomp_writer *writer, const char *directory,
			 struct rain_error *err)
{
	size_t length = strlen(directory);

	if (directory[0] != '/' || length >= sizeof writer->directory)
		return rain_error_set(err, "JobCompLoc=%.200s must be the absolute path of a directory",
				      directory);
	pthread_mutex_lock(&writer->directory_mutex);
	memcpy(writer->directory, directory, length + 1);
	pthread_mutex_unlock(&writer->directory_mutex);
	return 0;
}

static void *writer_main(void *arg)
{
	struct rain_jobcomp_writer *writer = arg;
	bool going_on = true, worked = true;

	/* After the end was asked for there is one more turn: slurmctld must be able to end. */
	while (going_on) {
		going_on = rain_background_nap(&writer->background, worked ? LOOK_MS : retry_wait(writer));
		queue_fill(writer);
		worked = queue_write(writer);
		rain_spool_writer_rest(writer->spool, rain_clock_realtime_ms());
	}
	return NULL;
}

struct rain_jobcomp_writer *rain_jobcomp_writer_create(const char *directory,
						       rain_jobcomp_log log,
						       struct rain_error *err)
{
	struct rain_jobcomp_writer *writer = calloc(1, sizeof *writer);

	if (!writer) {
		rain_error_set(err, "no memory for the writer of records");
		return NULL;
	}
	writer->log = log;
	writer->last = &writer->first;
	writer->retry_ms = RETRY_FIRST_MS;
	pthread_mutex_init(&writer->directory_mutex, NULL);
	writer->spool = rain_spool_writer_create();
	if (!writer->spool) {
		rain_error_set(err, "no memory for the writer of records");
		goto cleanup;
	}
	if (directory_set(writer, directory, err) ||
	    rain_background_start(&writer->background, writer_main, writer, err))
		goto cleanup;
	return writer;
cleanup:
	rain_spool_writer_destroy(writer->spool);
	pthread_mutex_destroy(&writer->directory_mutex);
	free(writer);
	return NULL;
}

int rain_jobcomp_writer_move(struct rain_jobcomp_writer *writer, const char *directory,
			     struct rain_error *err)
{
	if (directory_set(writer, directory, err))
		return -1;
	rain_background_wake(&writer->background);
	return 0;
}

/* Slurmctld waits meanwhile, with its lock on all jobs: no lock and no system call here. */
int rain_jobcomp_writer_add(struct rain_jobcomp_writer *writer,
			    const struct rain_jobcomp_run *run)
{
	struct rain_jobcomp_record *record = rain_jobcomp_record_create(run);

	if (!record) {
		say(writer, true, "no memory for the record of job %u, which is lost", run->job_id);
		return -1;
	}
	if (atomic_fetch_add(&writer->bytes, record->size) + record->size > RAIN_JOBCOMP_WAITING_MAX) {
		atomic_fetch_sub(&writer->bytes, record->size);
		free(record);
		if (++writer->given_up == 1)
			say(writer, true,
			    "records of ended jobs fill %u MiB of memory: that of job %u and those of all "
			    "further jobs are lost until some can be written",
			    RAIN_JOBCOMP_WAITING_MAX >> 20, run->job_id);
		return -1;
	}
	writer->given_up = 0;
	record->next = atomic_load(&writer->added);
	while (!atomic_compare_exchange_weak(&writer->added, &record->next, record))
		;
	return 0;
}

void rain_jobcomp_writer_destroy(struct rain_jobcomp_writer *writer)
{
	if (!writer)
		return;
	rain_background_stop(&writer->background);
	if (writer->count)
		say(writer, true, "%zu records of ended jobs could not be written and are lost",
		    writer->count);
	while (writer->first)
		queue_drop_first(writer);
	rain_spool_writer_destroy(writer->spool);
	pthread_mutex_destroy(&writer->directory_mutex);
	free(writer);
}
