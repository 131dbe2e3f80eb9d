/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/broker_worker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/json.h"
#include "common/log.h"
#include "common/rpc.h"
#include "federation/broker_slurm.h"

/* After a request that got no answer those behind it fail at once for a while,
 * so that a caller who asks much is not answered minutes later. */
#define RESPITE_MS 2000

#define SLURM_CONF_PATH RAIN_SYSCONFDIR "/slurm/slurm.conf"
/* What slurmd of a cluster without configuration files leaves. */
#define SLURM_CONF_CACHED "/run/slurm/conf/slurm.conf"

struct rain_broker_worker {
	const struct rain_config *config;
	int stop_fd;
	pid_t pid; /* 0: none */
	int fd;	   /* to the process, -1: none */
	struct stat conf; /* slurm.conf as it was when the process began */
	int64_t late_at;  /* when Slurm last did not answer, monotonic; 0: never */
};

/* In front of every answer. */
struct answer_header {
	uint32_t ok;   /* the text is a JSON value, else a sentence */
	uint32_t size; /* of the text, without NUL */
};

/* --- In the worker process. --- */

static int read_exactly(int fd, void *data, size_t size)
{
	char *p = data;

	while (size > 0) {
		ssize_t n = read(fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

static int answer_write(int fd, json_t *result, const char *error)
{
	char *text = result ? json_dumps(result, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	struct answer_header header = {.ok = 1};
	const char *answer = text;
	int rc;

	if (!text || strlen(text) >= RAIN_RPC_LINE_MAX) {
		header.ok = 0;
		answer = result ? "the answer is too large" : error;
	}
	header.size = (uint32_t)strlen(answer);
	rc = rain_file_write_fd(fd, &header, sizeof(header), NULL);
	if (rc == 0)
		rc = rain_file_write_fd(fd, answer, header.size, NULL);
	free(text);
	return rc;
}

static void worker_main(const struct rain_config *config, int fd) __attribute__((noreturn));
static void worker_main(const struct rain_config *config, int fd)
{
	struct rain_broker_request request;
	struct rain_broker_slurm slurm;
	int rc = 0;

	rain_broker_slurm_init(&slurm, config);
	while (rc == 0 && read_exactly(fd, &request, sizeof(request)) == 0) {
		struct rain_error err = {""};
		json_t *result = rain_broker_slurm_do(&slurm, &request, &err);

		rc = answer_write(fd, result, err.text);
		json_decref(result);
	}
	rain_broker_slurm_release(&slurm);
	_exit(rc == 0 ? 0 : 1);
}

/* --- In the daemon. --- */

/* Without the file libslurm would look for a controller in the DNS. */
static const char *slurm_conf_path(struct stat *st)
{
	const char *path = getenv("SLURM_CONF");

	if (path)
		return stat(path, st) == 0 ? path : NULL;
	if (stat(SLURM_CONF_PATH, st) == 0)
		return SLURM_CONF_PATH;
	return stat(SLURM_CONF_CACHED, st) == 0 ? SLURM_CONF_CACHED : NULL;
}

static void worker_stop(struct rain_broker_worker *worker, int *status)
{
	if (worker->fd >= 0)
		close(worker->fd);
	worker->fd = -1;
	if (worker->pid > 0) {
		kill(worker->pid, SIGKILL);
		while (waitpid(worker->pid, status, 0) < 0 && errno == EINTR)
			;
	}
	worker->pid = 0;
}

static int worker_start(struct rain_broker_worker *worker, struct rain_error *err)
{
	pid_t parent = getpid();
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return rain_error_set(err, "can't start the Slurm worker: %s", strerror(errno));
	worker->pid = fork();
	if (worker->pid == 0) {
		/* Not to outlive the daemon, whatever ends it. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent || dup2(pair[1], 3) < 0)
			_exit(1);
		close_range(4, ~0U, 0);
		signal(SIGTERM, SIG_DFL);
		signal(SIGINT, SIG_DFL);
		signal(SIGHUP, SIG_DFL);
		worker_main(worker->config, 3);
	}
	close(pair[1]);
	if (worker->pid < 0) {
		worker->pid = 0;
		close(pair[0]);
		return rain_error_set(err, "can't start the Slurm worker: %s", strerror(errno));
	}
	worker->fd = pair[0];
	return 0;
}

/* Makes sure that a worker runs, with slurm.conf as it is now. */
static int worker_ensure(struct rain_broker_worker *worker, struct rain_error *err)
{
	struct stat conf;

	if (!slurm_conf_path(&conf))
		return rain_error_set(err, "Slurm has no configuration here: %s is missing",
				      getenv("SLURM_CONF") ? getenv("SLURM_CONF") : SLURM_CONF_PATH);
	if (worker->pid > 0 &&
	    (conf.st_ino != worker->conf.st_ino || conf.st_dev != worker->conf.st_dev ||
	     conf.st_mtim.tv_sec != worker->conf.st_mtim.tv_sec ||
	     conf.st_mtim.tv_nsec != worker->conf.st_mtim.tv_nsec))
		worker_stop(worker, NULL);
	worker->conf = conf;
	return worker->pid > 0 ? 0 : worker_start(worker, err);
}

enum wait_result { WAIT_READABLE, WAIT_LATE, WAIT_STOPPED };

static enum wait_result worker_wait(const struct rain_broker_worker *worker, int64_t until)
{
	struct pollfd fds[2] = {{.fd = worker->fd, .events = POLLIN},
				{.fd = worker->stop_fd, .events = POLLIN}};

	for (;;) {
		int64_t left = until - rain_clock_monotonic_ms();

		if (left <= 0)
			return WAIT_LATE;
		if (poll(fds, 2, (int)left) <= 0)
			continue;
		if (fds[1].revents)
			return WAIT_STOPPED;
		if (fds[0].revents)
			return WAIT_READABLE;
	}
}

/* 0: all read; 1: the process has gone; -1 with err. */
static int worker_read(const struct rain_broker_worker *worker, void *data, size_t size,
		       int64_t until, struct rain_error *err)
{
	char *p = data;

	while (size > 0) {
		ssize_t n;

		switch (worker_wait(worker, until)) {
		case WAIT_LATE:
			return rain_error_set(err, "slurmctld does not answer: waited %d s",
					      RAIN_BROKER_PATIENCE_MS / 1000);
		case WAIT_STOPPED:
			return rain_error_set(err, "rain-brokerd is stopping");
		case WAIT_READABLE:
			break;
		}
		n = read(worker->fd, p, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return 1;
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

/* Returns 0 and fills *text (the caller frees it), else as worker_read. */
static int worker_exchange(const struct rain_broker_worker *worker,
			   const struct rain_broker_request *request,
			   struct answer_header *header, char **text, struct rain_error *err)
{
	int64_t until = rain_clock_monotonic_ms() + RAIN_BROKER_PATIENCE_MS;
	int rc;

	*text = NULL;
	/* The request is far smaller than the socket's buffer, which is empty. */
	if (send(worker->fd, request, sizeof(*request), MSG_NOSIGNAL) != sizeof(*request))
		return 1;
	rc = worker_read(worker, header, sizeof(*header), until, err);
	if (rc != 0)
		return rc;
	if (header->size >= RAIN_RPC_LINE_MAX)
		return 1;
	*text = calloc(1, header->size + 1);
	if (!*text)
		return rain_error_set(err, "no memory for an answer of Slurm");
	rc = worker_read(worker, *text, header->size, until, err);
	if (rc != 0) {
		free(*text);
		*text = NULL;
	}
	return rc;
}

static void gone_error(int status, struct rain_error *err)
{
	if (WIFSIGNALED(status))
		rain_error_set(err, "the Slurm library failed with signal %d", WTERMSIG(status));
	else
		rain_error_set(err,
			       "the Slurm library gave up; its reason is in the log above (check slurm.conf and munge)");
	rain_log_error("%s", err->text);
}

json_t *rain_broker_worker_call(struct rain_broker_worker *worker,
				const struct rain_broker_request *request,
				struct rain_error *err)
{
	struct answer_header header;
	json_t *result = NULL;
	int status = 0;
	char *text;
	int rc;

	if (worker->late_at && rain_clock_monotonic_ms() - worker->late_at < RESPITE_MS) {
		rain_error_set(err, "slurmctld does not answer: the request before this one waited %d s",
			       RAIN_BROKER_PATIENCE_MS / 1000);
		return NULL;
	}
	if (worker_ensure(worker, err) < 0)
		return NULL;
	rc = worker_exchange(worker, request, &header, &text, err);
	if (rc != 0) {
		bool gone = rc > 0;

		worker->late_at = gone ? 0 : rain_clock_monotonic_ms();
		/* Give a process that just ends the chance to tell how. */
		if (gone && worker->pid > 0 && waitpid(worker->pid, &status, 0) == worker->pid)
			worker->pid = 0;
		worker_stop(worker, NULL);
		if (gone)
			gone_error(status, err);
		return NULL;
	}
	if (header.ok) {
		result = json_loads(text, JSON_DECODE_ANY, NULL);
		if (!result)
			rain_error_set(err, "the answer of the Slurm worker is no JSON");
	} else {
		rain_error_set(err, "%s", text);
	}
	free(text);
	return result;
}

struct rain_broker_worker *rain_broker_worker_create(const struct rain_config *config,
						     int stop_fd)
{
	struct rain_broker_worker *worker = calloc(1, sizeof(*worker));

	if (!worker)
		return NULL;
	worker->config = config;
	worker->stop_fd = stop_fd;
	worker->fd = -1;
	return worker;
}

void rain_broker_worker_destroy(struct rain_broker_worker *worker)
{
	if (!worker)
		return;
	worker_stop(worker, NULL);
	free(worker);
}
