/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "federation/broker_slurm.h"

/* With any of these a node takes no new job, or is meant for somebody. */
#define NODE_FLAGS_BUSY                                                                          \
	(NODE_STATE_RES | NODE_STATE_DRAIN | NODE_STATE_COMPLETING | NODE_STATE_NO_RESPOND |     \
	 NODE_STATE_POWERED_DOWN | NODE_STATE_FAIL | NODE_STATE_POWERING_UP | NODE_STATE_MAINT | \
	 NODE_STATE_REBOOT_REQUESTED | NODE_STATE_POWERING_DOWN | NODE_STATE_REBOOT_ISSUED |     \
	 NODE_STATE_PLANNED | NODE_STATE_INVALID_REG | NODE_STATE_POWER_DOWN |                   \
	 NODE_STATE_POWER_DRAIN)
#define NODE_FLAGS_GONE                                                                      \
	(NODE_STATE_DRAIN | NODE_STATE_NO_RESPOND | NODE_STATE_POWERED_DOWN | NODE_STATE_FAIL | \
	 NODE_STATE_MAINT | NODE_STATE_INVALID_REG | NODE_STATE_POWER_DOWN)

/* Nodes that are alike, so that the gateway can price them. */
struct group {
	const node_info_t *like;
	hostlist_t all, idle;
	uint32_t total_count, idle_count;
};

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
		       const partition_info_t *guest, struct rain_error *err)
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
		if (node_is_idle(node)) {
			slurm_hostlist_push_host(group->idle, node->name);
			group->idle_count++;
		}
	}
	return 0;
}

/* Why no guest could start now, or NULL. */
static const char *why_none(struct rain_broker_slurm *slurm, const partition_info_t *guest,
			    const partition_info_msg_t *partitions, const job_info_msg_t *jobs,
			    uint32_t guests, uint32_t idle)
{
	if (!slurm->config->lend.enabled || slurm->config->lend.guest_uid_min == 0)
		return "this cluster does not lend";
	if (guest->state_up != PARTITION_UP)
		return "the partition for guests is not up";
	for (uint32_t i = 0; i < jobs->record_count; i++)
		if (job_waits_for(&jobs->job_array[i], guest, partitions))
			return "jobs of the owners wait for these nodes";
	if (guests >= slurm->config->lend.bounds.max_nodes)
		return "guests have all the nodes that they may";
	if (idle == 0)
		return "no node is idle";
	return NULL;
}

static json_t *capacity_json(struct rain_broker_slurm *slurm, const partition_info_t *guest,
			     const partition_info_msg_t *partitions, const node_info_msg_t *nodes,
			     const job_info_msg_t *jobs, struct rain_error *err)
{
	struct group groups[GROUPS_MAX] = {{NULL}};
	const node_info_t *least = NULL;
	uint32_t idle = 0, total = 0, guests, left;
	const char *why;
	size_t count = 0;
	json_t *result = NULL;

	if (groups_fill(groups, &count, nodes, guest, err) < 0)
		goto out;
	for (size_t i = 0; i < count; i++) {
		idle += groups[i].idle_count;
		total += groups[i].total_count;
		/* Flat figures describe the weakest kind: what any node can do. */
		if (!least || groups[i].like->cpus < least->cpus)
			least = groups[i].like;
	}
	guests = rain_broker_guest_nodes(slurm->config, jobs);
	why = why_none(slurm, guest, partitions, jobs, guests, idle);
	left = (int64_t)guests < slurm->config->lend.bounds.max_nodes
		       ? (uint32_t)slurm->config->lend.bounds.max_nodes - guests
		       : 0;
	result = json_pack(
		"{s:i, s:i, s:i, s:i, s:I, s:o, s:s?, s:o}", "nodes_idle",
		why ? 0 : (int)(idle < left ? idle : left), "nodes_total", (int)total,
		"nodes_guests", (int)guests, "cpus_per_node", least ? (int)least->cpus : 0,
		"mem_mb_per_node", least ? (json_int_t)least->real_memory : 0, "arch",
		rain_broker_text(least ? least->arch : NULL), "reason", why, "groups",
		groups_json(groups, count));
out:
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
	jobs = rain_broker_slurm_jobs(slurm, err);
	if (jobs)
		result = capacity_json(slurm, guest, partitions, nodes, jobs, err);
out:
	if (nodes)
		slurm_free_node_info_msg(nodes);
	if (partitions)
		slurm_free_partition_info_msg(partitions);
	return result;
}
