// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Preloaded into slurmctld: puts a clock around what our plugins offer it, so that the
 * plugins themselves hold no code for it.  slurmctld finds each hook by dlsym().
 */
#include "plugins/bench/hook_clock.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "plugins/compat/controller.h"

extern void *dlsym(void *handle, const char *name) RAIN_EXPORT;

static void *(*real_dlsym)(void *handle, const char *name);
static struct rain_hook_log *records;
static uint64_t loop_turns;

static int (*real_submit)(job_desc_msg_t *desc, uint32_t uid, char **message);
static void (*real_factor)(job_record_t *job);
static int (*real_completed)(job_record_t *job);

static int64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

struct start {
	int64_t cpu_ns, ns;
};

/* The slower clock is read first here and last in note(), outside of the other's time. */
static struct start start(void)
{
	int64_t cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);

	return (struct start){cpu_ns, now_ns(CLOCK_MONOTONIC)};
}

static void note(enum rain_hook hook, uint32_t job, struct start since)
{
	int64_t ns = now_ns(CLOCK_MONOTONIC) - since.ns;
	int64_t cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) - since.cpu_ns;
	uint64_t at = records ? __atomic_fetch_add(&records->count, 1, __ATOMIC_RELAXED) : RAIN_HOOK_CALLS;

	if (at < RAIN_HOOK_CALLS)
		records->calls[at] = (struct rain_hook_call){hook, job, ns, cpu_ns};
}

static void spin(uint64_t turns)
{
	for (uint64_t i = 0; i < turns; i++)
		__asm__ volatile("");
}

static void loop(uint32_t job)
{
	struct start since = start();

	spin(loop_turns);
	note(RAIN_HOOK_LOOP, job, since);
}

/* The quickest of some tries: then nobody disturbed it. */
static uint64_t turns_in(int64_t ns)
{
	const uint64_t turns = 100000;
	int64_t best = INT64_MAX;

	for (int i = 0; i < 50; i++) {
		int64_t since = now_ns(CLOCK_MONOTONIC), taken;

		spin(turns);
		taken = now_ns(CLOCK_MONOTONIC) - since;
		if (taken > 0 && taken < best)
			best = taken;
	}
	return turns * (uint64_t)ns / (uint64_t)best;
}

static int timed_submit(job_desc_msg_t *desc, uint32_t uid, char **message)
{
	struct start since = start();
	int rc = real_submit(desc, uid, message);

	note(RAIN_HOOK_SUBMIT, 0, since);
	loop(0);
	return rc;
}

static void timed_factor(job_record_t *job)
{
	struct start since = start();

	real_factor(job);
	note(RAIN_HOOK_FACTOR, job->job_id, since);
	loop(job->job_id);
}

static int timed_completed(job_record_t *job)
{
	struct start since = start();
	int rc = real_completed(job);

	note(RAIN_HOOK_COMPLETED, job->job_id, since);
	loop(job->job_id);
	return rc;
}

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv(RAIN_HOOK_FILE);
	int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;

	loop_turns = turns_in(RAIN_HOOK_LOOP_NS);
	real_dlsym = (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.34");
	if (fd < 0)
		return;
	if (ftruncate(fd, sizeof *records) == 0) {
		records = mmap(NULL, sizeof *records, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
		if (records == MAP_FAILED)
			records = NULL;
	}
	close(fd);
}

/* The hook's name is Slurm's; the plugin is ours when its type says so. */
void *dlsym(void *handle, const char *name)
{
	void *found = real_dlsym ? real_dlsym(handle, name) : NULL;
	const char *type = found && handle != RTLD_DEFAULT && handle != RTLD_NEXT
				   ? real_dlsym(handle, "plugin_type") : NULL;

	if (!type || !strstr(type, "/rain"))
		return found;
	if (strcmp(name, "job_submit") == 0) {
		real_submit = (int (*)(job_desc_msg_t *, uint32_t, char **))found;
		return (void *)timed_submit;
	}
	if (strcmp(name, "site_factor_p_set") == 0) {
		real_factor = (void (*)(job_record_t *))found;
		return (void *)timed_factor;
	}
	if (strcmp(name, "jobcomp_p_log_record") == 0) {
		real_completed = (int (*)(job_record_t *))found;
		return (void *)timed_completed;
	}
	return found;
}
