/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cli.h"
#include "common/clock.h"
#include "scheduler/cluster_spec.h"
#include "scheduler/plot.h"
#include "scheduler/report.h"

#define POLICIES_MAX 16

static const char help[] =
	"Usage: rain simulate [OPTION]... CLUSTER...\n"
	"Replays workloads on clusters that overflow into each other.\n"
	"\n"
	"A CLUSTER is TRACE[:PROCS][,KEY=VALUE]... (Standard Workload Format, plain or\n"
	"compressed) or gen:PROCS[,KEY=VALUE]... (made-up jobs).\n"
	"\n"
	"  -p, --policy LIST     isolated, duplicate, merged, simple, open, clever,\n"
	"                        flocking, favours, tokens (default isolated,clever)\n"
	"  -o, --order ORDER     fcfs, shortest (the oldest has a reservation, the shortest\n"
	"                        is backfilled), or ageing (default: the reservation goes\n"
	"                        by submission plus patience x expected run time)\n"
	"  -n, --patience N      of ageing (default 3 with limits, else 5)\n"
	"  -P, --plan WITH       plan with the users' limit, a prediction from their\n"
	"                        history (predict), or the truth (perfect)\n"
	"  -d, --days N          only the first N days of each workload\n"
	"  -O, --overhead S      seconds that a job costs more elsewhere (default 60)\n"
	"  -k, --credit K        what a peer may have, per unit it has given (default 3)\n"
	"  -a, --allowance DAYS  and besides, in CPU-days per processor of the lender\n"
	"                        (default 0.1)\n"
	"      --cuts EVERY:FOR  each cluster loses its link every so many hours, for so\n"
	"                        many, on average\n"
	"      --stale PERCENT   of the offers no longer hold when the order arrives\n"
	"      --owners-evict    a cluster's own next job throws guests out\n"
	"      --plot FILE       draw wait over time, and who gave and got (SVG)\n"
	"      --jobs FILE       write where and when each job ran (CSV)\n"
	"  -s, --seed N          of everything that is random (default 1)\n"
	"      --sites N         show each cluster when there are at most N (default 64)\n"
	"  -j, --json            JSON, with more detail\n"
	"      --csv             comma-separated values\n"
	"  -h, --help            show this text\n"
	"  -V, --version         show the version\n"
	"\n"
	"Keys of any cluster: name, speed, free-rider, pad, overclaim, evicts, renames,\n"
	"leaves, ring, days; of traces: repeat; of made-up jobs: jobs, load, users; of both:\n"
	"count (so many alike). GIVEN and RECEIVED are CPU-days.\n"
	"\n"
	"Exit codes: 0 done, 1 a workload can't be replayed, 2 wrong usage.\n";

struct options {
	struct rain_sim_config config;
	struct rain_cluster_defaults defaults;
	const char *policies;
	double credit, allowance; /* negative: the policy's own */
	long sites;
	bool json;
	const char *plot, *jobs;
	enum rain_table_style style;
};

static int collect(struct rain_fates *fates, const struct rain_outcome *outcome)
{
	return rain_fates_add(fates, outcome);
}

/* The callback can't fail, the collection can: remember it. */
struct collector {
	struct rain_fates *fates;
	bool failed;
};

static void done(void *arg, const struct rain_outcome *outcome)
{
	struct collector *collector = arg;

	if (collect(collector->fates, outcome) < 0)
		collector->failed = true;
}

static bool progress(void *arg, int64_t jobs, int64_t now)
{
	fprintf(stderr, "\r%s: %lld jobs, day %lld ", (const char *)arg, (long long)jobs,
		(long long)(now / 86400));
	return true;
}

static int configure(const struct options *options, const char *name,
		     struct rain_sim_config *config, struct rain_error *err)
{
	const struct rain_overflow_policy *policy;

	*config = options->config;
	if (!strcmp(name, "isolated") || !strcmp(name, "duplicate") || !strcmp(name, "merged")) {
		config->kind = name[0] == 'i' ? RAIN_SIM_ISOLATED
			       : name[0] == 'd' ? RAIN_SIM_DUPLICATE : RAIN_SIM_MERGED;
		return 0;
	}
	policy = rain_overflow_policy_find(name, err);
	if (!policy)
		return rain_error_prefix(err, "--policy (also isolated, duplicate, merged)");
	config->kind = RAIN_SIM_LATE;
	config->policy = *policy;
	if (!strcmp(name, "flocking"))
		config->flock_delay = 300;
	if (options->credit >= 0)
		config->policy.k_percent = (int32_t)(options->credit * 100 + 0.5);
	if (options->allowance >= 0)
		config->policy.allowance = (int64_t)(options->allowance * 86400 + 0.5);
	return 0;
}

static int run(const struct options *options, struct rain_clusters *clusters, const char *name,
	       struct rain_result *result, struct rain_error *err)
{
	struct collector collector = {.fates = &result->fates};
	struct rain_sim_config config;
	struct rain_site_spec *specs;
	int64_t begin = rain_clock_monotonic_ms();
	int rc = -1;

	*result = (struct rain_result){.policy = name};
	if (configure(options, name, &config, err) < 0)
		return -1;
	config.done = done;
	config.arg = &collector;
	if (isatty(STDERR_FILENO)) {
		config.progress = progress;
		config.progress_arg = (void *)name;
	}
	specs = rain_clusters_specs(clusters);
	if (!specs)
		return rain_error_set(err, "no memory for %zu clusters", clusters->count);
	result->sim = rain_sim_create(&config, specs, clusters->count, err);
	if (result->sim)
		rc = rain_sim_run(result->sim, err);
	if (rc == 0 && collector.failed)
		rc = rain_error_set(err, "no memory for the results");
	if (config.progress)
		fputs("\r\033[K", stderr);
	result->seconds = (double)(rain_clock_monotonic_ms() - begin) / 1000;
	free(specs);
	return rc;
}

static void release(struct rain_result *result)
{
	rain_fates_release(&result->fates);
	rain_sim_destroy(result->sim);
}

static void warn(const struct rain_clusters *clusters)
{
	for (size_t i = 0; i < clusters->trace_count; i++) {
		const struct rain_trace_warnings *w = &clusters->traces[i].trace->warnings;

		if (w->unsorted || w->left_out || w->overran || w->no_limit)
			fprintf(stderr, "rain-simulate: %s: %lld rows out of order (sorted), %lld left "
				"out (no run time or processors), %lld ran over their limit (raised), "
				"%lld without a limit (run time taken)\n", clusters->traces[i].path,
				(long long)w->unsorted, (long long)w->left_out, (long long)w->overran,
				(long long)w->no_limit);
	}
}

static int print(const struct options *options, const struct rain_result *results, size_t count,
		 struct rain_error *err)
{
	struct rain_table *table = rain_table_create(rain_report_headers);
	json_t *list = json_array();
	int rc = table && list ? 0 : rain_error_set(err, "no memory for the report");

	for (size_t i = 0; rc == 0 && i < count; i++) {
		json_t *json;

		if (!options->json) {
			rc = rain_report_rows(table, &results[i], (size_t)options->sites, err);
			continue;
		}
		json = rain_report_json(&results[i], (size_t)options->sites, err);
		rc = json ? json_array_append_new(list, json) : -1;
	}
	if (rc == 0 && options->json) {
		json_t *top = json_pack("{s:O}", "policies", list);

		rain_cli_print_json(top);
		json_decref(top);
	} else if (rc == 0) {
		rain_table_print(table, options->style, stdout);
	}
	json_decref(list);
	rain_table_destroy(table);
	return rc;
}

typedef int drawing(FILE *out, const struct rain_result *results, size_t count,
		    struct rain_error *err);

static int write_file(const char *path, drawing *draw, const struct rain_result *results,
		      size_t count, struct rain_error *err)
{
	FILE *out = fopen(path, "w");
	int rc;

	if (!out)
		return rain_error_set(err, "can't write %s: %s", path, strerror(errno));
	rc = draw(out, results, count, err);
	if (ferror(out) | (fclose(out) != 0))
		rc = rain_error_set(err, "can't write %s: %s", path, strerror(errno));
	return rc;
}

/* "alone" for all others is the isolated run of the same order, when there is one. */
static int simulate(const struct options *options, struct rain_clusters *clusters,
		    struct rain_error *err)
{
	struct rain_result results[POLICIES_MAX] = {0};
	char *list = strdup(options->policies), *save = NULL;
	size_t count = 0;
	int rc = list ? 0 : rain_error_set(err, "no memory");

	for (char *name = list ? strtok_r(list, ",", &save) : NULL; rc == 0 && name;
	     name = strtok_r(NULL, ",", &save)) {
		if (count == POLICIES_MAX) {
			rc = rain_error_set(err, "at most %d policies at once", POLICIES_MAX);
			break;
		}
		rc = run(options, clusters, name, &results[count++], err);
	}
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < count; j++)
			if (i != j && !strcmp(results[j].policy, "isolated"))
				results[i].alone = &results[j].fates;
	if (rc == 0)
		rc = print(options, results, count, err);
	if (rc == 0 && options->plot)
		rc = write_file(options->plot, rain_plot, results, count, err);
	if (rc == 0 && options->jobs)
		rc = write_file(options->jobs, rain_report_jobs, results, count, err);
	if (rc == 0 && isatty(STDERR_FILENO))
		for (size_t i = 0; i < count; i++)
			fprintf(stderr, "%s: %.2f s, %.0f jobs/s\n", results[i].policy, results[i].seconds,
				(double)results[i].fates.count / (results[i].seconds + 1e-9));
	for (size_t i = 0; i < count; i++)
		release(&results[i]);
	free(list);
	return rc;
}

enum { OPT_CSV = 256, OPT_SITES, OPT_CUTS, OPT_STALE, OPT_EVICT, OPT_PLOT, OPT_JOBS };

static int read_number(const char *option, const char *text, double min, double max, double *value)
{
	char *end;

	*value = strtod(text, &end);
	if (end == text || *end || !(*value >= min) || *value > max)
		return rain_cli_usage("%s needs a number from %g to %g", option, min, max);
	return 0;
}

static int choose(const char *option, const char *text, const char *const names[], int *value)
{
	for (int i = 0; names[i]; i++)
		if (!strcmp(names[i], text)) {
			*value = i;
			return 0;
		}
	return rain_cli_usage("%s doesn't know '%.40s'", option, text);
}

/* "24:2": every 24 hours, for 2. */
static int read_cuts(const char *text, struct rain_sim_config *config)
{
	double every, length;
	char *end;

	every = strtod(text, &end);
	if (end == text || *end != ':' || !(every >= 0.01) || every > 1e6)
		return rain_cli_usage("--cuts needs two numbers of hours, EVERY:FOR");
	text = end + 1;
	length = strtod(text, &end);
	if (end == text || *end || !(length >= 0.001) || length > 1e6)
		return rain_cli_usage("--cuts needs two numbers of hours, EVERY:FOR");
	config->cut_every = (int64_t)(every * 3600);
	config->cut_for = (int64_t)(length * 3600);
	return 0;
}

static int take_option(int option, struct options *options)
{
	static const char *const orders[] = {"fcfs", "shortest", "ageing", NULL};
	static const char *const plans[] = {"limit", "predict", "perfect", NULL};
	double number = 0;
	int chosen = 0, rc = 0;

	switch (option) {
	case 'p': options->policies = optarg; break;
	case 'o':
		rc = choose("--order", optarg, orders, &chosen);
		options->config.order = (enum rain_sim_order)chosen;
		break;
	case 'n':
		rc = read_number("--patience", optarg, 0, 1e6, &number);
		options->config.patience = (int32_t)number;
		break;
	case 'P':
		rc = choose("--plan", optarg, plans, &chosen);
		options->config.plan = (enum rain_sim_plan)chosen;
		break;
	case 'd': rc = read_number("--days", optarg, 0.001, 1e6, &options->defaults.days); break;
	case 'O':
		rc = read_number("--overhead", optarg, 0, 1e6, &number);
		options->config.overhead = (int32_t)number;
		break;
	case 'k': rc = read_number("--credit", optarg, 0, 1e6, &options->credit); break;
	case 'a': rc = read_number("--allowance", optarg, 0, 1e6, &options->allowance); break;
	case 's':
		rc = read_number("--seed", optarg, 0, 9e15, &number);
		options->defaults.seed = options->config.seed = (uint64_t)number;
		break;
	case OPT_SITES:
		rc = read_number("--sites", optarg, 0, 1e6, &number);
		options->sites = (long)number;
		break;
	case OPT_CUTS: rc = read_cuts(optarg, &options->config); break;
	case OPT_STALE:
		rc = read_number("--stale", optarg, 0, 99, &number);
		options->config.stale_percent = (int32_t)number;
		break;
	case OPT_EVICT: options->config.owners_evict = true; break;
	case OPT_PLOT: options->plot = optarg; break;
	case OPT_JOBS: options->jobs = optarg; break;
	case OPT_CSV: options->style = RAIN_TABLE_CSV; break;
	case 'j': options->json = true; break;
	default: return rain_cli_usage("wrong option");
	}
	return rc;
}

int main(int argc, char *argv[])
{
	static const struct option long_options[] = {
		{"policy", required_argument, NULL, 'p'},   {"order", required_argument, NULL, 'o'},
		{"patience", required_argument, NULL, 'n'},
		{"plan", required_argument, NULL, 'P'},	    {"days", required_argument, NULL, 'd'},
		{"overhead", required_argument, NULL, 'O'}, {"credit", required_argument, NULL, 'k'},
		{"allowance", required_argument, NULL, 'a'}, {"seed", required_argument, NULL, 's'},
		{"sites", required_argument, NULL, OPT_SITES}, {"json", no_argument, NULL, 'j'},
		{"csv", no_argument, NULL, OPT_CSV},	    {"cuts", required_argument, NULL, OPT_CUTS},
		{"stale", required_argument, NULL, OPT_STALE},
		{"owners-evict", no_argument, NULL, OPT_EVICT},
		{"plot", required_argument, NULL, OPT_PLOT}, {"jobs", required_argument, NULL, OPT_JOBS},
		{NULL, 0, NULL, 0},
	};
	struct options options = {
		.config = {.order = RAIN_SIM_AGEING, .overhead = 60, .patience = -1, .seed = 1},
		.defaults = {.seed = 1}, .policies = "isolated,clever",
		.credit = -1, .allowance = -1, .sites = 64,
	};
	struct rain_clusters clusters = {0};
	struct rain_error err;
	int option, code = RAIN_EXIT_OK;

	rain_cli_standard_options(argc, argv, help);
	while ((option = getopt_long(argc, argv, "p:o:n:P:d:O:k:a:s:j", long_options, NULL)) != -1)
		if ((code = take_option(option, &options)) != 0)
			return code;
	if (options.config.patience < 0)
		options.config.patience = options.config.plan == RAIN_SIM_PLAN_LIMIT ? 3 : 5;
	if (optind == argc)
		return rain_cli_usage("name at least one cluster");
	for (int i = optind; code == RAIN_EXIT_OK && i < argc; i++)
		if (rain_clusters_add(&clusters, argv[i], &options.defaults, &err) < 0)
			code = rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	if (code == RAIN_EXIT_OK) {
		warn(&clusters);
		if (simulate(&options, &clusters, &err) < 0)
			code = rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	}
	rain_clusters_release(&clusters);
	return code;
}
