// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/background.h"

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <time.h>

int rain_background_start(struct rain_background *background, void *(*run)(void *), void *arg,
			  struct rain_error *err)
{
	const struct sched_param none = {.sched_priority = 0};
	pthread_condattr_t monotonic;
	sigset_t all, before;
	int rc;

	background->woken = background->stopping = false;
	pthread_mutex_init(&background->mutex, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&background->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&background->thread, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc) {
		pthread_cond_destroy(&background->changed);
		pthread_mutex_destroy(&background->mutex);
		return rain_error_set(err, "can't start a thread: %s", strerror(rc));
	}
	/* Where this fails, the thread only disturbs a little more. */
	(void)pthread_setschedparam(background->thread, SCHED_BATCH, &none);
	return 0;
}

bool rain_background_nap(struct rain_background *background, int64_t ms)
{
	struct timespec until;
	bool go_on;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&background->mutex);
	while (!background->stopping && !background->woken &&
	       pthread_cond_timedwait(&background->changed, &background->mutex, &until) == 0)
		;
	background->woken = false;
	go_on = !background->stopping;
	pthread_mutex_unlock(&background->mutex);
	return go_on;
}

static void signal_change(struct rain_background *background, bool *what)
{
	pthread_mutex_lock(&background->mutex);
	*what = true;
	pthread_cond_signal(&background->changed);
	pthread_mutex_unlock(&background->mutex);
}

void rain_background_wake(struct rain_background *background)
{
	signal_change(background, &background->woken);
}

void rain_background_stop(struct rain_background *background)
{
	signal_change(background, &background->stopping);
	pthread_join(background->thread, NULL);
	pthread_cond_destroy(&background->changed);
	pthread_mutex_destroy(&background->mutex);
}
