/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/file.h"
#include "federation/sandbox.h"

#define SANDBOX RAIN_LIBEXECDIR "/rain-sandbox"
#define SYSTEM_PATH "/usr/local/bin:/usr/bin:/bin"

/* The user's programs may lie where the lender has none; the system's are
 * always found. */
static int path_complete(struct rain_environment *environment, struct rain_error *err)
{
	const char *path = rain_environment_get(environment, "PATH");
	char *both;
	int result;

	if (asprintf(&both, "%s%s%s", path ? path : "", path && *path ? ":" : "", SYSTEM_PATH) < 0)
		return rain_error_set(err, "out of memory");
	result = rain_environment_set(environment, "PATH", both, err);
	free(both);
	return result;
}

/* This cluster's Slurm has the word about its own job; the name and the place in an
 * array are those of the job at home. */
static int slurm_complete(const struct rain_agent *agent, struct rain_environment *environment,
			  struct rain_error *err)
{
	const char *name = rain_environment_get(environment, "SLURM_JOB_NAME");
	char *kept = strdup(name ? name : ""), work[300];
	int result = -1;

	snprintf(work, sizeof(work), "%s/work", agent->job_dir);
	if (!kept)
		rain_error_set(err, "out of memory");
	else if (rain_environment_add_prefix(environment, environ, "SLURM", err) == 0 &&
		 rain_environment_set(environment, "SLURM_SUBMIT_DIR", work, err) == 0)
		result = *kept ? rain_environment_set(environment, "SLURM_JOB_NAME", kept, err) : 0;
	free(kept);
	return result;
}

/* The user's variables, as far as strangers' are let in; Slurm's own over
 * them. As text in a memory file, for the sandbox. */
static int environment_make(struct rain_agent *agent, struct rain_error *err)
{
	struct rain_environment given = {0}, environment = {0};
	int blob = rain_agent_blob_get(agent, &agent->manifest.environment, err), fd = -1;
	char *data = NULL;
	size_t size;

	if (blob >= 0 && lseek(blob, 0, SEEK_SET) == 0)
		data = rain_file_read_fd(blob, "the environment", RAIN_ENVIRONMENT_BYTES_MAX, &size,
					 err);
	if (!data || rain_environment_parse(&given, data, size, err) < 0)
		goto out;
	if (given.list && rain_environment_add_travelling(&environment, given.list, err) < 0)
		goto out;
	if (path_complete(&environment, err) < 0 || slurm_complete(agent, &environment, err) < 0)
		goto out;
	free(data);
	data = rain_environment_pack(&environment, &size, err);
	fd = data ? memfd_create("rain-environment", 0) : -1; /* the sandbox inherits it */
	if (data && (fd < 0 || rain_file_write_fd(fd, data, size, err) < 0))
		rain_error_set(err, "can't keep the environment in memory: %s", strerror(errno));
out:
	free(data);
	if (blob >= 0)
		close(blob);
	rain_environment_release(&given);
	rain_environment_release(&environment);
	return fd;
}

/* A named file, for the sandbox's exec. */
static int script_make(struct rain_agent *agent, struct rain_error *err)
{
	int blob = rain_agent_blob_get(agent, &agent->manifest.script, err), fd = -1, result = -1;
	char *data = NULL;
	size_t size;

	if (blob >= 0 && lseek(blob, 0, SEEK_SET) == 0)
		data = rain_file_read_fd(blob, "the script", RAIN_AGENT_SCRIPT_MAX, &size, err);
	if (data) {
		fd = openat(agent->directory, "script",
			    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0700);
		if (fd < 0)
			rain_error_set(err, "can't write the script: %s", strerror(errno));
		else
			result = rain_file_write_fd(fd, data, size, err);
	}
	free(data);
	if (fd >= 0)
		close(fd);
	if (blob >= 0)
		close(blob);
	return result;
}

struct child {
	int environment;
	int control[2], out[2], err[2];
	int in[2];    /* of what somebody sits before … */
	int terminal; /* … or its terminal; the program's end is out[1] and in[0] */
};

static void child_close(struct child *child)
{
	int *const fds[] = {&child->environment, &child->control[0], &child->control[1],
			    &child->out[0],      &child->out[1],     &child->err[0],
			    &child->err[1],      &child->in[0],      &child->in[1],
			    &child->terminal};

	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		if (*fds[i] >= 0)
			close(*fds[i]);
}

/* Both ends of a terminal twice, so that each has one owner. */
static int terminal_open(const struct rain_agent *agent, struct child *child, struct rain_error *err)
{
	child->terminal = rain_agent_terminal_open(agent, &child->in[0], err);
	if (child->terminal < 0)
		return -1;
	child->out[0] = fcntl(child->terminal, F_DUPFD_CLOEXEC, 3);
	child->out[1] = fcntl(child->in[0], F_DUPFD_CLOEXEC, 3);
	child->in[1] = fcntl(child->terminal, F_DUPFD_CLOEXEC, 3);
	if (child->out[0] < 0 || child->out[1] < 0 || child->in[1] < 0)
		return rain_error_set(err, "can't make a terminal: %s", strerror(errno));
	return 0;
}

static int child_open(const struct rain_agent *agent, struct child *child, struct rain_error *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, child->control) < 0 ||
	    fcntl(child->control[1], F_SETFD, 0) < 0 || pipe2(child->err, O_CLOEXEC) < 0)
		return rain_error_set(err, "can't make pipes: %s", strerror(errno));
	if (agent->manifest.rows > 0)
		return terminal_open(agent, child, err);
	if (pipe2(child->out, O_CLOEXEC) < 0 ||
	    (agent->manifest.direct && pipe2(child->in, O_CLOEXEC) < 0))
		return rain_error_set(err, "can't make pipes: %s", strerror(errno));
	return 0;
}

static int spawn(const struct rain_agent *agent, const struct child *child, char *const argv[],
		 pid_t *pid, struct rain_error *err)
{
	char *clean[] = {"PATH=" SYSTEM_PATH, "LANG=C.UTF-8", NULL}, work[300];
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int error;

	snprintf(work, sizeof(work), "%s/work", agent->job_dir);
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	if (child->in[0] >= 0)
		posix_spawn_file_actions_adddup2(&actions, child->in[0], STDIN_FILENO);
	else
		posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, child->out[1], STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions,
					 child->terminal >= 0 ? child->out[1] : child->err[1],
					 STDERR_FILENO);
	posix_spawn_file_actions_addchdir_np(&actions, work);
	error = posix_spawn(pid, SANDBOX, &actions, &attributes, argv, clean);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return error ? rain_error_set(err, "can't start %s: %s", SANDBOX, strerror(error)) : 0;
}

static int sandbox_start(struct rain_agent *agent, const struct child *child, pid_t *pid,
			 struct rain_error *err)
{
	char job[16], environment[16], control[16], script[300];
	const char *argv[RAIN_AGENT_ARGS_MAX + 16];
	size_t n = 0;

	snprintf(job, sizeof(job), "%u", agent->job);
	snprintf(environment, sizeof(environment), "%d", child->environment);
	snprintf(control, sizeof(control), "%d", child->control[1]);
	snprintf(script, sizeof(script), "%s/script", agent->job_dir);
	argv[n++] = "rain-sandbox";
	argv[n++] = "--job";
	argv[n++] = job;
	argv[n++] = "--environment-fd";
	argv[n++] = environment;
	argv[n++] = "--control-fd";
	argv[n++] = control;
	argv[n++] = "--";
	argv[n++] = script;
	for (size_t i = 0; agent->manifest.args[i]; i++)
		argv[n++] = agent->manifest.args[i];
	argv[n] = NULL;
	return spawn(agent, child, (char *const *)argv, pid, err);
}

/* What the inside says of the program's end; what it doesn't say, the sandbox
 * itself has failed at, with a sentence on stderr. */
static int sandbox_end(int control, pid_t pid, struct rain_agent_end *end, struct rain_error *err)
{
	struct rain_sandbox_end said;
	ssize_t got;
	int status = 0;

	do
		got = recv(control, &said, sizeof(said), 0);
	while (got < 0 && errno == EINTR);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (got == (ssize_t)sizeof(said)) {
		*end = (struct rain_agent_end){.code = said.code, .signal = said.signal};
		return 0;
	}
	if (WIFSIGNALED(status)) {
		*end = (struct rain_agent_end){.code = -1, .signal = WTERMSIG(status)};
		return 0;
	}
	return rain_error_set(err, "the sandbox could not be set up (status %d)",
			      WEXITSTATUS(status));
}

int rain_agent_run(struct rain_agent *agent, struct rain_agent_signals *signals,
		   struct rain_agent_stream streams[2], struct rain_agent_end *end,
		   struct rain_error *err)
{
	struct child child = {-1, {-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}, -1};
	int result = -1, ended_by;
	pid_t pid;

	if (script_make(agent, err) < 0)
		return -1;
	child.environment = environment_make(agent, err);
	if (child.environment < 0 || child_open(agent, &child, err) < 0 ||
	    sandbox_start(agent, &child, &pid, err) < 0)
		goto out;
	close(child.control[1]);
	close(child.out[1]);
	close(child.err[1]);
	child.control[1] = child.out[1] = child.err[1] = -1;
	rain_agent_signals_terminal(signals, child.terminal);
	ended_by = rain_agent_signals_attach(signals, child.control[0]);
	if (ended_by) {
		unsigned char byte = (unsigned char)ended_by;

		(void)!send(child.control[0], &byte, 1, MSG_NOSIGNAL);
	}
	if (rain_agent_stream_start(&streams[0], child.out[0], err) == 0) {
		child.out[0] = -1;
		result = rain_agent_stream_start(&streams[1], child.err[0], err);
		child.err[0] = result == 0 ? -1 : child.err[0];
	}
	if (result == 0 && child.in[1] >= 0) {
		close(child.in[0]);
		result = rain_agent_input_start(agent, child.in[1], child.terminal >= 0, err);
		child.in[0] = -1;
		child.in[1] = result == 0 ? -1 : child.in[1];
	}
	if (result < 0)
		kill(pid, SIGKILL);
	if (sandbox_end(child.control[0], pid, end, result == 0 ? err : NULL) < 0)
		result = -1;
	rain_agent_signals_attach(signals, -1);
	rain_agent_signals_terminal(signals, -1);
	if (child.out[0] < 0)
		rain_agent_stream_join(&streams[0]);
	if (child.err[0] < 0)
		rain_agent_stream_join(&streams[1]);
out:
	child_close(&child);
	return result;
}
