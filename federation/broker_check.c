/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/broker_check.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config.h"
#include "common/json.h"

#define TASKS_MAX 1048576
#define CPUS_PER_TASK_MAX 4096
#define SECONDS_MAX (366 * 24 * 3600)

static const char *const op_names[RAIN_BROKER_OP_COUNT] = {
	[RAIN_BROKER_QUEUE] = "queue",
	[RAIN_BROKER_CAPACITY] = "capacity",
	[RAIN_BROKER_SPLIT] = "split",
	[RAIN_BROKER_LOAD] = "load",
	[RAIN_BROKER_BIND] = "bind",
	[RAIN_BROKER_UNBIND] = "unbind",
	[RAIN_BROKER_CLOCK] = "clock",
	[RAIN_BROKER_END] = "end",
	[RAIN_BROKER_ANNOTATE] = "annotate",
	[RAIN_BROKER_GUEST_SUBMIT] = "guest_submit",
	[RAIN_BROKER_GUEST_FIND] = "guest_find",
	[RAIN_BROKER_GUEST_RELEASE] = "guest_release",
	[RAIN_BROKER_GUEST_CANCEL] = "guest_cancel",
	[RAIN_BROKER_GUEST_QUERY] = "guest_query",
	[RAIN_BROKER_MAP] = "map",
};

const char *rain_broker_op_name(enum rain_broker_op op)
{
	return (unsigned)op < RAIN_BROKER_OP_COUNT ? op_names[op] : "?";
}

bool rain_broker_loan_is_valid(const char *text)
{
	for (int i = 0; i < RAIN_BROKER_LOAN_LENGTH; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !text[i] || !strchr("0123456789abcdef", text[i]))
			return false;
	}
	return text[RAIN_BROKER_LOAN_LENGTH] == '\0';
}

static bool is_made_of(const char *text, const char *marks)
{
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr(marks, *text))
			return false;
	return true;
}

bool rain_broker_partition_is_valid(const char *text)
{
	return *text && *text != '-' && strlen(text) <= RAIN_BROKER_PARTITION_MAX &&
	       is_made_of(text, "_.,-");
}

bool rain_broker_features_is_valid(const char *text)
{
	return strlen(text) <= RAIN_BROKER_FEATURES_MAX && is_made_of(text, "_.,-&|*()[]:+/@=");
}

/* True when one of the partitions of `list` is `name`. */
static bool list_has(const char *list, const char *name)
{
	size_t length = strlen(name);

	for (const char *p = list; *p; p += strspn(p, ",")) {
		size_t item = strcspn(p, ",");

		if (item == length && memcmp(p, name, length) == 0)
			return true;
		p += item;
	}
	return false;
}

static int read_u32(const json_t *request, const char *key, int64_t min, int64_t max,
		    uint32_t *value, struct rain_error *err)
{
	int64_t wide;

	if (rain_json_int(request, key, min, max, &wide, err) < 0)
		return -1;
	*value = (uint32_t)wide;
	return 0;
}

static int read_u32_or(const json_t *request, const char *key, int64_t min, int64_t max,
		       uint32_t fallback, uint32_t *value, struct rain_error *err)
{
	int64_t wide;

	if (rain_json_int_or(request, key, min, max, fallback, &wide, err) < 0)
		return -1;
	*value = (uint32_t)wide;
	return 0;
}

static int read_job(const json_t *request, struct rain_broker_request *checked,
		    struct rain_error *err)
{
	return read_u32(request, "job_id", 1, RAIN_BROKER_JOB_ID_MAX, &checked->job_id, err);
}

static int read_job_at(const json_t *request, struct rain_broker_request *checked,
		       struct rain_error *err)
{
	if (read_job(request, checked, err) < 0)
		return -1;
	return rain_json_int(request, "submit_time", 1, INT64_MAX, &checked->submit_time, err);
}

static int copy_loan(const char *loan, struct rain_broker_request *checked,
		     struct rain_error *err)
{
	if (!rain_broker_loan_is_valid(loan))
		return rain_error_set(err,
				      "field 'loan' must be a UUID in small letters, not \"%.40s\"",
				      loan);
	snprintf(checked->loan, sizeof(checked->loan), "%s", loan);
	return 0;
}

static int read_loan(const json_t *request, struct rain_broker_request *checked,
		     struct rain_error *err)
{
	const char *loan;

	if (rain_json_string(request, "loan", RAIN_BROKER_LOAN_LENGTH, &loan, err) < 0)
		return -1;
	return copy_loan(loan, checked, err);
}

static int check_queue(const json_t *request, const struct rain_broker_limits *limits,
		       struct rain_broker_request *checked, struct rain_error *err)
{
	(void)limits;
	if (read_u32_or(request, "after", 0, RAIN_BROKER_JOB_ID_MAX, 0, &checked->after, err) < 0)
		return -1;
	return read_u32_or(request, "limit", 1, RAIN_BROKER_QUEUE_LIMIT, RAIN_BROKER_QUEUE_LIMIT,
			   &checked->limit, err);
}

static int check_load(const json_t *request, const struct rain_broker_limits *limits,
		      struct rain_broker_request *checked, struct rain_error *err)
{
	(void)limits;
	if (read_u32_or(request, "after", 0, RAIN_BROKER_JOB_ID_MAX, 0, &checked->after, err) < 0)
		return -1;
	return rain_json_int_or(request, "ended_after", 0, INT64_MAX, 0, &checked->ended_after, err);
}

static int check_nothing(const json_t *request, const struct rain_broker_limits *limits,
			 struct rain_broker_request *checked, struct rain_error *err)
{
	(void)request;
	(void)limits;
	(void)checked;
	(void)err;
	return 0;
}

static int check_split(const json_t *request, const struct rain_broker_limits *limits,
		       struct rain_broker_request *checked, struct rain_error *err)
{
	(void)limits;
	if (read_job_at(request, checked, err) < 0)
		return -1;
	return read_u32(request, "tasks", 1, RAIN_BROKER_SPLIT_MAX, &checked->tasks, err);
}

static int check_bind(const json_t *request, const struct rain_broker_limits *limits,
		      struct rain_broker_request *checked, struct rain_error *err)
{
	const char *feature;

	(void)limits;
	if (read_job_at(request, checked, err) < 0 ||
	    rain_json_string(request, "feature", RAIN_BURST_PEER_SIZE - 1, &feature, err) < 0)
		return -1;
	if (!rain_config_name_is_valid(feature))
		return rain_error_set(err, "field 'feature' must be the alias of a peer, not \"%s\"",
				      feature);
	snprintf(checked->feature, sizeof(checked->feature), "%s", feature);
	return 0;
}

static int check_unbind(const json_t *request, const struct rain_broker_limits *limits,
			struct rain_broker_request *checked, struct rain_error *err)
{
	const char *partition, *features;
	int held = 0;

	if (read_job_at(request, checked, err) < 0 ||
	    rain_json_string_or(request, "partition", RAIN_BROKER_PARTITION_MAX, NULL, &partition,
				err) < 0 ||
	    rain_json_string_or(request, "features", RAIN_BROKER_FEATURES_MAX, "", &features,
				err) < 0)
		return -1;
	if (json_object_get(request, "held") && rain_json_bool(request, "held", &held, err) < 0)
		return -1;
	if (!partition)
		return 0;
	if (!rain_broker_partition_is_valid(partition))
		return rain_error_set(err, "field 'partition' must be a partition, not \"%s\"",
				      partition);
	if (list_has(partition, limits->overflow_partition) ||
	    list_has(partition, limits->guest_partition))
		return rain_error_set(err, "the partition %s is no home of jobs", partition);
	if (!rain_broker_features_is_valid(features))
		return rain_error_set(err, "field 'features' must be a constraint of Slurm, not \"%s\"",
				      features);
	checked->home_given = true;
	checked->held = held;
	snprintf(checked->partition, sizeof(checked->partition), "%s", partition);
	snprintf(checked->features, sizeof(checked->features), "%s", features);
	return 0;
}

static int check_clock(const json_t *request, const struct rain_broker_limits *limits,
		       struct rain_broker_request *checked, struct rain_error *err)
{
	(void)limits;
	if (read_job_at(request, checked, err) < 0)
		return -1;
	return read_u32(request, "seconds", 1, SECONDS_MAX, &checked->seconds, err);
}

static int check_end(const json_t *request, const struct rain_broker_limits *limits,
		     struct rain_broker_request *checked, struct rain_error *err)
{
	const char *as;

	(void)limits;
	if (read_job_at(request, checked, err) < 0 ||
	    rain_json_string(request, "as", 32, &as, err) < 0)
		return -1;
	checked->out_of_memory = strcmp(as, "out_of_memory") == 0;
	if (!checked->out_of_memory && strcmp(as, "timeout") != 0)
		return rain_error_set(err, "field 'as' must be \"timeout\" or \"out_of_memory\"");
	return 0;
}

static int check_annotate(const json_t *request, const struct rain_broker_limits *limits,
			  struct rain_broker_request *checked, struct rain_error *err)
{
	const char *text;

	(void)limits;
	if (read_job(request, checked, err) < 0 ||
	    rain_json_int_or(request, "submit_time", 1, INT64_MAX, 0, &checked->submit_time, err) < 0 ||
	    rain_json_string(request, "text", RAIN_BURST_SENTENCE_MAX, &text, err) < 0)
		return -1;
	for (const char *p = text; *p; p++)
		if (iscntrl((unsigned char)*p))
			return rain_error_set(err,
					      "field 'text' must be one line without control characters");
	snprintf(checked->text, sizeof(checked->text), "%s", text);
	return 0;
}

/* "http://HOST:PORT" or "HOST:PORT".  It becomes a word of the guest job's
 * script, so nothing that a shell could read as more than a word passes. */
static int read_agent(const json_t *request, const struct rain_broker_limits *limits,
		      struct rain_broker_request *checked, struct rain_error *err)
{
	const char *agent;
	char *host = NULL, *port = NULL;
	bool nowhere;

	if (rain_json_string_or(request, "agent_url", RAIN_BROKER_AGENT_MAX, limits->agent, &agent,
				err) < 0)
		return -1;
	if (strncmp(agent, "http://", 7) == 0)
		agent += 7;
	if (strlen(agent) > RAIN_BROKER_AGENT_MAX || !is_made_of(agent, ".-:[]") ||
	    agent[0] == '-' || rain_config_address_split(agent, &host, &port, NULL) < 0)
		return rain_error_set(err, "field 'agent_url' must be http://HOST:PORT, not \"%.80s\"",
				      agent);
	nowhere = strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
	free(host);
	free(port);
	if (nowhere)
		return rain_error_set(err,
				      "guests can't reach %s: set gateway.agent-listen in rain.conf to this host's address in the cluster",
				      agent);
	snprintf(checked->agent, sizeof(checked->agent), "%s", agent);
	return 0;
}

static int check_shape(const struct rain_broker_request *checked, struct rain_error *err)
{
	uint64_t cpus = (uint64_t)checked->tasks * checked->cpus_per_task;

	if (checked->tasks < checked->nodes)
		return rain_error_set(err, "%u tasks can't fill %u nodes", checked->tasks,
				      checked->nodes);
	if (checked->ntasks_per_node &&
	    (uint64_t)checked->ntasks_per_node * checked->nodes < checked->tasks)
		return rain_error_set(err, "%u tasks do not fit on %u nodes with %u a node",
				      checked->tasks, checked->nodes, checked->ntasks_per_node);
	if (cpus > TASKS_MAX)
		return rain_error_set(err, "%u tasks of %u CPUs are more than the allowed %d CPUs",
				      checked->tasks, checked->cpus_per_task, TASKS_MAX);
	return 0;
}

/* For people and panels: whose guest it is. */
static int read_peer(const json_t *request, struct rain_broker_request *checked,
		     struct rain_error *err)
{
	const char *peer;

	if (rain_json_string_or(request, "peer", sizeof(checked->peer) - 1, "", &peer, err) < 0)
		return -1;
	if (*peer && !rain_config_name_is_valid(peer))
		return rain_error_set(err, "field 'peer' is no name of a peer");
	memcpy(checked->peer, peer, strlen(peer) + 1);
	return 0;
}

/* Names nothing of this cluster: what is kept of a guest is kept under it. */
static int read_owner(const json_t *request, struct rain_broker_request *checked,
		      struct rain_error *err)
{
	const char *owner;
	size_t length;

	if (rain_json_string_or(request, "owner", RAIN_BROKER_OWNER_LENGTH, "", &owner, err) < 0)
		return -1;
	length = strlen(owner);
	if (length > 0 && (length != RAIN_BROKER_OWNER_LENGTH ||
			   strspn(owner, "0123456789abcdef") != length))
		return rain_error_set(err, "field 'owner' is not %d hexadecimal digits",
				      RAIN_BROKER_OWNER_LENGTH);
	memcpy(checked->owner, owner, length + 1);
	return 0;
}

static int check_guest_submit(const json_t *request, const struct rain_broker_limits *limits,
			      struct rain_broker_request *checked, struct rain_error *err)
{
	if (!limits->lend || limits->guest_uid_min == 0)
		return rain_error_set(err, "this cluster does not lend (lend in rain.conf)");
	if (read_loan(request, checked, err) < 0 ||
	    read_u32(request, "uid", limits->guest_uid_min, limits->guest_uid_max, &checked->uid,
		     err) < 0 ||
	    read_u32(request, "nodes", 1, limits->max_nodes, &checked->nodes, err) < 0 ||
	    read_u32(request, "tasks", 1, TASKS_MAX, &checked->tasks, err) < 0 ||
	    read_u32_or(request, "cpus_per_task", 1, CPUS_PER_TASK_MAX, 1, &checked->cpus_per_task,
			err) < 0 ||
	    read_u32_or(request, "ntasks_per_node", 0, CPUS_PER_TASK_MAX, 0,
			&checked->ntasks_per_node, err) < 0 ||
	    read_u32(request, "minutes", 1, limits->max_minutes, &checked->minutes, err) < 0 ||
	    check_shape(checked, err) < 0 || read_peer(request, checked, err) < 0 ||
	    read_owner(request, checked, err) < 0)
		return -1;
	return read_agent(request, limits, checked, err);
}

static int check_loan(const json_t *request, const struct rain_broker_limits *limits,
		      struct rain_broker_request *checked, struct rain_error *err)
{
	(void)limits;
	return read_loan(request, checked, err);
}

static int check_guest_job(const json_t *request, const struct rain_broker_limits *limits,
			   struct rain_broker_request *checked, struct rain_error *err)
{
	const char *loan;

	(void)limits;
	if (read_job(request, checked, err) < 0 ||
	    rain_json_string_or(request, "loan", RAIN_BROKER_LOAN_LENGTH, NULL, &loan, err) < 0)
		return -1;
	return loan ? copy_loan(loan, checked, err) : 0;
}

static int check_map(const json_t *request, const struct rain_broker_limits *limits,
		     struct rain_broker_request *checked, struct rain_error *err)
{
	(void)limits;
	/* The two largest are Slurm's NO_VAL and the system's "no user". */
	return read_u32(request, "uid", 0, UINT32_MAX - 2, &checked->uid, err);
}

int rain_broker_check(enum rain_broker_op op, const json_t *request,
		      const struct rain_broker_limits *limits,
		      struct rain_broker_request *checked, struct rain_error *err)
{
	static int (*const checks[RAIN_BROKER_OP_COUNT])(const json_t *,
							 const struct rain_broker_limits *,
							 struct rain_broker_request *,
							 struct rain_error *) = {
		[RAIN_BROKER_QUEUE] = check_queue,
		[RAIN_BROKER_CAPACITY] = check_nothing,
		[RAIN_BROKER_SPLIT] = check_split,
		[RAIN_BROKER_LOAD] = check_load,
		[RAIN_BROKER_BIND] = check_bind,
		[RAIN_BROKER_UNBIND] = check_unbind,
		[RAIN_BROKER_CLOCK] = check_clock,
		[RAIN_BROKER_END] = check_end,
		[RAIN_BROKER_ANNOTATE] = check_annotate,
		[RAIN_BROKER_GUEST_SUBMIT] = check_guest_submit,
		[RAIN_BROKER_GUEST_FIND] = check_loan,
		[RAIN_BROKER_GUEST_RELEASE] = check_guest_job,
		[RAIN_BROKER_GUEST_CANCEL] = check_guest_job,
		[RAIN_BROKER_GUEST_QUERY] = check_guest_job,
		[RAIN_BROKER_MAP] = check_map,
	};

	memset(checked, 0, sizeof(*checked));
	if ((unsigned)op >= RAIN_BROKER_OP_COUNT)
		return rain_error_set(err, "unknown operation");
	checked->op = op;
	return checks[op](request, limits, checked, err);
}
