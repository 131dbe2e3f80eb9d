/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The books of a simulation: what a guest costs, and who may still have how much. */
#include "scheduler/sim_internal.h"

/* The speed of a host against a home's, in permille. */
static int32_t relative_speed(const struct rain_sim *sim, uint32_t host, uint32_t home)
{
	return (int32_t)((int64_t)sim->sites[host].spec.speed_permille * 1000 /
			 sim->sites[home].spec.speed_permille);
}

/* Work of `seconds` at a speed in permille of the home's. All sites count work in
 * the same unit, processor-seconds of a machine of speed 1000. */
static int64_t work(const struct rain_sim *sim, const struct sim_job *job, int64_t seconds,
		    int64_t speed)
{
	return seconds * job->procs * sim->sites[job->home].spec.speed_permille / 1000 * speed / 1000;
}

/* What the host claims to be. */
static int32_t claimed_speed(const struct rain_sim *sim, const struct sim_job *job, uint32_t host)
{
	int64_t claimed = (int64_t)relative_speed(sim, host, job->home) *
			  sim->sites[host].spec.overclaim_percent / 100;

	return claimed > INT32_MAX ? INT32_MAX : (int32_t)claimed;
}

/* The most that a job may cost there: its whole limit. */
int64_t sim_cost(const struct rain_sim *sim, const struct sim_job *job, uint32_t host)
{
	const struct rain_site_spec *home = &sim->sites[job->home].spec;
	int64_t seconds = (int64_t)job->limit * home->speed_permille /
			  sim->sites[host].spec.speed_permille;

	return work(sim, job, seconds + sim->config.overhead, relative_speed(sim, host, job->home));
}

/* Debts of names that are gone are forgotten over a year. */
#define FORGET_S (365 * 86400LL)

static int64_t stranded(const struct rain_sim *sim, const struct sim_site *site)
{
	int64_t age = sim->now - site->stranded_at;

	return age >= FORGET_S ? 0 : site->stranded - site->stranded / FORGET_S * age;
}

/* What a peer may still have from a lender. */
int64_t sim_credit(const struct rain_sim *sim, uint32_t lender, uint32_t peer)
{
	const struct sim_site *site = &sim->sites[lender];
	const struct sim_site *borrower = &sim->sites[site->peers[peer].site];
	struct rain_standing standing = site->peers[peer].standing;

	if (sim->config.policy.credit == RAIN_CREDIT_TOKENS)
		return rain_overflow_credit(&sim->config.policy, &borrower->purse, borrower->spec.procs);
	standing.stranded = stranded(sim, site);
	return rain_overflow_credit(&sim->config.policy, &standing, site->spec.procs);
}

/* A site comes under a new name: what its peers know of it is gone, and so is what
 * it knows of them. They remember that somebody left with a debt. */
void sim_credit_rename(struct rain_sim *sim, uint32_t index)
{
	struct sim_site *site = &sim->sites[index];

	for (uint32_t i = 0; i < site->peer_count; i++) {
		struct sim_site *other = &sim->sites[site->peers[i].site];
		struct rain_standing *theirs = &other->peers[site->peers[i].back].standing;
		int64_t debt = rain_overflow_debt(&sim->config.policy, theirs);

		other->stranded = stranded(sim, other) + debt;
		other->stranded_at = sim->now;
		theirs->lent = theirs->borrowed = 0;
		site->peers[i].standing.lent = site->peers[i].standing.borrowed = 0;
	}
	site->purse.lent = site->purse.borrowed = 0;
}

static struct sim_peer *record_of(struct rain_sim *sim, uint32_t site, uint32_t other)
{
	for (uint32_t i = 0; i < sim->sites[site].peer_count; i++)
		if (sim->sites[site].peers[i].site == other)
			return &sim->sites[site].peers[i];
	return NULL;
}

void sim_credit_hold(struct rain_sim *sim, struct sim_job *job)
{
	struct sim_peer *peer = record_of(sim, job->host, job->home);

	job->held = sim_cost(sim, job, job->host);
	sim->sites[job->home].purse.held += job->held;
	if (peer)
		peer->standing.held += job->held;
}

/* What home pays: what the host claims, at most what home believes, at most the hold. */
static int64_t payment(const struct rain_sim *sim, const struct sim_job *job,
		       const struct sim_peer *borrower)
{
	int32_t speed = claimed_speed(sim, job, job->host);
	int64_t paid;

	if (sim->config.policy.verifies)
		speed = rain_trust_speed(&borrower->trust, &sim->sites[job->home].trust, speed);
	paid = work(sim, job, job->run_there, speed);
	return sim->config.policy.verifies && paid > job->held ? job->held : paid;
}

/* The guest has gone. What was evicted earns nothing. */
void sim_credit_settle(struct rain_sim *sim, struct sim_job *job, bool ended)
{
	struct sim_peer *lender = record_of(sim, job->host, job->home);
	struct sim_peer *borrower = record_of(sim, job->home, job->host);
	int64_t paid = 0;

	sim->sites[job->home].purse.held -= job->held;
	if (lender && borrower) {
		if (ended) {
			rain_trust_ended(&borrower->trust, job->expected,
					 job->run_there - sim->config.overhead);
			paid = payment(sim, job, borrower);
		} else if (sim->config.policy.verifies) {
			borrower->standing.borrowed -= rain_trust_evicted(
				&borrower->trust, sim->now,
				work(sim, job, sim->now + job->run_there - job->end,
				     claimed_speed(sim, job, job->host)));
		}
		lender->standing.held -= job->held;
		lender->standing.lent += paid;
		borrower->standing.borrowed += paid;
	} else if (ended) { /* a policy without peers keeps no books, but work was done */
		paid = work(sim, job, job->run_there, claimed_speed(sim, job, job->host));
	}
	sim->sites[job->home].purse.lent += paid;
	sim->sites[job->host].purse.borrowed += paid;
	sim->totals.sites[job->home].received += paid;
	sim->totals.sites[job->host].given += paid;
	sim->totals.messages += 5; /* inputs, started; finished, receipt, countersigned */
	job->held = 0;
}

bool sim_link_up(const struct rain_sim *sim, uint32_t a, uint32_t b)
{
	const struct sim_site *x = &sim->sites[a], *y = &sim->sites[b];

	return !x->gone && !y->gone && sim->now >= x->cut_until && sim->now >= y->cut_until;
}
