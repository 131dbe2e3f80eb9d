/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happens to sites: links are cut, some leave, some come back under new names,
 * and owners take their machines back. */
#include <math.h>

#include "scheduler/sim_internal.h"

#define DAY 86400LL

static int at(struct rain_sim *sim, int64_t time, enum sim_timer what, uint32_t site,
	      struct rain_error *err)
{
	struct rain_heap_item item = {time, site, what, site};

	return rain_heap_push(&sim->timers, &item) < 0
		       ? rain_error_set(err, "no memory for what happens to clusters")
		       : 0;
}

/* Exponential, at least a second. */
static int64_t spell(struct sim_site *site, int64_t mean)
{
	double u = ((double)(sim_random(&site->random) >> 11) + 0.5) / 9007199254740992.0;

	return 1 + (int64_t)(-log(u) * (double)mean);
}

int sim_world_start(struct rain_sim *sim, struct rain_error *err)
{
	for (uint32_t i = 0; sim->config.kind == RAIN_SIM_LATE && i < sim->count; i++) {
		struct sim_site *site = &sim->sites[i];

		if (site->spec.renames_days &&
		    at(sim, site->spec.renames_days * DAY, SIM_TIMER_RENAME, i, err) < 0)
			return -1;
		if (site->spec.leaves_day &&
		    at(sim, site->spec.leaves_day * DAY, SIM_TIMER_LEAVE, i, err) < 0)
			return -1;
		if (sim->config.cut_every &&
		    at(sim, spell(site, sim->config.cut_every), SIM_TIMER_CUT, i, err) < 0)
			return -1;
	}
	return 0;
}

/* Who leaves has its guests thrown out, and goes on alone. */
static int leave(struct rain_sim *sim, uint32_t index, struct rain_error *err)
{
	struct rain_easy *easy = &sim->sites[index].easy;
	size_t i = 0;

	sim->sites[index].gone = true;
	while (i < easy->active) {
		uint32_t job = easy->running[i].job;

		if (sim->jobs[job].home == index)
			i++;
		else if (sim_evict(sim, job, err) < 0)
			return -1;
	}
	return 0;
}

static int cut(struct rain_sim *sim, uint32_t index, struct rain_error *err)
{
	struct sim_site *site = &sim->sites[index];

	site->cut_until = sim->now + spell(site, sim->config.cut_for);
	return at(sim, site->cut_until, SIM_TIMER_MENDED, index, err);
}

static int mended(struct rain_sim *sim, uint32_t index, struct rain_error *err)
{
	struct sim_site *site = &sim->sites[index];

	sim_touch(sim, index);
	for (uint32_t i = 0; i < site->peer_count; i++)
		sim_touch(sim, site->peers[i].site);
	return at(sim, sim->now + spell(site, sim->config.cut_every), SIM_TIMER_CUT, index, err);
}

int sim_world_timer(struct rain_sim *sim, const struct rain_heap_item *item,
		    struct rain_error *err)
{
	const struct sim_job *job;

	switch ((enum sim_timer)item->what) {
	case SIM_TIMER_RENAME:
		sim_credit_rename(sim, item->detail);
		sim_touch(sim, item->detail);
		return at(sim, sim->now + sim->sites[item->detail].spec.renames_days * DAY,
			  SIM_TIMER_RENAME, item->detail, err);
	case SIM_TIMER_LEAVE: return leave(sim, item->detail, err);
	case SIM_TIMER_CUT: return cut(sim, item->detail, err);
	case SIM_TIMER_MENDED: return mended(sim, item->detail, err);
	case SIM_TIMER_FLOCK:
		job = &sim->jobs[item->detail];
		if (job->seq != (int64_t)item->order || job->host != NOWHERE)
			return 0;
		return sim_seek_later(sim, item->detail, err);
	}
	return 0;
}

/* The owner's next job takes its processors back from guests, the latest first; when
 * all of them together aren't enough, they stay. */
int sim_owner_evicts(struct rain_sim *sim, uint32_t index, struct rain_error *err)
{
	struct rain_easy *easy = &sim->sites[index].easy;
	const struct rain_waiting *head = rain_easy_head(easy);
	int32_t guests = 0;

	if (!head)
		return 0;
	for (size_t i = 0; i < easy->active; i++)
		if (sim->jobs[easy->running[i].job].home != index)
			guests += easy->running[i].procs;
	if (easy->free + guests < head->procs)
		return 0;
	while (easy->free < head->procs) {
		size_t latest = SIZE_MAX;

		for (size_t i = 0; i < easy->active; i++) {
			if (sim->jobs[easy->running[i].job].home == index)
				continue;
			if (latest == SIZE_MAX || easy->running[i].start >= easy->running[latest].start)
				latest = i;
		}
		if (sim_evict(sim, easy->running[latest].job, err) < 0)
			return -1;
	}
	return 0;
}
