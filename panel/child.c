/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

void rain_panel_child_init(struct rain_panel_child *child, size_t most)
{
	memset(child, 0, sizeof(*child));
	child->fd = -1;
	child->most = most;
}

/* The child has said all it will: whether or not it has exited, it is over. */
static void reap(struct rain_panel_child *child)
{
	if (child->fd >= 0)
		close(child->fd);
	child->fd = -1;
	if (child->pid > 0) {
		kill(child->pid, SIGKILL);
		while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	child->pid = 0;
}

void rain_panel_child_release(struct rain_panel_child *child)
{
	reap(child);
	free(child->answer);
	rain_panel_child_init(child, child->most);
}

/* Forks with a pipe to the child. Returns 0 in the child, whose end is *fd,
 * 1 in the parent, -1 with err. */
static int start(struct rain_panel_child *child, int64_t deadline_ms, int *fd,
		 struct rain_error *err)
{
	pid_t parent = getpid();
	sigset_t none;
	int ends[2];

	rain_panel_child_release(child);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return rain_error_set(err, "can't make a pipe: %s", strerror(errno));
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	child->pid = fork();
	if (child->pid < 0) {
		child->pid = 0;
		close(ends[0]);
		close(ends[1]);
		return rain_error_set(err, "can't start a process: %s", strerror(errno));
	}
	if (child->pid == 0) {
		/* It must not outlive us: it holds our sockets. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(127);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		signal(SIGPIPE, SIG_DFL);
		close(ends[0]);
		*fd = ends[1];
		return 0;
	}
	close(ends[1]);
	child->fd = ends[0];
	child->deadline_ms = deadline_ms;
	return 1;
}

int rain_panel_child_exec(struct rain_panel_child *child, char *const argv[],
			  int64_t deadline_ms, struct rain_error *err)
{
	int fd, null;
	int rc = start(child, deadline_ms, &fd, err);

	if (rc != 0)
		return rc < 0 ? -1 : 0;
	null = open("/dev/null", O_RDONLY);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0)
		_exit(127);
	execv(argv[0], argv);
	_exit(127);
}

int rain_panel_child_fork(struct rain_panel_child *child, void (*run)(int fd, const void *arg),
			  const void *arg, int64_t deadline_ms, struct rain_error *err)
{
	int fd;
	int rc = start(child, deadline_ms, &fd, err);

	if (rc != 0)
		return rc < 0 ? -1 : 0;
	run(fd, arg);
	_exit(0);
}

int rain_panel_child_read(struct rain_panel_child *child, int64_t now_ms, struct rain_error *err)
{
	if (!child->answer) {
		child->answer = malloc(child->most);
		if (!child->answer) {
			rain_panel_child_release(child);
			return rain_error_set(err, "out of memory");
		}
	}
	for (;;) {
		size_t space = child->most - 1 - child->size;
		ssize_t got;

		if (space == 0) {
			rain_panel_child_release(child);
			return rain_error_set(err, "it said more than %zu bytes",
					      child->most - 1);
		}
		got = read(child->fd, child->answer + child->size, space);
		if (got > 0) {
			child->size += (size_t)got;
		} else if (got == 0) {
			child->answer[child->size] = '\0';
			reap(child);
			return 1;
		} else if (errno == EAGAIN) {
			break;
		} else if (errno != EINTR) {
			rain_panel_child_release(child);
			return rain_error_set(err, "can't read from it: %s", strerror(errno));
		}
	}
	if (now_ms < child->deadline_ms)
		return 0;
	rain_panel_child_release(child);
	return rain_error_set(err, "it took too long");
}
