/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/guest_guard.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/hostlist.h"

#define SLURM_PATIENCE_MS 60000

typedef int (*take_address)(struct rain_guard_job *job, const char *address, uint16_t port,
			    struct rain_error *err);

static int take_node(struct rain_guard_job *job, const char *address, uint16_t port,
		     struct rain_error *err)
{
	(void)port;
	if (job->node_count == RAIN_GUARD_NODES_MAX)
		return rain_error_set(err, "the job's nodes have more than %d addresses",
				      RAIN_GUARD_NODES_MAX);
	snprintf(job->nodes[job->node_count++], INET6_ADDRSTRLEN, "%s", address);
	return 0;
}

static int take_door(struct rain_guard_job *job, const char *address, uint16_t port,
		     struct rain_error *err)
{
	struct rain_guard_door *door = &job->doors[job->door_count];

	if (job->door_count == RAIN_GUARD_DOORS_MAX)
		return rain_error_set(err, "the controllers have more than %d addresses",
				      RAIN_GUARD_DOORS_MAX);
	snprintf(door->address, sizeof(door->address), "%s", address);
	door->port = port;
	job->door_count++;
	return 0;
}

static int resolve(struct rain_guard_job *job, const char *name, uint16_t port, take_address take,
		   struct rain_error *err)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	int error = getaddrinfo(name, NULL, &hints, &list), result = 0;

	if (error)
		return rain_error_set(err, "can't find the address of %s: %s", name,
				      gai_strerror(error));
	for (struct addrinfo *one = list; one && result == 0; one = one->ai_next) {
		char text[INET6_ADDRSTRLEN];
		const void *address =
			one->ai_family == AF_INET
				? (const void *)&((struct sockaddr_in *)one->ai_addr)->sin_addr
				: (const void *)&((struct sockaddr_in6 *)one->ai_addr)->sin6_addr;

		if (inet_ntop(one->ai_family, address, text, sizeof(text)))
			result = take(job, text, port, err);
	}
	freeaddrinfo(list);
	return result;
}

/* slurmctld may just be starting again; and a Prolog that fails takes the node out of service. */
static bool try_again(int64_t until_ms)
{
	static const struct timespec pause = {0, 500000000};

	/* A try that gets no answer may take long itself. */
	if (rain_clock_monotonic_ms() >= until_ms)
		return false;
	nanosleep(&pause, NULL);
	return true;
}

static const char *node_address(const node_info_msg_t *nodes, const char *name)
{
	for (uint32_t i = 0; i < nodes->record_count; i++)
		if (nodes->node_array[i].name && !strcmp(nodes->node_array[i].name, name))
			return nodes->node_array[i].node_addr;
	return NULL;
}

static int nodes_add(struct rain_guard_job *job, const char *nodelist, struct rain_error *err)
{
	node_info_msg_t *nodes = NULL;
	char **names = NULL;
	int64_t until_ms = rain_clock_monotonic_ms() + SLURM_PATIENCE_MS;
	int result = 0;

	if (rain_hostlist_expand(nodelist, RAIN_GUARD_NODES_MAX, &names, NULL, err) < 0)
		return -1;
	while (slurm_load_node(0, &nodes, SHOW_ALL) != SLURM_SUCCESS) {
		if (try_again(until_ms))
			continue;
		rain_error_set(err, "slurmctld doesn't tell the nodes' addresses: %s",
			       slurm_strerror(slurm_get_errno()));
		rain_hostlist_free(names);
		return -1;
	}
	for (size_t i = 0; names[i] && result == 0; i++) {
		const char *address = node_address(nodes, names[i]);

		result = resolve(job, address ? address : names[i], 0, take_node, err);
	}
	slurm_free_node_info_msg(nodes);
	rain_hostlist_free(names);
	return result;
}

static int controllers_add(struct rain_guard_job *job, const char *agent_port,
			   struct rain_error *err)
{
	slurm_conf_t *conf = NULL;
	int64_t until_ms = rain_clock_monotonic_ms() + SLURM_PATIENCE_MS;
	int result = 0;

	while (slurm_load_ctl_conf(0, &conf) != SLURM_SUCCESS)
		if (!try_again(until_ms))
			return rain_error_set(err, "slurmctld doesn't tell its addresses: %s",
					      slurm_strerror(slurm_get_errno()));
	for (uint32_t i = 0; i < conf->control_cnt && result == 0; i++) {
		const char *name =
			conf->control_addr[i] ? conf->control_addr[i] : conf->control_machine[i];

		for (uint16_t j = 0; name && j < conf->slurmctld_port_count && result == 0; j++)
			result = resolve(job, name, (uint16_t)(conf->slurmctld_port + j), take_door,
					 err);
		/* A gateway that listens on every address. */
		if (name && agent_port && result == 0)
			result = resolve(job, name, (uint16_t)atoi(agent_port), take_door, err);
	}
	slurm_free_ctl_conf(conf);
	return result;
}

static bool is_any(const char *host)
{
	return !strcmp(host, "0.0.0.0") || !strcmp(host, "::");
}

int rain_guard_addresses(struct rain_guard_job *job, const char *nodelist,
			 const struct rain_config *config, struct rain_error *err)
{
	char *host = NULL, *port = NULL;
	int result;

	job->nodes = calloc(RAIN_GUARD_NODES_MAX, sizeof(*job->nodes));
	if (!job->nodes)
		return rain_error_set(err, "out of memory");
	if (!config->gateway.agent_listen || !*config->gateway.agent_listen)
		return rain_error_set(err, "gateway.agent-listen is missing in %s", config->path);
	if (rain_config_address_split(config->gateway.agent_listen, &host, &port, err) < 0)
		return -1;
	slurm_init(NULL);
	result = nodes_add(job, nodelist, err);
	if (result == 0)
		result = controllers_add(job, is_any(host) ? port : NULL, err);
	if (result == 0 && !is_any(host))
		result = resolve(job, host, (uint16_t)atoi(port), take_door, err);
	free(host);
	free(port);
	return result;
}

bool rain_guard_job_is_over(uint32_t job, bool is_old)
{
	job_info_msg_t *jobs = NULL;
	bool over = true;

	if (slurm_load_job(&jobs, job, SHOW_ALL) != SLURM_SUCCESS)
		return slurm_get_errno() == ESLURM_INVALID_JOB_ID && is_old;
	for (uint32_t i = 0; i < jobs->record_count; i++)
		if (jobs->job_array[i].job_id == job &&
		    ((jobs->job_array[i].job_state & JOB_STATE_BASE) < JOB_COMPLETE ||
		     (jobs->job_array[i].job_state & JOB_COMPLETING)))
			over = false;
	slurm_free_job_info_msg(jobs);
	return over;
}
