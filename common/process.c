// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"

#define OUTPUT_MAX ((size_t)64 * 1024)

/* One run: the parent's ends of the child's pipes. */
struct run {
	pid_t pid;
	int in, out;
	const char *input;
	size_t input_left;
};

static const char *const minimal_environment[] = {
	"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", NULL};

static void child_exec(const char *const argv[], const char *const envp[], int in, int out)
{
	sigset_t none;

	/* What a daemon blocks or ignores is not for its children. */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
	    dup2(out, STDERR_FILENO) >= 0)
		execve(argv[0], (char *const *)argv,
		       (char *const *)(envp ? envp : minimal_environment));
	_exit(127);
}

static int run_start(struct run *run, const char *const argv[], const char *const envp[],
		     struct rain_error *err)
{
	int in[2], out[2];

	if (access(argv[0], X_OK) < 0)
		return rain_error_set(err, "can't run %s: %s", argv[0], strerror(errno));
	if (pipe2(in, O_CLOEXEC) < 0)
		return rain_error_set(err, "can't make a pipe: %s", strerror(errno));
	if (pipe2(out, O_CLOEXEC) < 0) {
		rain_error_set(err, "can't make a pipe: %s", strerror(errno));
		close(in[0]);
		close(in[1]);
		return -1;
	}
	run->pid = fork();
	if (run->pid == 0)
		child_exec(argv, envp, in[0], out[1]);
	if (run->pid < 0)
		rain_error_set(err, "can't fork for %s: %s", argv[0], strerror(errno));
	close(in[0]);
	close(out[1]);
	run->in = in[1];
	run->out = out[0];
	fcntl(run->in, F_SETFL, O_NONBLOCK);
	fcntl(run->out, F_SETFL, O_NONBLOCK);
	if (run->pid < 0) {
		close(run->in);
		close(run->out);
		return -1;
	}
	return 0;
}

static void run_close_input(struct run *run)
{
	if (run->in >= 0)
		close(run->in);
	run->in = -1;
}

static void run_feed(struct run *run)
{
	ssize_t n = write(run->in, run->input, run->input_left);

	if (n > 0) {
		run->input += n;
		run->input_left -= (size_t)n;
	} else if (n < 0 && errno != EINTR && errno != EAGAIN) {
		run->input_left = 0; /* it does not read any more */
	}
	if (run->input_left == 0)
		run_close_input(run);
}

/* Returns false at the end of the child's output. */
static int run_collect(struct run *run, struct rain_process_result *result)
{
	char chunk[4096];
	ssize_t n = read(run->out, chunk, sizeof(chunk));

	size_t room = OUTPUT_MAX - result->size, kept;

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	if (n == 0)
		return 0;
	kept = (size_t)n < room ? (size_t)n : room;
	memcpy(result->output + result->size, chunk, kept);
	result->size += kept;
	result->output[result->size] = '\0';
	return 1;
}

/* Passes input and output until the child has closed its side. Returns 0, or
 * -1 when the time ran out. */
static int run_pump(struct run *run, int64_t deadline, struct rain_process_result *result)
{
	for (;;) {
		struct pollfd fds[2] = {{.fd = run->out, .events = POLLIN},
					{.fd = run->in, .events = POLLOUT}};
		int64_t left = deadline - rain_clock_monotonic_ms();

		if (left <= 0)
			return -1;
		if (poll(fds, 2, (int)left) < 0 && errno != EINTR)
			return -1;
		if (run->in >= 0 && fds[1].revents)
			run_feed(run);
		if (fds[0].revents && !run_collect(run, result))
			return 0;
	}
}

int rain_process_run(const char *const argv[], const char *const envp[], const char *input,
		     int timeout_ms, struct rain_process_result *result, struct rain_error *err)
{
	struct run run = {.input = input ? input : "", .input_left = input ? strlen(input) : 0};
	int64_t deadline = rain_clock_monotonic_ms() + timeout_ms;
	struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
	int status, late;

	memset(result, 0, sizeof(*result));
	result->output = calloc(1, OUTPUT_MAX + 1);
	if (!result->output)
		return rain_error_set(err, "no memory for the output of %s", argv[0]);
	if (run_start(&run, argv, envp, err) < 0) {
		rain_process_result_release(result);
		return -1;
	}
	sigaction(SIGPIPE, &ignore, &before);
	if (run.input_left == 0)
		run_close_input(&run);
	late = run_pump(&run, deadline, result) < 0;
	run_close_input(&run);
	close(run.out);
	sigaction(SIGPIPE, &before, NULL);
	if (late)
		kill(run.pid, SIGKILL);
	while (waitpid(run.pid, &status, 0) < 0 && errno == EINTR)
		;
	if (late) {
		rain_process_result_release(result);
		return rain_error_set(err, "%s did not end within %d ms and was killed", argv[0],
				      timeout_ms);
	}
	result->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	result->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	return 0;
}

void rain_process_result_release(struct rain_process_result *result)
{
	free(result->output);
	memset(result, 0, sizeof(*result));
}
