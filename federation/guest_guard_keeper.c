/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keeper: a child of the Prolog that stays until one agent of the job has its
 * inputs, see guest_cache.h.  All that it takes from a guest is a step and keys. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "federation/guest_guard_cache.h"
#include "federation/sandbox.h"
#include "federation/tree.h"

#define DIRECTORY_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define MOUNTS_MAX 16
#define GONE_MS 10000

static void job_path(uint32_t job, char path[static 64])
{
	snprintf(path, 64, "%s/%u", RAIN_GUEST_SPOOL, job);
}

/* ---- what the Epilog does ------------------------------------------------ */

/* Its lock tells the keeper's number, and that it is still the keeper's. */
static int keeper_kill(int own, struct rain_error *err)
{
	int fd = openat(own, "keeper", O_RDWR | O_NOFOLLOW | O_CLOEXEC), result = 0;
	struct flock lock = {.l_type = F_WRLCK}, again = {.l_type = F_WRLCK};
	struct pollfd gone = {.events = POLLIN};

	if (fd < 0)
		return 0;
	if (fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK) {
		gone.fd = (int)syscall(SYS_pidfd_open, lock.l_pid, 0);
		if (gone.fd >= 0 && fcntl(fd, F_GETLK, &again) == 0 && again.l_type != F_UNLCK &&
		    again.l_pid == lock.l_pid) {
			syscall(SYS_pidfd_send_signal, gone.fd, SIGKILL, NULL, 0);
			if (poll(&gone, 1, GONE_MS) <= 0)
				result = rain_error_set(err, "the keeper of the job's inputs doesn't end");
		}
		if (gone.fd >= 0)
			close(gone.fd);
	}
	close(fd);
	return result;
}

/* The job's own mount takes along what lies on it, whoever still stands in there. */
static int mounts_remove(uint32_t job, struct rain_error *err)
{
	char path[64];

	job_path(job, path);
	for (int i = 0; i < MOUNTS_MAX; i++)
		if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
			return errno == EINVAL || errno == ENOENT
				       ? 0
				       : rain_error_set(err, "can't unmount %s: %s", path,
							strerror(errno));
	return rain_error_set(err, "%s has more than %d mounts", path, MOUNTS_MAX);
}

static int64_t bytes_max(const struct rain_config *config)
{
	return config->lend.cache_gib << 30;
}

/* jobs/JOB goes out of sight; one rename, for others wait for the guard's lock. */
static int own_throw(uint32_t job, struct rain_error *err)
{
	struct rain_guard_cache cache = {
		.jobs = open(RAIN_GUEST_CACHE "/jobs", DIRECTORY_FLAGS),
		.trash = open(RAIN_GUEST_CACHE "/trash", DIRECTORY_FLAGS)};
	char name[16];
	int result;

	snprintf(name, sizeof(name), "%u", job);
	if (cache.jobs < 0 || cache.trash < 0)
		result = rain_error_set(err, "can't open what is below %s: %s", RAIN_GUEST_CACHE,
					strerror(errno));
	else
		result = rain_guard_cache_throw(&cache, cache.jobs, name, err);
	if (cache.jobs >= 0)
		close(cache.jobs);
	if (cache.trash >= 0)
		close(cache.trash);
	return result;
}

/* By paths: it has to do its work where the cache can't be opened any more, too. */
int rain_guard_keeper_end(uint32_t job, struct rain_error *err)
{
	char path[sizeof(RAIN_GUEST_CACHE) + 32];
	int own, result = 0;
	bool is_absent;

	snprintf(path, sizeof(path), RAIN_GUEST_CACHE "/jobs/%u", job);
	own = open(path, DIRECTORY_FLAGS);
	is_absent = own < 0 && errno == ENOENT;
	if (own >= 0) {
		result = keeper_kill(own, err);
		close(own);
	} else if (!is_absent) {
		result = rain_error_set(err, "can't open %s: %s", path, strerror(errno));
	}
	if (mounts_remove(job, result == 0 ? err : NULL) < 0)
		result = -1;
	return result < 0 || is_absent ? result : own_throw(job, err);
}

void rain_guard_keeper_tidy(const struct rain_config *config)
{
	struct rain_guard_cache cache;
	struct rain_error err;

	if (access(RAIN_GUEST_CACHE, F_OK) < 0)
		return;
	if (rain_guard_cache_open(&cache, &err) < 0) {
		fprintf(stderr, "rain-guest-guard: %s\n", err.text);
		return;
	}
	if (rain_guard_cache_trim(&cache, bytes_max(config), 0, &err) < 0)
		fprintf(stderr, "rain-guest-guard: %s: %s\n", RAIN_GUEST_CACHE, err.text);
	rain_guard_cache_close(&cache);
}

/* ---- the keeper ------------------------------------------------------------ */

/* The first question's keys are the job's, once they are what keys look like. */
static bool keys_take(struct rain_guard_cache_job *job,
		      const struct rain_guest_cache_request *request)
{
	if (job->count > 0 || request->count == 0 ||
	    request->count > RAIN_GUEST_CACHE_BUNDLES_MAX)
		return false;
	for (uint32_t i = 0; i < request->count; i++)
		if (!memchr(request->keys[i], '\0', sizeof(request->keys[i])) ||
		    !rain_digest_is_valid(request->keys[i]))
			return false;
	memcpy(job->keys, request->keys, sizeof(job->keys));
	job->count = request->count;
	return true;
}

/* One job's word for what it brings costs the others no more than half of the cache. */
static void space_make(struct rain_guard_cache_job *job, int64_t bytes, int64_t limit,
		       struct rain_error *err)
{
	if (bytes > limit / 2)
		bytes = limit / 2;
	(void)rain_guard_cache_trim(&job->cache, limit - bytes, bytes, err);
}

static void answer(struct rain_guard_cache_job *job, const struct rain_guest_cache_request *request,
		   int64_t limit, struct rain_guest_cache_answer *said)
{
	struct rain_error err = {{0}};
	int result = 0;

	if (request->step == RAIN_GUEST_CACHE_USE && keys_take(job, request)) {
		result = rain_guard_cache_use(job, &err);
		/* It will be unpacked: there has to be room for it first. */
		if (result == 0 && request->bytes > 0)
			space_make(job, request->bytes, limit, &err);
	} else if (request->step == RAIN_GUEST_CACHE_KEEP) {
		result = rain_guard_cache_keep(job, &err);
	} else if (request->step == RAIN_GUEST_CACHE_BACK && job->mounted) {
		result = rain_guard_cache_back(job, &err);
		rain_error_set(&err, "steps don't see what is mounted after they began");
		rain_guard_cache_refuse(&job->cache, &err);
	}
	if (err.text[0])
		syslog(LOG_NOTICE, "job %u: inputs: %s", job->job, err.text);
	said->state = result > 0    ? RAIN_GUEST_CACHE_MOUNTED
		      : result == 0 ? RAIN_GUEST_CACHE_PLAIN
				    : RAIN_GUEST_CACHE_FAILED;
	memcpy(said->has, job->has, sizeof(said->has));
}

/* One agent's questions, to its end. false: it was none of the job's.  There will be no
 * other: who comes later may be the guest's program. */
static bool serve(struct rain_guard_cache_job *job, int fd, int64_t limit)
{
	struct rain_guest_cache_request request;
	struct ucred who;
	socklen_t size = sizeof(who);
	ssize_t got;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0 || who.uid != job->uid)
		return false;
	for (;;) {
		struct rain_guest_cache_answer said = {0};

		do
			got = recv(fd, &request, sizeof(request), 0);
		while (got < 0 && errno == EINTR);
		if (got != (ssize_t)sizeof(request) || request.step == RAIN_GUEST_CACHE_NONE)
			return true;
		answer(job, &request, limit, &said);
		if (send(fd, &said, sizeof(said), MSG_NOSIGNAL) != (ssize_t)sizeof(said))
			return true;
	}
}

static void keep(struct rain_guard_cache_job *job, int listener, int64_t limit)
{
	struct rain_error err;
	bool served = false;

	while (!served) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0 && errno != EINTR && errno != ECONNABORTED)
			return;
		if (fd >= 0) {
			served = serve(job, fd, limit);
			close(fd);
		}
	}
	close(listener);
	unlinkat(job->under, RAIN_GUEST_CACHE_SOCKET, 0);
	if (job->count > 0 && rain_guard_cache_trim(&job->cache, limit, 0, &err) < 0)
		syslog(LOG_WARNING, "%s: %s", RAIN_GUEST_CACHE, err.text);
}

/* slurmd waits for whoever has its pipes, and kills the Prolog's group. */
static int detach(int own)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), note;
	struct flock lock = {.l_type = F_WRLCK};

	if (setsid() < 0 || null < 0)
		return -1;
	for (int i = 0; i < 3; i++)
		if (dup2(null, i) < 0)
			return -1;
	note = openat(own, "keeper", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (note < 0 || fcntl(note, F_SETLK, &lock) < 0 || chdir("/") < 0)
		return -1;
	openlog("rain-guest-guard", LOG_PID, LOG_DAEMON);
	return 0;
}

static int keeper_fork(struct rain_guard_cache_job *job, int listener, int64_t limit,
		       struct rain_error *err)
{
	int ready[2];
	char byte = 0;
	ssize_t got;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return rain_error_set(err, "can't make a pipe: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		close(ready[0]);
		if (detach(job->own) < 0 || write(ready[1], &byte, 1) != 1)
			_exit(1);
		close(ready[1]);
		keep(job, listener, limit);
		_exit(0);
	}
	close(ready[1]);
	do
		got = pid < 0 ? -1 : read(ready[0], &byte, 1);
	while (got < 0 && pid > 0 && errno == EINTR);
	close(ready[0]);
	return got == 1 ? 0 : rain_error_set(err, "the keeper of a job's inputs doesn't start");
}

static int listener_open(uint32_t job, struct rain_error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), failed;
	mode_t mask;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%u/%s", RAIN_GUEST_SPOOL, job,
		 RAIN_GUEST_CACHE_SOCKET);
	mask = umask(0); /* the directory is the guest's alone */
	failed = fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		 listen(fd, 4) < 0;
	umask(mask);
	if (!failed)
		return fd;
	rain_error_set(err, "can't listen on %s: %s", address.sun_path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* The job's directory becomes a mount of its own. */
static int room_mount(struct rain_guard_cache_job *job, struct rain_error *err)
{
	char path[64];

	job_path(job->job, path);
	job->under = open(path, DIRECTORY_FLAGS);
	if (job->under < 0)
		return rain_error_set(err, "can't open %s: %s", path, strerror(errno));
	if (mount(path, path, NULL, MS_BIND, NULL) < 0 ||
	    mount(NULL, path, NULL, MS_SHARED, NULL) < 0)
		return rain_error_set(err, "can't make a mount of %s: %s", path, strerror(errno));
	job->room = open(path, DIRECTORY_FLAGS);
	return job->room < 0 ? rain_error_set(err, "can't open %s: %s", path, strerror(errno)) : 0;
}

static int own_make(struct rain_guard_cache_job *job, struct rain_error *err)
{
	char name[16];

	snprintf(name, sizeof(name), "%u", job->job);
	if (rain_tree_remove(job->cache.jobs, name, err) < 0)
		return -1;
	if (mkdirat(job->cache.jobs, name, 0700) < 0)
		return rain_error_set(err, "can't make jobs/%s: %s", name, strerror(errno));
	job->own = openat(job->cache.jobs, name, DIRECTORY_FLAGS);
	return job->own < 0 ? rain_error_set(err, "can't open jobs/%s: %s", name, strerror(errno))
			    : 0;
}

int rain_guard_keeper_begin(uint32_t id, uid_t uid, gid_t gid, const struct rain_config *config,
			    struct rain_error *err)
{
	/* Set by the broker when it submits the job; slurmd hands it on under this name. */
	const char *owner = getenv("SPANK_RAIN_OWNER");
	struct rain_guard_cache_job job = {
		.job = id, .uid = uid, .gid = gid, .own = -1, .under = -1, .room = -1};
	int listener, result = -1;
	char *refusal;

	if (config->lend.cache_gib == 0 || !owner || !rain_digest_is_valid(owner))
		return 0;
	memcpy(job.owner, owner, sizeof(job.owner));
	if (rain_guard_cache_open(&job.cache, err) < 0)
		return -1;
	refusal = rain_guard_cache_refusal(&job.cache);
	listener = refusal || own_make(&job, err) < 0 ? -1 : listener_open(id, err);
	if (listener >= 0 && room_mount(&job, err) == 0)
		result = keeper_fork(&job, listener, bytes_max(config), err);
	if (refusal)
		result = 0;
	free(refusal);
	if (listener >= 0)
		close(listener);
	if (job.own >= 0)
		close(job.own);
	if (job.under >= 0)
		close(job.under);
	if (job.room >= 0)
		close(job.room);
	rain_guard_cache_close(&job.cache);
	return result;
}
