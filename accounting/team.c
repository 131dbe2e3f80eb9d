// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/team.h"

#include <signal.h>

static void *toil(void *arg)
{
	struct rain_team *team = arg;
	size_t i;

	while ((i = atomic_fetch_add(&team->next, 1)) < team->count)
		team->work(team->arg, i);
	return NULL;
}

void rain_team_start(struct rain_team *team, void (*work)(void *arg, size_t i), void *arg, size_t count)
{
	sigset_t all, before;

	*team = (struct rain_team){.work = work, .arg = arg, .count = count};
	/* Signals are for the thread that runs the loop. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (team->made < RAIN_TEAM_SIZE && (size_t)team->made < count &&
	       pthread_create(&team->threads[team->made], NULL, toil, team) == 0)
		team->made++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void rain_team_finish(struct rain_team *team)
{
	toil(team);
	while (team->made > 0)
		pthread_join(team->threads[--team->made], NULL);
}
