/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PLUGINS_BENCH_HOOK_CLOCK_H
#define RAIN_PLUGINS_BENCH_HOOK_CLOCK_H

#include <stdint.h>

/* How long each call of our plugins took inside slurmctld: the file that hook_clock.so
 * (LD_PRELOAD) fills and bench_submit reads.  Only for `make bench-submit`. */
enum rain_hook {
	RAIN_HOOK_NONE,
	RAIN_HOOK_SUBMIT,
	RAIN_HOOK_FACTOR,
	RAIN_HOOK_COMPLETED,
	RAIN_HOOK_LOOP, /* no hook: an empty loop after each, to tell what the host's other work costs */
	RAIN_HOOK_COUNT
};

/* How long the loop takes when nobody disturbs it: as long as a hook, about. */
#define RAIN_HOOK_LOOP_NS 2300

struct rain_hook_call {
	uint32_t hook;
	uint32_t job; /* 0 at job_submit and its loop: the job has no number yet */
	int64_t ns;	/* by the clock */
	int64_t cpu_ns; /* of its thread's processor time */
};

#define RAIN_HOOK_CALLS 262144 /* more are dropped, which is reported */
#define RAIN_HOOK_FILE "RAIN_HOOK_FILE"

struct rain_hook_log {
	uint64_t count;
	struct rain_hook_call calls[RAIN_HOOK_CALLS];
};

#endif
