/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PLUGINS_BACKGROUND_H
#define RAIN_PLUGINS_BACKGROUND_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"

/* A thread inside slurmctld that does what its hooks may not: I/O.  It naps and
 * looks, so that no hook has to wake it: waking costs a hook as much as all the rest
 * of it, and often the processor. */
struct rain_background {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool woken, stopping;
};

/* Runs run(arg), which is to return soon after a nap has returned false. Slurmctld's
 * signals don't reach it, and it takes no processor from its other threads. */
int rain_background_start(struct rain_background *background, void *(*run)(void *), void *arg,
			  struct rain_error *err);

/* For the thread itself: waits so long, or until _wake or _stop. False from _stop on. */
bool rain_background_nap(struct rain_background *background, int64_t ms);

void rain_background_wake(struct rain_background *background);

/* Waits for the thread's end. */
void rain_background_stop(struct rain_background *background);

#endif
