/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Around the script of a job with --stage-out: what it leaves goes to the head. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cli.h"
#include "common/clock.h"
#include "federation/bundle_seen.h"
#include "federation/stage.h"

#define WHAT_HEAD "the process on the head that takes the files"
#define EXIT_CANT_EXEC 126
/* Slurm sends SIGCONT right before the SIGTERM that goes to all processes of a job. */
#define TOGETHER_MS 2000
/* For how long, and after what pauses, the outputs are tried again. */
#define PATIENCE_MS (10 * 60000)
#define PAUSE_MS 1000
#define PAUSE_MAX_MS 30000

struct leaving {
	const char *script, *list_text, *partition;
	bool shared; /* the nodes are known to see the head's directory */
	struct rain_stage_list list;
	struct rain_stage_job job;
	int directory;
	struct rain_bundle_seen *seen;
	char buffer[RAIN_STAGE_BUFFER_SIZE];
};

/* --- the files --- */

/* RAIN_STAGE_TOLD when the head says why not, -1 when it didn't come to that. */
static int send(struct leaving *leaving, struct rain_stage_child *head,
		struct rain_bundle_summary *summary, struct rain_error *err)
{
	const char *placed[RAIN_STAGE_ITEMS_MAX], *const *items = leaving->list.items;
	size_t size, count = leaving->list.count;
	struct rain_error theirs;
	int result;

	result = rain_stage_expect(head->from, RAIN_STAGE_PROBE, leaving->buffer, &size, err);
	if (result < 0)
		return result;
	/* What keeps its path is where it belongs already. */
	if (leaving->shared || rain_stage_probe_seen(leaving->directory, leaving->buffer)) {
		count = rain_stage_items(&leaving->list, false, placed);
		items = placed;
	}
	result = rain_stage_write(head->to, RAIN_STAGE_PLACED, "", 0, err);
	if (result == 0)
		result = rain_stage_give(head->to, leaving->directory, items, count, true,
					 leaving->seen, summary, err);
	if (result == 0)
		return rain_stage_expect(head->from, RAIN_STAGE_END, leaving->buffer, &size, err);
	/* A head that stopped listening has said why, and one that heard of a failure here
	 * says it again. */
	if (rain_stage_expect(head->from, RAIN_STAGE_END, leaving->buffer, &size, &theirs) !=
	    RAIN_STAGE_TOLD)
		return result;
	rain_error_set(err, "%s", theirs.text);
	return RAIN_STAGE_TOLD;
}

static void unmatched_tell(const struct leaving *leaving, size_t unmatched)
{
	if (unmatched > 0)
		fprintf(stderr, "rain: --stage-out: %zu of %zu items name nothing that the job has left\n",
			unmatched, leaving->list.count);
}

static int files_leave_once(struct leaving *leaving, struct rain_error *err)
{
	struct rain_bundle_summary summary = {0};
	struct rain_stage_child head;
	struct rain_error theirs;
	int result;

	if (rain_stage_head_start(&head, &leaving->job, leaving->partition, "--take",
				  leaving->list_text, err) < 0)
		return -1;
	result = send(leaving, &head, &summary, err);
	if (rain_stage_child_end(&head, WHAT_HEAD, 0, &theirs) < 0 && result == -1)
		rain_error_set(err, "%s", theirs.text);
	if (result == 0)
		unmatched_tell(leaving, summary.unmatched);
	return result;
}

/* A head that is full or down for a while shall cost nobody what was computed. */
static int files_leave(struct leaving *leaving, struct rain_error *err)
{
	int64_t end_ms = rain_clock_monotonic_ms() + PATIENCE_MS;
	const char *placed[RAIN_STAGE_ITEMS_MAX];
	struct rain_bundle_print print;
	int pause_ms = PAUSE_MS, result;

	if (rain_bundle_fingerprint(leaving->directory, leaving->list.items, leaving->list.count,
				    &print, err) < 0)
		return -1;
	if (print.entries == 0)
		unmatched_tell(leaving, leaving->list.count);
	if (print.entries == 0 ||
	    (leaving->shared && rain_stage_items(&leaving->list, false, placed) == 0))
		return 0;
	while ((result = files_leave_once(leaving, err)) == -1 &&
	       rain_clock_monotonic_ms() + pause_ms < end_ms &&
	       rain_stage_job_runs(leaving->job.id, leaving->job.started) != 0) {
		if (pause_ms == PAUSE_MS)
			fprintf(stderr, "rain: --stage-out: %s; trying it again for %d minutes\n",
				err->text, PATIENCE_MS / 60000);
		poll(NULL, 0, pause_ms);
		pause_ms = pause_ms * 2 < PAUSE_MAX_MS ? pause_ms * 2 : PAUSE_MAX_MS;
	}
	return result;
}

static void place_tell(const struct leaving *leaving)
{
	char host[256] = "";

	gethostname(host, sizeof(host) - 1);
	fprintf(stderr, "rain: --stage-out: what the job has left lies on node %s in %s\n",
		getenv("SLURMD_NODENAME") ? getenv("SLURMD_NODENAME") : host,
		leaving->job.directory);
}

/* --- the script --- */

static void child_exec(const struct leaving *leaving, char *argv[], const sigset_t *mask)
{
	/* A group of its own: what Slurm sends to the batch script alone comes to us
	 * alone, and is passed on once. */
	setpgid(0, 0);
	sigprocmask(SIG_SETMASK, mask, NULL);
	argv[0] = (char *)leaving->script;
	execve(leaving->script, argv, environ);
	dprintf(STDERR_FILENO, "rain: can't start the job's script: %s\n", strerror(errno));
	_exit(EXIT_CANT_EXEC);
}

/* True when all processes of the job get this signal from Slurm, the script among them. */
static bool is_for_all(int number, int64_t continued_ms)
{
	sigset_t pending;

	if (number == SIGCONT || number == SIGTSTP)
		return true;
	if (number != SIGTERM)
		return false;
	sigpending(&pending);
	return sigismember(&pending, SIGCONT) == 1 ||
	       rain_clock_monotonic_ms() - continued_ms < TOGETHER_MS;
}

/* Waits for its end; returns what waitpid says. */
static int follow(pid_t pid, const sigset_t *all)
{
	int64_t continued_ms = -TOGETHER_MS;
	int status = 0;

	for (;;) {
		int number = sigwaitinfo(all, NULL);

		if (number == SIGCHLD && waitpid(pid, &status, WNOHANG) == pid)
			return status;
		if (number == SIGCONT)
			continued_ms = rain_clock_monotonic_ms();
		if (number > 0 && number != SIGCHLD && !is_for_all(number, continued_ms))
			kill(pid, number);
	}
}

static int script_run(const struct leaving *leaving, char *argv[], int *status, struct rain_error *err)
{
	sigset_t all, mask;
	pid_t pid;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &mask);
	pid = fork();
	if (pid < 0)
		return rain_error_set(err, "can't start the job's script: %s", strerror(errno));
	if (pid == 0)
		child_exec(leaving, argv, &mask);
	*status = follow(pid, &all);
	return 0;
}

static int end_as(int status, bool lost)
{
	const struct rlimit none = {0};
	sigset_t set;

	if (WIFEXITED(status))
		return WEXITSTATUS(status) == 0 && lost ? RAIN_STAGE_EXIT_FAILED : WEXITSTATUS(status);
	setrlimit(RLIMIT_CORE, &none); /* the script has left one if it was to */
	signal(WTERMSIG(status), SIG_DFL);
	raise(WTERMSIG(status));
	sigemptyset(&set);
	sigaddset(&set, WTERMSIG(status));
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	return 128 + WTERMSIG(status);
}

/* --- both --- */

static const char *variable_take(const char *name)
{
	const char *value = getenv(name);
	char *copy = strdup(value ? value : "");

	unsetenv(name);
	return copy;
}

static int leaving_open(struct leaving *leaving, struct rain_error *err)
{
	const char *shared;

	leaving->script = variable_take(RAIN_STAGE_VARIABLE_SCRIPT);
	leaving->list_text = variable_take(RAIN_STAGE_VARIABLE_LIST);
	leaving->partition = variable_take(RAIN_STAGE_VARIABLE_PARTITION);
	shared = variable_take(RAIN_STAGE_VARIABLE_SHARED);
	if (!leaving->script || !leaving->list_text || !leaving->partition || !shared)
		return rain_error_set(err, "out of memory");
	leaving->shared = *shared;
	if (rain_stage_list_parse(RAIN_OPTION_STAGE_OUT, leaving->list_text, &leaving->list, err) < 0 ||
	    rain_stage_job_load(&leaving->job, NULL, err) < 0)
		return -1;
	leaving->directory = rain_stage_directory(leaving->job.directory, true, err);
	if (leaving->directory < 0)
		return -1;
	if (leaving->shared)
		return 0;
	/* Only what the script changes of its inputs goes back. */
	leaving->seen = rain_bundle_see_items(leaving->directory, leaving->list.items,
					      leaving->list.count, err);
	return leaving->seen ? 0 : -1;
}

int rain_stage_script(char *argv[])
{
	static struct leaving leaving;
	struct rain_error err;
	int status, lost;

	if (leaving_open(&leaving, &err) < 0 || script_run(&leaving, argv, &status, &err) < 0) {
		rain_error_prefix(&err, "--stage-out");
		return rain_cli_fail(RAIN_STAGE_EXIT_FAILED, &err);
	}
	signal(SIGPIPE, SIG_IGN);
	lost = files_leave(&leaving, &err) < 0;
	if (lost) {
		rain_error_prefix(&err, "--stage-out");
		rain_cli_fail(0, &err);
		place_tell(&leaving);
	}
	return end_as(status, lost);
}
