/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/sandbox.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cli.h"
#include "common/file.h"
#include "federation/sandbox_filter.h"

/* More tasks on one node than this share numbers. */
#define LOCAL_TASKS_MAX 1024

/* What a guest leaves free on a disk of the node: a share of it, but not more
 * than these bytes. It is looked at every so often. */
#define SPACE_KEPT_SHARE 20
#define SPACE_KEPT_BYTES (UINT64_C(2) << 30)
#define SPACE_LOOK_MS 500

/* Limits of one guest's program; processes are counted over all of its uid. */
static const struct {
	int resource;
	rlim_t limit;
} limits[] = {
	{RLIMIT_CORE, 0},
	{RLIMIT_NPROC, 2048},
	{RLIMIT_NOFILE, 8192},
	{RLIMIT_MSGQUEUE, 819200},
};

static int limits_set(struct rain_error *err)
{
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		struct rlimit limit;

		if (getrlimit(limits[i].resource, &limit) < 0)
			return rain_error_set(err, "can't read a limit: %s", strerror(errno));
		if (limit.rlim_max > limits[i].limit)
			limit.rlim_max = limits[i].limit;
		if (limit.rlim_cur > limit.rlim_max)
			limit.rlim_cur = limit.rlim_max;
		if (setrlimit(limits[i].resource, &limit) < 0)
			return rain_error_set(err, "can't set a limit: %s", strerror(errno));
	}
	return 0;
}

/* bubblewrap's own process ran with signals ignored, so that those that Slurm
 * sends to every process of the job reach the program and not the box. */
static void signals_reset(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		if (number != SIGKILL && number != SIGSTOP)
			signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int environment_load(struct rain_environment *environment, int fd, const char *job_dir,
			    struct rain_error *err)
{
	size_t size;
	char *data;
	const struct passwd *user = getpwuid(getuid());
	int result;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return rain_error_set(err, "can't read the environment: %s", strerror(errno));
	data = rain_file_read_fd(fd, "the environment", RAIN_ENVIRONMENT_BYTES_MAX, &size, err);
	if (!data)
		return -1;
	result = rain_environment_parse(environment, data, size, err);
	free(data);
	close(fd);
	if (result == 0)
		result = rain_sandbox_environment(environment, job_dir,
						  user ? user->pw_name : "guest", err);
	return result;
}

/* As a shell does: 127 when there is no such program, else 126. */
__attribute__((noreturn)) static void command_exec(const struct rain_environment *environment,
						   char *const command[])
{
	int saved;

	signals_reset();
	environ = environment->list;
	execvp(command[0], command);
	saved = errno;
	fprintf(stderr, "rain: can't run %s: %s\n", command[0], strerror(saved));
	_exit(saved == ENOENT ? 127 : 126);
}

/* As slurmstepd does it (its _handle_signal_container): what ends a job goes to all of
 * it; any other signal for a batch script to the script alone, which may have programs
 * in the background that don't know it.  And a suspended job is stopped, all of it: the
 * program's group has no shell above it, and the kernel lets none of such a group stop
 * by SIGTSTP. */
static void pass_on(pid_t child, int number)
{
	switch (number) {
	case SIGTSTP: kill(-1, SIGSTOP); break; /* all of this sandbox, but not itself */
	case SIGCONT: kill(-1, SIGCONT); break;
	case SIGTERM:
	case SIGINT:
	case SIGHUP:
	case SIGQUIT: kill(-child, number); break;
	default: kill(child, number);
	}
}

/* Slurm sends the SIGTERM that ends a job to every process of it, the program's, this
 * one and the agent, which passes it on: needed only if it went to the agent alone, as
 * scancel --batch does it, or came before there was a program.  So this one, which
 * blocks it, looks whether it has had it, too. */
static void pass_on_slurms(pid_t child, int number)
{
	static const struct timespec patience = {.tv_nsec = 100 * 1000000L};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, number);
	if (sigtimedwait(&set, NULL, &patience) != number)
		pass_on(child, number);
}

/* Signals come over the control socket; its end (the agent is gone) ends the program. */
static void control_read(int control, pid_t child)
{
	unsigned char numbers[64];
	ssize_t got = recv(control, numbers, sizeof(numbers), MSG_DONTWAIT);

	if (got == 0)
		kill(-child, SIGKILL);
	for (ssize_t i = 0; i < got; i++)
		if (numbers[i] == (SIGTERM | RAIN_SANDBOX_SLURMS))
			pass_on_slurms(child, SIGTERM);
		else if (numbers[i] > 0 && numbers[i] < NSIG)
			pass_on(child, numbers[i]);
}

/* The job's files lie on the node's own disk and, in /dev/shm, in its memory:
 * before either is full, the program ends, and not the owner's node. */
static void space_watch(const char *job_dir, pid_t child)
{
	const char *const places[] = {job_dir, "/dev/shm"};
	struct statvfs space;

	for (size_t i = 0; i < 2; i++) {
		if (statvfs(places[i], &space) < 0 ||
		    space.f_bavail >= space.f_blocks / SPACE_KEPT_SHARE ||
		    space.f_bavail * space.f_frsize >= SPACE_KEPT_BYTES)
			continue;
		fprintf(stderr, "rain: the job is ended: %s of this node has only %llu MiB left\n",
			i ? "the memory" : "the disk",
			(unsigned long long)(space.f_bavail * space.f_frsize >> 20));
		kill(-1, SIGKILL); /* all of this sandbox, but not itself */
		kill(child, SIGKILL);
		return;
	}
}

/* Takes whoever has ended: as the first process in here it is the parent of
 * all that lost theirs. True when it was the program. */
static bool reap(pid_t child, int *status)
{
	pid_t pid;
	int ended;

	while ((pid = waitpid(-1, &ended, WNOHANG)) > 0) {
		if (pid != child)
			continue;
		*status = ended;
		return true;
	}
	return pid < 0 && errno == ECHILD;
}

__attribute__((noreturn)) static void supervise(const char *job_dir, int control, pid_t child)
{
	struct pollfd polls[2] = {{.fd = (int)syscall(SYS_pidfd_open, child, 0), .events = POLLIN},
				  {.fd = control, .events = POLLIN}};
	struct rain_sandbox_end end;
	int status = 0;

	for (int number = 1; number < NSIG; number++)
		if (number != SIGCHLD && number != SIGTERM)
			signal(number, SIG_IGN);
	while (!reap(child, &status)) {
		int found = poll(polls, 2, SPACE_LOOK_MS);

		if (found == 0)
			space_watch(job_dir, child);
		if (found > 0 && polls[1].revents) {
			control_read(control, child);
			if (polls[1].revents & (POLLHUP | POLLERR))
				polls[1].fd = -1;
		}
	}
	end = (struct rain_sandbox_end){
		.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
		.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
	};
	/* The agent may be gone: then nobody asks. */
	if (control >= 0)
		(void)!send(control, &end, sizeof(end), MSG_NOSIGNAL);
	_exit(end.signal ? 128 + end.signal : end.code);
}

/* Tasks of one node must not have the same process number although each has a
 * numbering of its own: Open MPI tells by it whether shared memory is its own,
 * and would use another rank's addresses. So the numbers before that of this
 * task are used up. */
static pid_t number_wanted(const struct rain_environment *environment)
{
	const char *text = rain_environment_get(environment, "SLURM_LOCALID");
	long local = text ? strtol(text, NULL, 10) : 0;

	return getpid() + 1 + (local > 0 && local < LOCAL_TASKS_MAX ? (pid_t)local : 0);
}

static pid_t program_start(const struct rain_environment *environment, int control_fd,
			   char *const command[])
{
	static const struct timespec now;
	pid_t wanted = number_wanted(environment), child;
	sigset_t all;

	/* What is signalled before the child's signals_reset() waits for it: it would be
	 * ignored as here. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	for (;;) {
		child = fork();
		if (child < 0)
			return -1;
		if (child == 0) {
			if (getpid() < wanted)
				_exit(0);
			if (control_fd >= 0) {
				close(control_fd);
				setpgid(0, 0);
			}
			command_exec(environment, command);
		}
		if (child >= wanted)
			break;
		waitpid(child, NULL, 0);
	}
	if (control_fd >= 0)
		setpgid(child, child); /* whichever of the two is first */
	sigemptyset(&all);
	sigaddset(&all, SIGTERM);
	while (sigtimedwait(&all, NULL, &now) == SIGTERM)
		; /* it may have been before the program was */
	return child;
}

int rain_sandbox_inside(const char *job_dir, int environment_fd, int control_fd,
			int sockets_fd, char *const command[])
{
	struct rain_environment environment = {0};
	struct rain_error err;
	pid_t child;

	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) {
		rain_error_set(&err, "the sandbox didn't give up privileges: not going on");
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	}
	if (limits_set(&err) < 0 ||
	    environment_load(&environment, environment_fd, job_dir, &err) < 0)
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	/* This process, too, lives under the filter, and can't be traced: the
	 * program must find nobody in here who may do more than itself. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0) {
		rain_error_set(&err, "can't be closed to tracing: %s", strerror(errno));
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	}
	if (rain_sandbox_filter_load(sockets_fd, &err) < 0)
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	close(sockets_fd);
	child = program_start(&environment, control_fd, command);
	if (child < 0) {
		rain_error_set(&err, "can't start the program: %s", strerror(errno));
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	}
	supervise(job_dir, control_fd, child);
}
