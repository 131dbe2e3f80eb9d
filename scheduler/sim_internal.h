/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_SCHEDULER_SIM_INTERNAL_H
#define RAIN_SCHEDULER_SIM_INTERNAL_H

#include "scheduler/heap.h"
#include "scheduler/sim.h"

#define NOWHERE UINT32_MAX
#define FOREVER INT64_MAX
#define SIM_EVICTIONS_MAX 100 /* of one job; then no peer gets it any more */

/* A job that waits or runs. */
struct sim_job {
	int64_t submit, seq, start, end;
	int32_t run, limit, procs;
	int32_t plan;	  /* what is reserved for it */
	int32_t expected; /* what orders it */
	uint32_t user;
	uint32_t home, host; /* host: where it runs; NOWHERE while it waits */
	uint32_t bound;	     /* a guest: the host's record of its home */
	int64_t held;	     /* a guest: what it may cost at most */
	int64_t not_before; /* no offer is taken until then */
	uint16_t evictions;
	bool doomed;	     /* its end is an eviction */
	int32_t run_there;   /* seconds it occupies the host */
};

/* What a site knows of a peer. */
struct sim_peer {
	uint32_t site;
	uint32_t back;	     /* index of us in the peer's list */
	struct rain_standing standing; /* we are the lender */
	struct rain_trust trust;       /* we are the borrower */
};

struct sim_site {
	struct rain_site_spec spec;
	struct rain_easy easy;
	struct rain_predict *predict;
	struct rain_trust trust; /* of what ran at home */
	struct sim_peer *peers;
	uint32_t peer_count;
	struct rain_arrival next; /* submission that comes next */
	struct rain_standing purse; /* RAIN_CREDIT_TOKENS: lent = spent, borrowed = earned */
	int64_t cut_until;
	int64_t stranded;    /* what gone newcomers still owe us */
	int64_t stranded_at; /* when that was so */
	uint64_t random;

	bool touched, offering, gone;
};

struct rain_sim {
	struct rain_sim_config config;
	struct sim_site *sites;
	size_t count;
	struct sim_job *jobs;
	size_t job_size;
	uint32_t free_job; /* chained through host */
	size_t job_used;
	struct rain_heap ends, arrivals, timers;
	uint32_t *touched; /* a ring of sites where something may start */
	size_t touched_first, touched_count;
	uint32_t *arrived; /* jobs of this moment that still wait */
	size_t arrived_count, arrived_size;
	int64_t now, seq;
	struct rain_sim_totals totals;
	struct rain_capacity *capacities; /* scratch, one per peer of a site */
	uint32_t *indexes;
	uint32_t *offers; /* sites that may have room for guests */
};

/* sim.c */
void sim_touch(struct rain_sim *sim, uint32_t site);
bool sim_next_touched(struct rain_sim *sim, uint32_t *site);
int sim_pass(struct rain_sim *sim, uint32_t site, struct rain_error *err);
int sim_begin(struct rain_sim *sim, uint32_t index, uint32_t host, struct rain_error *err);
struct rain_easy *sim_machine(struct rain_sim *sim, uint32_t site);
int sim_enqueue(struct rain_sim *sim, uint32_t index, struct rain_error *err);
struct rain_waiting sim_waiting(const struct rain_sim *sim, uint32_t index, uint32_t host);
uint64_t sim_random(uint64_t *state);

int sim_evict(struct rain_sim *sim, uint32_t index, struct rain_error *err);
int sim_seek_later(struct rain_sim *sim, uint32_t index, struct rain_error *err);

/* sim_late.c: late binding. */
int sim_late(struct rain_sim *sim, struct rain_error *err);

/* sim_credit.c: what a guest costs and who may have it. */
int64_t sim_cost(const struct rain_sim *sim, const struct sim_job *job, uint32_t host);
int64_t sim_credit(const struct rain_sim *sim, uint32_t lender, uint32_t peer);
void sim_credit_hold(struct rain_sim *sim, struct sim_job *job);
void sim_credit_settle(struct rain_sim *sim, struct sim_job *job, bool ended);
bool sim_link_up(const struct rain_sim *sim, uint32_t a, uint32_t b);

void sim_credit_rename(struct rain_sim *sim, uint32_t site);

/* sim_world.c: what happens to sites: new names, leaving, cut links, owners who
 * take their machines back. */
enum sim_timer { SIM_TIMER_RENAME, SIM_TIMER_LEAVE, SIM_TIMER_CUT, SIM_TIMER_MENDED, SIM_TIMER_FLOCK };
int sim_world_start(struct rain_sim *sim, struct rain_error *err);
int sim_world_timer(struct rain_sim *sim, const struct rain_heap_item *item,
		    struct rain_error *err);
int sim_owner_evicts(struct rain_sim *sim, uint32_t site, struct rain_error *err);

#endif
