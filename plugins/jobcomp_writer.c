// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/jobcomp_writer.h"

#include <grp.h>
#include <limits.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/file.h"

#define RETRY_FIRST_S 1
#define RETRY_MOST_S 60
/* Who may read a record: its group, the ledger's. */
#define RECORD_MODE 0640

struct rain_jobcomp_writer {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	rain_jobcomp_log log;

	/* under the mutex */
	char directory[PATH_MAX];
	struct rain_jobcomp_record *first, **last;
	size_t count, bytes;
	size_t given_up; /* since the queue was last below its bound */
	bool stopping;
	bool retry_now;

	/* the thread's own */
	bool failing;
	int retry_s;
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

static char *line_encode(const struct rain_jobcomp_run *run, struct rain_error *err)
{
	char user_buffer[4096], group_buffer[4096];
	struct passwd user, *user_found = NULL;
	struct group group, *group_found = NULL;

	getpwuid_r(run->uid, &user, user_buffer, sizeof user_buffer, &user_found);
	getgrgid_r(run->gid, &group, group_buffer, sizeof group_buffer, &group_found);
	return rain_jobcomp_record_encode(run, user_found ? user.pw_name : NULL,
					  group_found ? group.gr_name : NULL, err);
}

static int record_write(const struct rain_jobcomp_record *record, const char *directory,
			struct rain_error *err)
{
	char name[RAIN_JOBCOMP_NAME_SIZE], path[PATH_MAX + sizeof name + 1];
	char *line = line_encode(&record->run, err);
	int rc;

	if (!line)
		return -1;
	rain_jobcomp_record_name(&record->run, name);
	snprintf(path, sizeof path, "%s/%s", directory, name);
	rc = rain_file_write(path, line, strlen(line), RECORD_MODE, err);
	free(line);
	return rc;
}

/* Both with the mutex held. */
static struct rain_jobcomp_record *queue_take(struct rain_jobcomp_writer *writer)
{
	struct rain_jobcomp_record *record = writer->first;

	writer->first = record->next;
	if (!writer->first)
		writer->last = &writer->first;
	writer->count--;
	writer->bytes -= record->size;
	return record;
}

static void queue_put_back(struct rain_jobcomp_writer *writer, struct rain_jobcomp_record *record)
{
	record->next = writer->first;
	writer->first = record;
	if (!record->next)
		writer->last = &record->next;
	writer->count++;
	writer->bytes += record->size;
}

/* Waits until the next try is due, or worth it, or the last. With the mutex held. */
static void retry_wait(struct rain_jobcomp_writer *writer)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += writer->retry_s;
	while (!writer->stopping && !writer->retry_now &&
	       pthread_cond_timedwait(&writer->changed, &writer->mutex, &until) == 0)
		;
	writer->retry_now = false;
	writer->retry_s = writer->retry_s * 2 < RETRY_MOST_S ? writer->retry_s * 2 : RETRY_MOST_S;
}

static void write_failed(struct rain_jobcomp_writer *writer, const struct rain_error *err,
			 size_t waiting)
{
	if (!writer->failing)
		say(writer, true, "%s; %zu records of ended jobs wait in memory until it works again",
		    err->text, waiting);
	writer->failing = true;
}

static void write_worked(struct rain_jobcomp_writer *writer)
{
	if (writer->failing)
		say(writer, false, "records of ended jobs can be written again");
	writer->failing = false;
	writer->retry_s = RETRY_FIRST_S;
}

/* Takes and writes one record, without the mutex while it waits for the disk.
 * False when it could not be written. */
static bool write_one(struct rain_jobcomp_writer *writer)
{
	struct rain_jobcomp_record *record = queue_take(writer);
	size_t waiting = writer->count + 1;
	char directory[PATH_MAX];
	struct rain_error err;
	int rc;

	memcpy(directory, writer->directory, sizeof directory);
	pthread_mutex_unlock(&writer->mutex);
	rc = record_write(record, directory, &err);
	if (rc)
		write_failed(writer, &err, waiting);
	else
		write_worked(writer);
	pthread_mutex_lock(&writer->mutex);
	if (rc)
		queue_put_back(writer, record);
	else
		free(record);
	return !rc;
}

static void *writer_main(void *arg)
{
	struct rain_jobcomp_writer *writer = arg;

	pthread_mutex_lock(&writer->mutex);
	for (;;) {
		bool last_try;

		while (!writer->first && !writer->stopping)
			pthread_cond_wait(&writer->changed, &writer->mutex);
		if (!writer->first)
			break;
		last_try = writer->stopping;
		if (write_one(writer))
			continue;
		/* slurmctld must be able to end */
		if (last_try)
			break;
		retry_wait(writer);
	}
	pthread_mutex_unlock(&writer->mutex);
	return NULL;
}

static int thread_start(struct rain_jobcomp_writer *writer, struct rain_error *err)
{
	sigset_t all, before;
	int rc;

	/* signals are for slurmctld's own threads */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&writer->thread, NULL, writer_main, writer);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc)
		return rain_error_set(err, "can't start the thread that writes records: %s",
				      strerror(rc));
	return 0;
}

struct rain_jobcomp_writer *rain_jobcomp_writer_create(const char *directory,
						       rain_jobcomp_log log,
						       struct rain_error *err)
{
	struct rain_jobcomp_writer *writer = calloc(1, sizeof *writer);
	pthread_condattr_t monotonic;

	if (!writer) {
		rain_error_set(err, "no memory for the writer of records");
		return NULL;
	}
	writer->log = log;
	writer->last = &writer->first;
	writer->retry_s = RETRY_FIRST_S;
	pthread_mutex_init(&writer->mutex, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&writer->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (rain_jobcomp_writer_move(writer, directory, err) || thread_start(writer, err)) {
		pthread_cond_destroy(&writer->changed);
		pthread_mutex_destroy(&writer->mutex);
		free(writer);
		return NULL;
	}
	return writer;
}

int rain_jobcomp_writer_move(struct rain_jobcomp_writer *writer, const char *directory,
			     struct rain_error *err)
{
	size_t length = strlen(directory);

	if (directory[0] != '/' || length >= sizeof writer->directory)
		return rain_error_set(err, "JobCompLoc=%.200s must be the absolute path of a directory",
				      directory);
	pthread_mutex_lock(&writer->mutex);
	memcpy(writer->directory, directory, length + 1);
	writer->retry_now = true;
	pthread_cond_signal(&writer->changed);
	pthread_mutex_unlock(&writer->mutex);
	return 0;
}

int rain_jobcomp_writer_add(struct rain_jobcomp_writer *writer,
			    const struct rain_jobcomp_run *run)
{
	struct rain_jobcomp_record *record = rain_jobcomp_record_create(run);
	size_t given_up = 0;

	if (!record) {
		say(writer, true, "no memory for the record of job %u, which is lost", run->job_id);
		return -1;
	}
	pthread_mutex_lock(&writer->mutex);
	if (writer->bytes + record->size > RAIN_JOBCOMP_WAITING_MAX) {
		given_up = ++writer->given_up;
	} else {
		writer->given_up = 0;
		*writer->last = record;
		writer->last = &record->next;
		writer->count++;
		writer->bytes += record->size;
		pthread_cond_signal(&writer->changed);
	}
	pthread_mutex_unlock(&writer->mutex);
	if (!given_up)
		return 0;
	free(record);
	if (given_up == 1)
		say(writer, true,
		    "records of ended jobs fill %u MiB of memory: that of job %u and those of all further "
		    "jobs are lost until some can be written",
		    RAIN_JOBCOMP_WAITING_MAX >> 20, run->job_id);
	return -1;
}

void rain_jobcomp_writer_destroy(struct rain_jobcomp_writer *writer)
{
	struct rain_jobcomp_record *record;

	if (!writer)
		return;
	pthread_mutex_lock(&writer->mutex);
	writer->stopping = true;
	pthread_cond_signal(&writer->changed);
	pthread_mutex_unlock(&writer->mutex);
	pthread_join(writer->thread, NULL);
	if (writer->count)
		say(writer, true, "%zu records of ended jobs could not be written and are lost",
		    writer->count);
	while (writer->first) {
		record = queue_take(writer);
		free(record);
	}
	pthread_cond_destroy(&writer->changed);
	pthread_mutex_destroy(&writer->mutex);
	free(writer);
}
