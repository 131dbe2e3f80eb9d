/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/guest_guard.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"

void rain_guard_job_release(struct rain_guard_job *job)
{
	free(job->nodes);
	job->nodes = NULL;
	job->node_count = 0;
}

/* 4, 6 or 0: the text goes into rules, so it must be an address and nothing else. */
static int family(const char *address)
{
	struct in6_addr six;
	struct in_addr four;

	if (inet_pton(AF_INET, address, &four) == 1)
		return 4;
	return inet_pton(AF_INET6, address, &six) == 1 ? 6 : 0;
}

static const char *family_word(const char *address)
{
	return family(address) == 4 ? "ip" : "ip6";
}

static void print_closed(FILE *out, const uint16_t *closed, size_t count)
{
	fputs("{ 0-1023", out);
	for (size_t i = 0; i < count; i++)
		if (closed[i] > 1023)
			fprintf(out, ", %u", closed[i]);
	fputs(" }", out);
}

/* Doors first: they may lie behind ports that are closed otherwise. */
static void print_job(FILE *out, const struct rain_guard_job *job)
{
	fprintf(out, "\tchain job_%u {\n", job->job);
	for (size_t i = 0; i < job->door_count; i++)
		fprintf(out, "\t\t%s daddr %s tcp dport %u accept\n",
			family_word(job->doors[i].address), job->doors[i].address,
			job->doors[i].port);
	fputs("\t\tmeta l4proto != { tcp, udp } return\n", out);
	fputs("\t\tth dport @closed return\n", out);
	for (size_t i = 0; i < job->node_count; i++)
		fprintf(out, "\t\t%s daddr %s accept\n", family_word(job->nodes[i]), job->nodes[i]);
	fputs("\t}\n", out);
}

static int jobs_check(const struct rain_guard_job *jobs, size_t count, struct rain_error *err)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < jobs[i].node_count; j++)
			if (!family(jobs[i].nodes[j]))
				return rain_error_set(err, "\"%s\" is no address",
						      jobs[i].nodes[j]);
		for (size_t j = 0; j < jobs[i].door_count; j++)
			if (!family(jobs[i].doors[j].address))
				return rain_error_set(err, "\"%s\" is no address",
						      jobs[i].doors[j].address);
	}
	return 0;
}

char *rain_guard_rules(uid_t uid_min, uid_t uid_max, const struct rain_guard_job *jobs,
		       size_t count, const uint16_t *closed, size_t closed_count,
		       struct rain_error *err)
{
	char *text = NULL;
	size_t size;
	FILE *out;

	if (jobs_check(jobs, count, err) < 0)
		return NULL;
	out = open_memstream(&text, &size);
	if (!out) {
		rain_error_set(err, "out of memory");
		return NULL;
	}
	/* One transaction: at no moment is there no rule. */
	fputs("table inet rain\ndelete table inet rain\ntable inet rain {\n", out);
	fputs("\tset closed {\n\t\ttype inet_service\n\t\tflags interval\n\t\telements = ", out);
	print_closed(out, closed, closed_count);
	fputs("\n\t}\n", out);
	for (size_t i = 0; i < count; i++)
		print_job(out, &jobs[i]);
	fputs("\tchain guests {\n", out);
	/* Answers to who may connect to them: slurmctld, for example, to srun. */
	fputs("\t\tct direction reply ct state established,related accept\n", out);
	for (size_t i = 0; i < count; i++)
		fprintf(out, "\t\tmeta skuid %u jump job_%u\n", jobs[i].uid, jobs[i].job);
	/* PMIx and ranks of one node; only for guests that have a job here. */
	for (size_t i = 0; i < count; i++)
		fprintf(out,
			"\t\tmeta skuid %u oifname \"lo\" meta l4proto { tcp, udp } "
			"th dport != @closed accept\n",
			jobs[i].uid);
	fputs("\t\tcounter reject with icmpx admin-prohibited\n\t}\n", out);
	/* Only packets of guests get there: what has no socket (the kernel's own)
	 * matches no uid, and must not be caught by a "not these". */
	fputs("\tchain output {\n\t\ttype filter hook output priority 0; policy accept;\n", out);
	fprintf(out, "\t\tmeta skuid %u-%u jump guests\n\t}\n}\n", uid_min, uid_max);
	if (fclose(out) != 0) {
		free(text);
		rain_error_set(err, "out of memory");
		return NULL;
	}
	return text;
}

json_t *rain_guard_job_json(const struct rain_guard_job *job, const char *boot)
{
	json_t *nodes = json_array(), *doors = json_array();

	for (size_t i = 0; i < job->node_count; i++)
		json_array_append_new(nodes, json_string(job->nodes[i]));
	for (size_t i = 0; i < job->door_count; i++)
		json_array_append_new(doors,
				      json_pack("{s:s, s:i}", "address", job->doors[i].address,
						"port", (int)job->doors[i].port));
	return json_pack("{s:s, s:I, s:I, s:o, s:o}", "boot", boot, "job", (json_int_t)job->job,
			 "uid", (json_int_t)job->uid, "nodes", nodes, "doors", doors);
}

static int address_copy(char *to, const char *from, struct rain_error *err)
{
	if (!from || strlen(from) >= INET6_ADDRSTRLEN || !family(from))
		return rain_error_set(err, "a note holds something that is no address");
	strcpy(to, from);
	return 0;
}

/* 1: from before the last start of this node; 0; -1 */
int rain_guard_job_read(const json_t *json, const char *boot, struct rain_guard_job *job,
			struct rain_error *err)
{
	int64_t id, uid, port;
	json_t *nodes, *doors;
	const char *then;

	*job = (struct rain_guard_job){0};
	if (rain_json_string(json, "boot", 64, &then, err) < 0 ||
	    rain_json_int(json, "job", 1, UINT32_MAX, &id, err) < 0 ||
	    rain_json_int(json, "uid", 1, UINT32_MAX, &uid, err) < 0 ||
	    rain_json_array(json, "nodes", RAIN_GUARD_NODES_MAX, &nodes, err) < 0 ||
	    rain_json_array(json, "doors", RAIN_GUARD_DOORS_MAX, &doors, err) < 0)
		return -1;
	if (strcmp(then, boot) != 0)
		return 1;
	job->job = (uint32_t)id;
	job->uid = (uid_t)uid;
	job->nodes = calloc(json_array_size(nodes) + 1, sizeof(*job->nodes));
	if (!job->nodes)
		return rain_error_set(err, "out of memory");
	for (size_t i = 0; i < json_array_size(nodes); i++)
		if (address_copy(job->nodes[job->node_count++],
				 json_string_value(json_array_get(nodes, i)), err) < 0)
			goto failed;
	for (size_t i = 0; i < json_array_size(doors); i++) {
		const json_t *door = json_array_get(doors, i);
		struct rain_guard_door *to = &job->doors[job->door_count++];

		if (rain_json_int(door, "port", 1, 65535, &port, err) < 0 ||
		    address_copy(to->address, json_string_value(json_object_get(door, "address")),
				 err) < 0)
			goto failed;
		to->port = (uint16_t)port;
	}
	return 0;
failed:
	rain_guard_job_release(job);
	return -1;
}
