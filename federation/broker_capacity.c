/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "federation/broker_slurm.h"

/* With any of these a node takes no new job, or is meant for somebody. */
#define NODE_FLAGS_BUSY                                                                          \
	(NODE_STATE_RES | NODE_STATE_DRAIN | NODE_STATE_COMPLETING | NODE_STATE_NO_RESPOND |     \
	 NODE_STATE_POWERED_DOWN | NODE_STATE_FAIL | NODE_STATE_POWERING_UP | NODE_STATE_MAINT | \
	 NODE_STATE_REBOOT_REQUESTED | NODE_STATE_POWERING_DOWN | NODE_STATE_REBOOT_ISSUED |     \
	 NODE_STATE_INVALID_REG | NODE_STATE_POWER_DOWN |                   \
	 NODE_STATE_POWER_DRAIN)
#define NODE_FLAGS_GONE                                                                      \
	(NODE_STATE_DRAIN | NODE_STATE_NO_RESPOND | NODE_STATE_POWERED_DOWN | NODE_STATE_FAIL | \
	 NODE_STATE_MAINT | NODE_STATE_INVALID_REG | NODE_STATE_POWER_DOWN)

/* Nodes that are alike, so that the gateway can price them. */
struct group {
	const node_info_t *like;
	hostlist_t all, idle;
	uint32_t total_count, idle_count, planned_count;
};

/* What Slurm has planned for owners' jobs that wait for nodes which guests could take. */
struct plan {
	hostlist_t nodes; /* meant for them; idle ones are free until `first` */
	time_t first;	  /* when the first of them is to begin; 0: none waits */
	bool pending;	  /* Slurm has yet to look at some */
	uint32_t next;	  /* priority of the next; its plan is the one that must be there */
	bool next_planned;
};

/* Twice Slurm's usual bf_interval: by then the backfill scheduler has looked. */
#define PLAN_AGE_S 60

#define GROUPS_MAX 64

bool rain_broker_node_is_up(const node_info_t *node)
{
	uint32_t base = node->node_state & NODE_STATE_BASE;

	return (base == NODE_STATE_IDLE || base == NODE_STATE_ALLOCATED ||
		base == NODE_STATE_MIXED) &&
	       !(node->node_state & NODE_FLAGS_GONE);
}

static bool node_is_idle(const node_info_t *node)
{
	return (node->node_state & NODE_STATE_BASE) == NODE_STATE_IDLE &&
	       !(node->node_state & NODE_FLAGS_BUSY);
}

static partition_info_t *partition_find(const partition_info_msg_t *partitions, const char *name)
{
	for (uint32_t i = 0; i < partitions->record_count; i++)
		if (partitions->partition_array[i].name &&
		    strcmp(partitions->partition_array[i].name, name) == 0)
			return &partitions->partition_array[i];
	return NULL;
}

/* node_inx is pairs of first and last index into the table of nodes, then -1. */
bool rain_broker_partition_has(const partition_info_t *partition, int32_t index)
{
	for (const int32_t *p = partition->node_inx; p && p[0] >= 0 && p[1] >= 0; p += 2)
		if (index >= p[0] && index <= p[1])
			return true;
	return false;
}

bool rain_broker_partitions_overlap(const partition_info_t *a, const partition_info_t *b)
{
	for (const int32_t *p = a->node_inx; p && p[0] >= 0 && p[1] >= 0; p += 2)
		for (const int32_t *q = b->node_inx; q && q[0] >= 0 && q[1] >= 0; q += 2)
			if (p[0] <= q[1] && q[0] <= p[1])
				return true;
	return false;
}

/* An owner's job that waits for nodes which guests could take: owners first. */
static bool job_waits_for(const slurm_job_info_t *job, const partition_info_t *guest,
			  const partition_info_msg_t *partitions)
{
	char names[RAIN_BROKER_PARTITION_MAX + 1], *next = names, *name;

	/* No reason is what a job has until the scheduler has looked at it. */
	if ((job->job_state & JOB_STATE_BASE) != JOB_PENDING || !job->partition ||
	    job->priority == 0 || strlen(job->partition) >= sizeof(names) ||
	    (job->state_reason != WAIT_RESOURCES && job->state_reason != WAIT_PRIORITY &&
	     job->state_reason != WAIT_NO_REASON))
		return false;
	strcpy(names, job->partition);
	while ((name = strsep(&next, ","))) {
		const partition_info_t *partition = partition_find(partitions, name);

		if (partition && partition != guest && rain_broker_partitions_overlap(partition, guest))
			return true;
	}
	return false;
}

/* Slurm's backfill scheduler says when and where a waiting job is to start. */
static void plan_add(struct plan *plan, const slurm_job_info_t *job, time_t now)
{
	bool planned = job->start_time > 0 && job->sched_nodes && *job->sched_nodes;

	if (job->priority >= plan->next) {
		plan->next_planned = planned || (job->priority == plan->next && plan->next_planned);
		plan->next = job->priority;
	}
	if (planned) {
		slurm_hostlist_push(plan->nodes, job->sched_nodes);
		if (plan->first == 0 || job->start_time < plan->first)
			plan->first = job->start_time;
	} else if (now - job->eligible_time < PLAN_AGE_S) {
		plan->pending = true;
	}
}

static int plan_make(struct plan *plan, const partition_info_t *guest,
		     const partition_info_msg_t *partitions, const job_info_msg_t *jobs,
		     struct rain_error *err)
{
	time_t now = time(NULL);
	bool any = false;

	*plan = (struct plan){.nodes = slurm_hostlist_create(NULL)};
	if (!plan->nodes)
		return rain_error_set(err, "no memory for the owners' jobs");
	for (uint32_t i = 0; i < jobs->record_count; i++) {
		if (!job_waits_for(&jobs->job_array[i], guest, partitions))
			continue;
		plan_add(plan, &jobs->job_array[i], now);
		any = true;
	}
	slurm_hostlist_uniq(plan->nodes);
	plan->pending |= any && !plan->next_planned;
	return 0;
}

static bool text_same(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

static struct group *group_of(struct group *groups, size_t *count, const node_info_t *node)
{
	struct group *group;

	for (size_t i = 0; i < *count; i++)
		if (groups[i].like->cpus == node->cpus &&
		    groups[i].like->real_memory == node->real_memory &&
		    text_same(groups[i].like->arch, node->arch) &&
		    text_same(groups[i].like->features, node->features))
			return &groups[i];
	if (*count == GROUPS_MAX)
		return NULL;
	group = &groups[*count];
	group->like = node;
	group->all = slurm_hostlist_create(NULL);
	group->idle = slurm_hostlist_create(NULL);
	if (!group->all || !group->idle)
		return NULL;
	(*count)++;
	return group;
}

static void groups_release(struct group *groups, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		slurm_hostlist_destroy(groups[i].all);
		slurm_hostlist_destroy(groups[i].idle);
	}
}

static json_t *hosts_json(hostlist_t hosts)
{
	char *text = slurm_hostlist_ranged_string_malloc(hosts);
	json_t *value = json_string(text ? text : "");

	free(text);
	return value;
}

static json_t *groups_json(const struct group *groups, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < count; i++)
		json_array_append_new(
			list,
			json_pack("{s:i, s:I, s:o, s:o, s:i, s:o, s:i, s:o}", "cpus",
				  (int)groups[i].like->cpus, "mem_mb",
				  (json_int_t)groups[i].like->real_memory, "arch",
				  rain_broker_text(groups[i].like->arch), "features",
				  rain_broker_text(groups[i].like->features), "total",
				  (int)groups[i].total_count, "nodes", hosts_json(groups[i].all),
				  "idle", (int)groups[i].idle_count, "idle_nodes",
				  hosts_json(groups[i].idle)));
	return list;
}

/* Puts the partition's nodes that are up into groups. */
static int groups_fill(struct group *groups, size_t *count, const node_info_msg_t *nodes,
		       const partition_info_t *guest, const struct plan *plan,
		       struct rain_error *err)
{
	for (uint32_t i = 0; i < nodes->record_count; i++) {
		const node_info_t *node = &nodes->node_array[i];
		struct group *group;

		if (!node->name || !rain_broker_partition_has(guest, (int32_t)i) || !rain_broker_node_is_up(node))
			continue;
		group = group_of(groups, count, node);
		if (!group)
			return rain_error_set(err, "more than %d kinds of nodes in partition %s",
					      GROUPS_MAX, guest->name);
		slurm_hostlist_push_host(group->all, node->name);
		group->total_count++;
		if (!node_is_idle(node))
			continue;
		if (slurm_hostlist_find(plan->nodes, node->name) >= 0) {
			group->planned_count++;
		} else if (!(node->node_state & NODE_STATE_PLANNED)) {
			slurm_hostlist_push_host(group->idle, node->name);
			group->idle_count++;
		}
	}
	return 0;
}

/* Why no guest could start now, or NULL. */
static const char *why_none(struct rain_broker_slurm *slurm, const partition_info_t *guest,
			    const struct plan *plan, uint32_t guests, uint32_t idle)
{
	if (!slurm->config->lend.enabled || slurm->config->lend.guest_uid_min == 0)
		return "this cluster does not lend";
	if (guest->state_up != PARTITION_UP)
		return "the partition for guests is not up";
	if (plan->pending)
		return "jobs of the owners wait for these nodes";
	if (guests >= slurm->config->lend.bounds.max_nodes)
		return "guests have all the nodes that they may";
	if (idle == 0)
		return "no node is idle";
	return NULL;
}

static uint32_t at_most(uint32_t value, uint32_t bound)
{
	return value < bound ? value : bound;
}

/* What guests may have of what is idle, and of what is kept for owners' jobs to come. */
static json_t *counts_json(struct rain_broker_slurm *slurm, const struct group *groups, size_t count,
			   const partition_info_t *guest, const struct plan *plan, uint32_t guests)
{
	int64_t max = slurm->config->lend.bounds.max_nodes, window = plan->first - time(NULL);
	uint32_t left = (int64_t)guests < max ? (uint32_t)(max - guests) : 0;
	uint32_t idle = 0, planned = 0, total = 0;
	int64_t cpus = 0;
	const node_info_t *least = NULL;
	const char *why;

	for (size_t i = 0; i < count; i++) {
		idle += groups[i].idle_count;
		planned += groups[i].planned_count;
		total += groups[i].total_count;
		cpus += (int64_t)groups[i].total_count * groups[i].like->cpus;
		/* Flat figures describe the weakest kind: what any node can do. */
		if (!least || groups[i].like->cpus < least->cpus)
			least = groups[i].like;
	}
	why = why_none(slurm, guest, plan, guests, idle + planned);
	if (why)
		idle = planned = 0;
	idle = at_most(idle, left);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:I, s:s?}", "nodes_idle", (json_int_t)idle,
			 "nodes_planned", (json_int_t)at_most(planned, left - idle), "window_s",
			 (json_int_t)(window > 0 ? window : 0), "nodes_total", (json_int_t)total,
			 "nodes_guests", (json_int_t)guests, "cpus_per_node",
			 (json_int_t)(least ? least->cpus : 0), "mem_mb_per_node",
			 (json_int_t)(least ? least->real_memory : 0), "arch",
			 rain_broker_text(least ? least->arch : NULL), "gres",
			 rain_broker_text(least ? least->gres : NULL), "slurm",
			 rain_broker_text(least ? least->version : NULL), "cpus_total", (json_int_t)cpus,
			 "reason", why);
}

static json_t *capacity_json(struct rain_broker_slurm *slurm, const partition_info_t *guest,
			     const partition_info_msg_t *partitions, const node_info_msg_t *nodes,
			     const job_info_msg_t *jobs, struct rain_error *err)
{
	struct group groups[GROUPS_MAX] = {{NULL}};
	struct plan plan = {NULL};
	json_t *result = NULL;
	size_t count = 0;

	if (plan_make(&plan, guest, partitions, jobs, err) < 0 ||
	    groups_fill(groups, &count, nodes, guest, &plan, err) < 0)
		goto out;
	result = counts_json(slurm, groups, count, guest, &plan,
			     rain_broker_guest_nodes(slurm->config, jobs));
	if (result)
		json_object_set_new(result, "groups", groups_json(groups, count));
out:
	slurm_hostlist_destroy(plan.nodes);
	groups_release(groups, count);
	return result;
}

json_t *rain_broker_capacity(struct rain_broker_slurm *slurm,
			     const struct rain_broker_request *request, struct rain_error *err)
{
	partition_info_msg_t *partitions = NULL;
	node_info_msg_t *nodes = NULL;
	const job_info_msg_t *jobs;
	const partition_info_t *guest;
	json_t *result = NULL;

	(void)request;
	if (slurm_load_partitions(0, &partitions, SHOW_ALL | SHOW_LOCAL) != SLURM_SUCCESS) {
		rain_broker_slurm_error(err, "can't read the partitions", errno);
		partitions = NULL;
		goto out;
	}
	guest = partition_find(partitions, slurm->config->lend.partition);
	if (!guest) {
		rain_error_set(err, "Slurm has no partition %s (lend.partition in rain.conf)",
			       slurm->config->lend.partition);
		goto out;
	}
	if (slurm_load_node(0, &nodes, SHOW_ALL | SHOW_LOCAL | SHOW_MIXED) != SLURM_SUCCESS) {
		rain_broker_slurm_error(err, "can't read the nodes", errno);
		nodes = NULL;
		goto out;
	}
	jobs = rain_broker_slurm_jobs_anew(slurm, err);
	if (jobs)
		result = capacity_json(slurm, guest, partitions, nodes, jobs, err);
out:
	if (nodes)
		slurm_free_node_info_msg(nodes);
	if (partitions)
		slurm_free_partition_info_msg(partitions);
	return result;
}
