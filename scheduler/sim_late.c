/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Late binding: home first, then whoever can start a job at this moment. */
#include "scheduler/sim_internal.h"

static struct rain_candidate candidate(struct rain_sim *sim, uint32_t index)
{
	const struct sim_job *job = &sim->jobs[index];
	struct rain_easy *home = &sim->sites[job->home].easy;
	const struct rain_waiting *head = rain_easy_head(home);
	struct rain_candidate result = {
		.submitted = job->submit, .plan = job->plan,
		.expected = job->expected, .procs = job->procs, .waits = -1,
	};

	if (head && head->job == index) {
		int64_t wait = rain_easy_reservation(home, sim->now) - sim->now;

		result.waits = wait > INT32_MAX ? INT32_MAX : (int32_t)wait;
	}
	return result;
}

/* What `lender` could do now for its peer number `peer`. */
static struct rain_capacity capacity(struct rain_sim *sim, uint32_t lender, uint32_t peer)
{
	struct sim_site *site = &sim->sites[lender];
	const struct rain_standing *standing = &site->peers[peer].standing;
	const struct sim_site *home = &sim->sites[site->peers[peer].site];
	struct rain_capacity result = {
		.free = site->easy.free, .overhead = sim->config.overhead,
		.speed_permille = (int32_t)((int64_t)site->spec.speed_permille * 1000 /
					    home->spec.speed_permille),
		.owes = standing->borrowed - standing->lent,
	};
	int64_t window;

	if (site->spec.rides_free || !sim_link_up(sim, lender, site->peers[peer].site) ||
	    home->peers[site->peers[peer].back].trust.closed_until > sim->now)
		result.free = 0;
	if (result.free == 0)
		return result;
	result.credit = sim_credit(sim, lender, peer);
	result.extra = result.free;
	result.window = INT32_MAX;
	if (site->easy.waiting > 0) {
		window = rain_easy_reservation(&site->easy, sim->now) - sim->now;
		result.extra = site->easy.extra < result.free ? site->easy.extra : result.free;
		result.window = window > INT32_MAX ? INT32_MAX : (int32_t)window;
	}
	return result;
}

static int move(struct rain_sim *sim, uint32_t index, uint32_t host, struct rain_error *err)
{
	uint32_t home = sim->jobs[index].home;
	struct rain_waiting waiting = sim_waiting(sim, index, home);

	if (sim->config.stale_percent > 0 &&
	    sim_random(&sim->sites[home].random) % 100 < (uint64_t)sim->config.stale_percent) {
		/* The offer no longer holds: the order's way was for nothing. */
		sim->jobs[index].not_before = sim->now + sim->config.overhead + 1;
		sim->totals.messages += 4;
		return 0;
	}
	rain_easy_remove(&sim->sites[home].easy, &waiting);
	sim->totals.messages += 4; /* ask, offer, order, accepted */
	if (sim_begin(sim, index, host, err) < 0)
		return -1;
	sim_touch(sim, home);
	return 0;
}

/* A new job that home can't start looks for a peer. */
static int seek(struct rain_sim *sim, uint32_t index, struct rain_error *err)
{
	uint32_t home = sim->jobs[index].home;
	struct sim_site *site = &sim->sites[home];
	struct rain_candidate job = candidate(sim, index);
	uint32_t count = 0;
	int best;

	for (uint32_t i = 0; i < site->peer_count; i++) {
		uint32_t lender = site->peers[i].site;
		struct rain_capacity offer = capacity(sim, lender, site->peers[i].back);

		if (offer.free < job.procs)
			continue;
		offer.price = offer.overhead;
		sim->capacities[count] = offer;
		sim->indexes[count++] = lender;
	}
	if (count == 0)
		return 0;
	for (uint32_t i = 0; i < count; i++) {
		/* Costs differ from peer to peer, while the candidate has one: so what is
		 * left after paying counts, and the candidate costs nothing. */
		int64_t cost = sim_cost(sim, &sim->jobs[index], sim->indexes[i]);

		if (sim->capacities[i].credit < cost) {
			sim->totals.sites[home].denied++;
			sim->capacities[i].credit = -1;
		}
	}
	best = rain_overflow_choose(&sim->config.policy, &job, sim->capacities, count);
	return best < 0 ? 0 : move(sim, index, sim->indexes[best], err);
}

/* The job of a peer's queue that it would send first, or NOWHERE. */
static uint32_t best_of_queue(struct rain_sim *sim, uint32_t lender, uint32_t peer,
			      struct rain_candidate *best)
{
	uint32_t home = sim->sites[lender].peers[peer].site, found = NOWHERE;
	const struct rain_easy *easy = &sim->sites[home].easy;
	struct rain_capacity offer = capacity(sim, lender, peer);
	bool sorted = (sim->config.order != RAIN_SIM_FCFS) ==
		      (sim->config.policy.asks != RAIN_ASK_OLDEST);

	if (offer.free == 0 || offer.credit <= 0)
		return NOWHERE;
	for (size_t i = 0; i < easy->waiting; i++) {
		const struct rain_waiting *waiting = &easy->queue[i];
		struct rain_candidate job;

		if (waiting->procs > offer.free || sim->now < sim->jobs[waiting->job].not_before ||
		    sim->jobs[waiting->job].evictions >= SIM_EVICTIONS_MAX)
			continue;
		job = candidate(sim, waiting->job);
		job.owed = sim->sites[lender].peers[peer].standing.borrowed -
			   sim->sites[lender].peers[peer].standing.lent;
		job.work = sim_cost(sim, &sim->jobs[waiting->job], lender);
		if (rain_overflow_judge(&job, &offer) != RAIN_OVERFLOW_GO)
			continue;
		if (sim->config.flock_delay && sim->now < job.submitted + sim->config.flock_delay)
			continue;
		if (found == NOWHERE || rain_overflow_ask_before(&sim->config.policy, &job, best)) {
			found = waiting->job;
			*best = job;
		}
		if (sorted)
			break;
	}
	return found;
}

/* A machine that has room takes from its peers, one by one, the job that the
 * policy prefers. */
static int offer(struct rain_sim *sim, uint32_t lender, struct rain_error *err)
{
	struct sim_site *site = &sim->sites[lender];

	while (!site->spec.rides_free && site->easy.free > 0) {
		uint32_t found = NOWHERE;
		struct rain_candidate best, job;

		for (uint32_t i = 0; i < site->peer_count; i++) {
			uint32_t index = best_of_queue(sim, lender, i, &job);

			if (index == NOWHERE)
				continue;
			if (found == NOWHERE || rain_overflow_ask_before(&sim->config.policy, &job, &best)) {
				found = index;
				best = job;
			}
		}
		if (found == NOWHERE)
			return 0;
		if (move(sim, found, lender, err) < 0)
			return -1;
	}
	return 0;
}

int sim_late(struct rain_sim *sim, struct rain_error *err)
{
	size_t offers = 0;
	uint32_t site;

	for (;;) {
		while (sim_next_touched(sim, &site)) {
			if (sim_pass(sim, site, err) < 0)
				return -1;
			if (!sim->sites[site].offering) {
				sim->sites[site].offering = true;
				sim->offers[offers++] = site;
			}
		}
		if (sim->arrived_count > 0) {
			uint32_t index = sim->arrived[--sim->arrived_count];

			if (sim->jobs[index].host == NOWHERE && seek(sim, index, err) < 0)
				return -1;
			continue;
		}
		if (offers == 0)
			return 0;
		site = sim->offers[--offers];
		sim->sites[site].offering = false;
		if (offer(sim, site, err) < 0)
			return -1;
	}
}
