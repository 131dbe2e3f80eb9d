/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scheduler/cluster_spec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLUSTERS_MAX 1000000

/* The keys of an argument and what they may be. */
struct parsed {
	double load, days;
	int64_t jobs, users, count, repeat;
};

enum key_kind { KEY_NAME, KEY_FLAG, KEY_SPEED, KEY_PERCENT, KEY_FACTOR, KEY_DAY, KEY_COUNT, KEY_REAL };

struct key {
	const char *name;
	enum key_kind kind;
	size_t offset; /* in struct rain_site_spec, or in struct parsed */
	double min, max;
};

#define SITE(field) offsetof(struct rain_site_spec, field)
#define PARSED(field) offsetof(struct parsed, field)

static const struct key keys[] = {
	{"name", KEY_NAME, 0, 0, 0},
	{"free-rider", KEY_FLAG, SITE(rides_free), 0, 0},
	{"speed", KEY_SPEED, SITE(speed_permille), 0.001, 1000},
	{"pad", KEY_FACTOR, SITE(pad_percent), 1, 1000},
	{"overclaim", KEY_FACTOR, SITE(overclaim_percent), 0.01, 1000},
	{"evicts", KEY_PERCENT, SITE(evicts_percent), 0, 100},
	{"renames", KEY_DAY, SITE(renames_days), 1, 100000},
	{"leaves", KEY_DAY, SITE(leaves_day), 1, 100000},
	{"ring", KEY_DAY, SITE(ring), 1, 1000},
	{"count", KEY_COUNT, PARSED(count), 1, CLUSTERS_MAX},
	{"repeat", KEY_COUNT, PARSED(repeat), 1, 100000},
	{"jobs", KEY_COUNT, PARSED(jobs), 1, 4e9},
	{"users", KEY_COUNT, PARSED(users), 1, 1000000},
	{"load", KEY_REAL, PARSED(load), 0.001, 100},
	{"days", KEY_REAL, PARSED(days), 0.001, 100000},
};

static int set_number(const struct key *key, double value, struct rain_site_spec *site,
		      struct parsed *parsed)
{
	void *in_site = (char *)site + key->offset, *in_parsed = (char *)parsed + key->offset;

	if (!(value >= key->min) || value > key->max)
		return -1;
	switch (key->kind) {
	case KEY_SPEED: *(int32_t *)in_site = (int32_t)(value * 1000 + 0.5); break;
	case KEY_FACTOR: *(int32_t *)in_site = (int32_t)(value * 100 + 0.5); break;
	case KEY_PERCENT:
	case KEY_DAY: *(int32_t *)in_site = (int32_t)value; break;
	case KEY_COUNT: *(int64_t *)in_parsed = (int64_t)value; break;
	case KEY_REAL: *(double *)in_parsed = value; break;
	default: return -1;
	}
	return 0;
}

static int set_name(struct rain_site_spec *site, const char *name, struct rain_error *err)
{
	if (!*name || strlen(name) >= sizeof site->name - 8)
		return rain_error_set(err, "name= needs a name of 1 to %zu characters",
				      sizeof site->name - 9);
	snprintf(site->name, sizeof site->name, "%s", name);
	return 0;
}

static int set_key(char *text, struct rain_site_spec *site, struct parsed *parsed,
		   struct rain_error *err)
{
	char *value = strchr(text, '=');

	if (value)
		*value++ = '\0';
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		char *end;
		double number;

		if (strcmp(keys[i].name, text) != 0)
			continue;
		if (keys[i].kind == KEY_FLAG && !value) {
			*(bool *)((char *)site + keys[i].offset) = true;
			return 0;
		}
		if (keys[i].kind == KEY_NAME)
			return set_name(site, value ? value : "", err);
		number = value && *value ? strtod(value, &end) : 0;
		if (!value || !*value || *end || keys[i].kind == KEY_FLAG ||
		    set_number(&keys[i], number, site, parsed) < 0)
			return keys[i].kind == KEY_FLAG
				       ? rain_error_set(err, "%s takes no value", text)
				       : rain_error_set(err, "%s= needs a number from %g to %g", text,
							keys[i].min, keys[i].max);
		return 0;
	}
	return rain_error_set(err, "'%.40s' is no key; rain simulate --help lists them", text);
}

static int trace_next(void *state, struct rain_arrival *arrival)
{
	struct rain_cluster *cluster = state;
	const struct rain_trace *trace = cluster->trace;

	for (;;) {
		if (cluster->at == trace->count) {
			if (++cluster->round >= cluster->repeat)
				return 0;
			cluster->at = 0;
		}
		*arrival = trace->jobs[cluster->at++];
		if (cluster->until == 0 || arrival->submit < cluster->until) {
			/* Each trace begins at 0, whatever its own clock says. */
			arrival->submit += cluster->round * cluster->period - trace->jobs[0].submit;
			return 1;
		}
		cluster->at = trace->count;
	}
}

static const struct rain_trace *load(struct rain_clusters *clusters, const char *path,
				     struct rain_error *err)
{
	void *moved;
	char *copy;

	for (size_t i = 0; i < clusters->trace_count; i++)
		if (!strcmp(clusters->traces[i].path, path))
			return clusters->traces[i].trace;
	moved = reallocarray(clusters->traces, clusters->trace_count + 1, sizeof *clusters->traces);
	if (moved)
		clusters->traces = moved;
	copy = moved ? strdup(path) : NULL;
	if (!copy) {
		rain_error_set(err, "no memory for %s", path);
		return NULL;
	}
	clusters->traces[clusters->trace_count].trace = rain_trace_load(path, err);
	if (!clusters->traces[clusters->trace_count].trace) {
		free(copy);
		return NULL;
	}
	clusters->traces[clusters->trace_count].path = copy;
	return clusters->traces[clusters->trace_count++].trace;
}

/* "dir/KTH-SP2.easy.swf.gz" is called KTH-SP2. */
static void name_after(struct rain_site_spec *site, const char *path)
{
	const char *base = strrchr(path, '/');
	size_t length;

	base = base ? base + 1 : path;
	length = strcspn(base, ".");
	if (length == 0 || length > sizeof site->name - 9)
		length = length ? sizeof site->name - 9 : 0;
	snprintf(site->name, sizeof site->name, "%.*s", (int)length, base);
	if (!site->name[0])
		snprintf(site->name, sizeof site->name, "cluster");
}

static struct rain_cluster *new_cluster(struct rain_clusters *clusters)
{
	if (clusters->count == CLUSTERS_MAX)
		return NULL;
	if (clusters->count == clusters->size) {
		size_t size = clusters->size ? clusters->size * 2 : 8;
		struct rain_cluster *moved = reallocarray(clusters->clusters, size, sizeof *moved);

		if (!moved)
			return NULL;
		clusters->clusters = moved;
		clusters->size = size;
	}
	clusters->clusters[clusters->count] = (struct rain_cluster){0};
	return &clusters->clusters[clusters->count++];
}

static uint64_t mix(uint64_t seed, const char *name)
{
	for (; *name; name++)
		seed = (seed ^ (unsigned char)*name) * 0x100000001b3u;
	return seed;
}

static int add_one(struct rain_clusters *clusters, const struct rain_site_spec *site,
		   const struct rain_trace *trace, const struct parsed *parsed,
		   const struct rain_cluster_defaults *defaults, struct rain_error *err)
{
	struct rain_cluster *cluster = new_cluster(clusters);

	if (!cluster)
		return rain_error_set(err, "no room for more than %zu clusters", clusters->count);
	cluster->site = *site;
	cluster->trace = trace;
	cluster->repeat = parsed->repeat ? parsed->repeat : 1;
	cluster->until = (int64_t)((parsed->days > 0 ? parsed->days : defaults->days) * 86400);
	if (trace) {
		/* Days are counted from the trace's first submission. */
		if (cluster->until)
			cluster->until += trace->jobs[0].submit;
		cluster->period = cluster->until ? cluster->until - trace->jobs[0].submit
						 : trace->jobs[trace->count - 1].submit + 86400;
		return 0;
	}
	cluster->workload = rain_workload_create(
		&(struct rain_workload_spec){
			.seed = mix(defaults->seed ^ 0xcbf29ce484222325u, site->name),
			.procs = site->procs, .jobs = parsed->jobs,
			.days = parsed->days > 0 ? parsed->days
				: defaults->days > 0 || parsed->jobs ? defaults->days : 30,
			.load = parsed->load > 0 ? parsed->load : 0.8,
			.users = parsed->users ? (uint32_t)parsed->users : 16,
		}, err);
	return cluster->workload ? 0 : -1;
}

static int read_procs(char *text, struct rain_site_spec *site)
{
	char *colon = strrchr(text, ':'), *end;
	long procs;

	if (!colon || strchr(colon, '/'))
		return 0;
	procs = strtol(colon + 1, &end, 10);
	if (end == colon + 1 || *end || procs < 1 || procs > 10000000)
		return -1;
	*colon = '\0';
	site->procs = (int32_t)procs;
	return 0;
}

static int add_argument(struct rain_clusters *clusters, char *text,
			const struct rain_cluster_defaults *defaults, struct rain_error *err)
{
	struct rain_site_spec site = {0};
	struct parsed parsed = {.count = 1};
	const struct rain_trace *trace = NULL;
	char *save = NULL, *path = strtok_r(text, ",", &save), *key;
	char base[sizeof site.name];

	if (!path)
		return rain_error_set(err, "empty: name a trace, or gen:PROCS");
	if (read_procs(path, &site) < 0)
		return rain_error_set(err, "what follows the colon is no number of processors");
	name_after(&site, path);
	while ((key = strtok_r(NULL, ",", &save)))
		if (set_key(key, &site, &parsed, err) < 0)
			return -1;
	if (strcmp(path, "gen") != 0) {
		trace = load(clusters, path, err);
		if (!trace)
			return -1;
		if (site.procs == 0)
			site.procs = trace->procs;
	}
	if (site.procs == 0)
		return rain_error_set(err, "how many processors? Say %s:PROCS", path);
	snprintf(base, sizeof base, "%s", site.name);
	for (int64_t i = 0; i < parsed.count; i++) {
		if (parsed.count > 1)
			snprintf(site.name, sizeof site.name, "%.55s-%06lld", base, (long long)i + 1);
		if (add_one(clusters, &site, trace, &parsed, defaults, err) < 0)
			return -1;
	}
	return 0;
}

int rain_clusters_add(struct rain_clusters *clusters, const char *argument,
		      const struct rain_cluster_defaults *defaults, struct rain_error *err)
{
	char *text = strdup(argument);
	int rc;

	if (!text)
		return rain_error_set(err, "no memory for %.100s", argument);
	rc = add_argument(clusters, text, defaults, err);
	free(text);
	return rc < 0 ? rain_error_prefix(err, "%.200s", argument) : 0;
}

struct rain_site_spec *rain_clusters_specs(struct rain_clusters *clusters)
{
	struct rain_site_spec *specs = calloc(clusters->count ? clusters->count : 1, sizeof *specs);

	for (size_t i = 0; specs && i < clusters->count; i++) {
		struct rain_cluster *cluster = &clusters->clusters[i];

		cluster->at = 0;
		cluster->round = 0;
		if (cluster->workload)
			rain_workload_rewind(cluster->workload);
		specs[i] = cluster->site;
		specs[i].source = cluster->workload
					  ? (struct rain_source){rain_workload_next, cluster->workload}
					  : (struct rain_source){trace_next, cluster};
	}
	return specs;
}

void rain_clusters_release(struct rain_clusters *clusters)
{
	for (size_t i = 0; i < clusters->count; i++)
		rain_workload_destroy(clusters->clusters[i].workload);
	for (size_t i = 0; i < clusters->trace_count; i++) {
		free(clusters->traces[i].path);
		rain_trace_destroy(clusters->traces[i].trace);
	}
	free(clusters->clusters);
	free(clusters->traces);
	*clusters = (struct rain_clusters){0};
}
