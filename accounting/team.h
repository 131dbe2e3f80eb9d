/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_TEAM_H
#define RAIN_ACCOUNTING_TEAM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

/*
 * A few threads that do many small things which wait for the disk: several wait at
 * once, and the caller goes on meanwhile. They live as long as their task.
 */
#define RAIN_TEAM_SIZE 4

struct rain_team {
	void (*work)(void *arg, size_t i);
	void *arg;
	size_t count;
	atomic_size_t next;
	pthread_t threads[RAIN_TEAM_SIZE];
	int made; /* threads that there are */
};

/* Begins to call work(arg, i) for each i below `count`, in no order, from several threads.
 * `team` stays where it is until it has finished; one of zeros has nothing to do. */
void rain_team_start(struct rain_team *team, void (*work)(void *arg, size_t i), void *arg, size_t count);

/* Waits until all is done, helping with it. Once more does nothing. */
void rain_team_finish(struct rain_team *team);

#endif
