/* SPDX-License-Identifier: GPL-2.0-or-later */
/* On the head, in a job of one task on a virtual node: gives the user's files, and
 * takes them, through srun's pipes.  What goes wrong goes to the other side, which
 * tells the user. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/process.h"
#include "federation/slurm_command.h"
#include "federation/stage.h"

#define PROBE_SIZE 32
#define SCANCEL_MS 20000
#define WATCH_MS 5000

struct head {
	int directory;
	char probe[PROBE_SIZE]; /* "": the directory may not be written */
	char buffer[RAIN_STAGE_BUFFER_SIZE];
};
static struct head head;
/* Held by whoever ends this process, or lets files land. */
static pthread_mutex_t landing = PTHREAD_MUTEX_INITIALIZER;

static void failure_tell(const struct rain_error *err)
{
	/* When this doesn't reach it, it sees the end. */
	(void)rain_stage_write(STDOUT_FILENO, RAIN_STAGE_FAILED, err->text, strlen(err->text), NULL);
}

/* Whoever sees this file sees this very directory. */
static void probe_make(void)
{
	unsigned int number[2];
	int fd = -1;

	if (getrandom(number, sizeof(number), 0) == (ssize_t)sizeof(number)) {
		snprintf(head.probe, sizeof(head.probe), RAIN_STAGE_PROBE_PREFIX "%08x%08x", number[0], number[1]);
		fd = openat(head.directory, head.probe,
			    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	}
	if (fd < 0)
		head.probe[0] = '\0';
	else
		close(fd);
}

static void probe_remove(void)
{
	if (head.probe[0])
		unlinkat(head.directory, head.probe, 0);
	head.probe[0] = '\0';
}

static void orphan_end(void)
{
	char path[RAIN_SLURM_COMMAND_SIZE];
	const char *job = getenv("SLURM_JOB_ID"), *scancel = rain_slurm_command("scancel", path);
	const char *argv[] = {scancel, "--quiet", job, NULL};
	struct rain_process_result result = {0};

	if (job && scancel)
		(void)rain_process_run(argv, (const char *const *)environ, NULL, SCANCEL_MS, &result, NULL);
	rain_process_result_release(&result);
}

/* An srun that was killed, and a node that is gone, leave this job behind, and its pipes
 * don't end. */
static void *job_watch(void *arg)
{
	const struct rain_stage_options *options = arg;
	char *end;
	uint32_t job = (uint32_t)strtoul(options->job, &end, 10);
	int64_t started = *end ? strtoll(end + 1, NULL, 10) : 0;

	while (rain_stage_job_runs(job, started) != 0)
		poll(NULL, 0, WATCH_MS);
	pthread_mutex_lock(&landing); /* never the half of it */
	probe_remove();
	orphan_end();
	_exit(RAIN_STAGE_EXIT_FAILED);
}

static int watch_start(const struct rain_stage_options *options, struct rain_error *err)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, job_watch, (void *)options);

	return error ? rain_error_set(err, "can't start a thread: %s", strerror(error)) : 0;
}

/* Signals that end a program end srun, too: its pipes say so, and nothing stays.  Of a
 * pipe whose other end is closed the error tells. */
static int begin(const struct rain_stage_options *options)
{
	struct rain_error err;

	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	head.directory = rain_stage_directory(options->directory, false, &err);
	if (head.directory < 0) {
		rain_error_prefix(&err, "on the head");
		failure_tell(&err);
		return -1;
	}
	rain_stage_sweep(head.directory);
	probe_make();
	if (watch_start(options, &err) < 0)
		failure_tell(&err);
	else if (rain_stage_write(STDOUT_FILENO, RAIN_STAGE_PROBE, head.probe, strlen(head.probe), NULL) == 0)
		return 0;
	probe_remove();
	return -1;
}

/* 0; 1: the last thing is said; -1: the other side is gone. */
static int wish_fulfil(const struct rain_stage_options *options)
{
	const char *items[RAIN_STAGE_ITEMS_MAX];
	struct rain_bundle_summary summary;
	enum rain_stage_type type;
	struct rain_error err;
	size_t size, count;

	if (rain_stage_read(STDIN_FILENO, &type, head.buffer, &size, &err) < 0)
		return -1;
	probe_remove(); /* every node has looked */
	if (type != RAIN_STAGE_PLAIN && type != RAIN_STAGE_PLACED)
		return 1;
	count = rain_stage_items(&options->list, type == RAIN_STAGE_PLAIN, items);
	return rain_stage_give(STDOUT_FILENO, head.directory, items, count, false, NULL, &summary,
			       &err) < 0 ? 1 : 0;
}

int rain_stage_head_give(const struct rain_stage_options *options)
{
	int result;

	if (begin(options) < 0)
		return 0;
	do
		result = wish_fulfil(options);
	while (result == 0);
	probe_remove();
	if (result < 0)
		orphan_end();
	return 0;
}

/* What lands is what the user asked for, and nothing beside it. */
static bool was_asked_for(void *arg, const char *path)
{
	const struct rain_stage_list *list = arg;

	return rain_bundle_path_matches(list->items, list->count, path);
}

int rain_stage_head_take(const struct rain_stage_options *options)
{
	struct rain_error err;
	size_t size;
	int result;

	if (begin(options) < 0)
		return 0;
	result = rain_stage_expect(STDIN_FILENO, RAIN_STAGE_PLACED, head.buffer, &size, &err);
	probe_remove();
	if (result == 0)
		result = rain_stage_take(STDIN_FILENO, head.directory, was_asked_for,
					 (void *)&options->list, &landing, &err);
	if (result == 0)
		(void)rain_stage_write(STDOUT_FILENO, RAIN_STAGE_END, "", 0, NULL);
	else
		failure_tell(&err);
	return 0;
}
