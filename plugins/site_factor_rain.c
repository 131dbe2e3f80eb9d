// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * site_factor/rain: whose turn it is, as points of priority (scheduler/turn.h).
 * Called under slurmctld's job lock by priority/multifactor: for each job at its
 * submission, and for all of them every PriorityCalcPeriod.
 */
#include "plugins/compat/site_factor.h"

#include "accounting/snapshot_file.h"
#include "common/clock.h"
#include "common/config.h"
#include "plugins/snapshot_follower.h"
#include "plugins/turn_lookup.h"

RAIN_PLUGIN("RAIN site factor plugin", "site_factor/rain")

extern int init(void) RAIN_EXPORT;
extern void site_factor_p_set(job_record_t *job) RAIN_EXPORT;
extern void site_factor_p_update(void) RAIN_EXPORT;

static struct rain_config *config; /* NULL: none could be read */
static struct rain_turn_policy policy;
static struct rain_turn_lookup lookup;
static struct rain_snapshot_follower *follower; /* of what the order goes by */

static void follow_nothing(void)
{
	lookup = (struct rain_turn_lookup){NULL, NULL};
	rain_snapshot_follower_destroy(follower);
	follower = NULL;
}

static void follow(enum rain_turn_order order)
{
	bool by_balance = order == RAIN_TURN_CONTRIBUTION;
	struct rain_error err;

	follow_nothing();
	if (order == RAIN_TURN_OFF)
		return;
	follower = rain_snapshot_follower_create(
		config->ledger.spool, by_balance ? RAIN_SNAPSHOT_BALANCES : RAIN_SNAPSHOT_PREDICTIONS, &err);
	if (!follower)
		error("site_factor/rain: %s; going by time limits", err.text);
	else if (by_balance)
		lookup.balances = rain_snapshot_follower_copy(follower);
	else
		lookup.predictions = rain_snapshot_follower_copy(follower);
}

void rain_site_factor_configure(void)
{
	struct rain_error err;
	struct rain_config *fresh = rain_config_load(NULL, &err);

	if (!fresh) {
		error("site_factor/rain: %s; %s", err.text,
		      config ? "going on as before" : "no job comes before another");
		return;
	}
	rain_config_destroy(config);
	config = fresh;
	policy = (struct rain_turn_policy){
		.order = (enum rain_turn_order)config->priority.order,
		.patience = (int32_t)config->priority.patience,
		.max_wait = (int32_t)(config->priority.max_wait_hours * 3600),
		.reference_utok = config->priority.reference_utok,
	};
	follow(policy.order);
}

int init(void)
{
	rain_site_factor_configure();
	return SLURM_SUCCESS;
}

RAIN_PLUGIN_FINI
{
	follow_nothing();
	rain_config_destroy(config);
	config = NULL;
	RAIN_PLUGIN_FINI_RETURN;
}

static void set(job_record_t *job, int64_t now_ms)
{
	struct rain_turn_subject subject;

	if (!config || policy.order == RAIN_TURN_OFF || !job->details)
		return;
	subject = (struct rain_turn_subject){
		.uid = job->user_id,
		.name = job->name,
		.procs = job->details->min_cpus,
		.limit = job->time_limit == NO_VAL || job->time_limit == INFINITE
				 ? 0 : (int64_t)job->time_limit * 60,
		.submit = job->details->submit_time,
	};
	job->site_factor = NICE_OFFSET + (uint32_t)rain_turn_look_up(&lookup, &policy, &subject, now_ms);
}

void site_factor_p_set(job_record_t *job)
{
	set(job, rain_clock_monotonic_ms());
}

static int update(void *item, void *now_ms)
{
	job_record_t *job = item;

	if (IS_JOB_PENDING(job))
		set(job, *(const int64_t *)now_ms);
	return SLURM_SUCCESS;
}

/* Predictions get better while jobs wait. */
void site_factor_p_update(void)
{
	int64_t now_ms = rain_clock_monotonic_ms();

	list_for_each(job_list, update, &now_ms);
}
