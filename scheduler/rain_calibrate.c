/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/cli.h"
#include "common/file.h"
#include "common/hostlist.h"
#include "scheduler/calibrate_job.h"
#include "scheduler/calibrate_show.h"

#define STORE RAIN_STATEDIR "/calibration.json"
#define STORE_MAX ((size_t)64 * 1024 * 1024)
#define MEMORY_PERCENT 70

static const char help[] =
	"Usage: rain calibrate [OPTION]...\n"
	"       rain calibrate --show [--json]\n"
	"Measures how fast nodes really are, by jobs of Slurm that have them for themselves:\n"
	"their processors, the clock under load, DGEMM on all cores, and HPL across all nodes\n"
	"of a kind. Prints the lines for slurm.conf and rain.conf, says which node is slow\n"
	"and why, and keeps the result in " STORE ".\n"
	"\n"
	"  -n, --nodes LIST      these nodes (default: all that rain.conf names)\n"
	"  -p, --partition NAME  in this partition (default: Slurm's default)\n"
	"  -t, --seconds N       how long each measurement takes, about (30)\n"
	"  -m, --order N         order of HPL's matrix (default: by memory and --seconds)\n"
	"  -w, --wait SECONDS    how long to wait for the nodes to be free (60)\n"
	"      --no-hpl          only survey the nodes: no price can come of it\n"
	"      --local           only survey this machine, without Slurm\n"
	"      --dry-run         keep nothing\n"
	"      --show            show what was kept\n"
	"  -j, --json            JSON\n"
	"  -c, --config FILE     configuration of RAIN\n"
	"  -h, --help            show this text\n"
	"  -V, --version         show the version\n"
	"\nExit codes: 0 all nodes are sound and measured, 1 something failed or is wrong with\n"
	"a node, 2 wrong usage.\n";

struct options {
	struct rain_calibrate_jobs jobs;
	const char *nodes, *config;
	int64_t order;
	bool no_hpl, json, dry_run, show;
};

static void progress(const struct options *options, const char *what, const char *nodes)
{
	if (!options->json && isatty(STDERR_FILENO))
		fprintf(stderr, "%s %s, about %d s …\n", what, nodes, options->jobs.seconds);
}

/* ------------------------------------------------------------------- nodes */

/* All nodes to measure, as a new list. */
static int nodes_find(const struct options *options, const struct rain_config *config, char ***nodes,
		      size_t *count, struct rain_error *err)
{
	char list[RAIN_HOSTLIST_TEXT_MAX + 1] = "";
	size_t used = 0;

	if (options->jobs.local)
		return rain_hostlist_expand("localhost", 1, nodes, count, err);
	if (options->nodes)
		return rain_hostlist_expand(options->nodes, RAIN_HOSTLIST_HOSTS_MAX, nodes, count, err);
	for (size_t i = 0; config && i < config->node_type_count; i++) {
		int n = snprintf(list + used, sizeof list - used, "%s%s", used ? "," : "",
				 config->node_types[i].nodes);

		if (n < 0 || (size_t)n >= sizeof list - used)
			return rain_error_set(err, "rain.conf names too many nodes: use --nodes");
		used += (size_t)n;
	}
	if (!used)
		return rain_error_set(err, "which nodes? No node-type in rain.conf names any: use --nodes LIST");
	return rain_hostlist_expand(list, RAIN_HOSTLIST_HOSTS_MAX, nodes, count, err);
}

static bool is_missing(const struct rain_calibration *calibration, const char *node)
{
	for (size_t i = 0; i < calibration->survey_count; i++)
		if (strcmp(calibration->surveys[i].node, node) == 0)
			return false;
	return true;
}

/* Host list of the nodes like surveys[first]. */
static char *list_alike(const struct rain_calibration *calibration, size_t first, size_t *count,
			struct rain_error *err)
{
	const char **names = calloc(calibration->survey_count, sizeof *names);
	char *list;

	*count = 0;
	if (!names) {
		rain_error_set(err, "no memory for the names of nodes");
		return NULL;
	}
	for (size_t i = first; i < calibration->survey_count; i++)
		if (rain_calibrate_is_alike(&calibration->surveys[first], &calibration->surveys[i]))
			names[(*count)++] = calibration->surveys[i].node;
	list = rain_hostlist_fold(names, *count, err);
	free(names);
	return list;
}

static int types_find(struct rain_calibration *calibration, struct rain_error *err)
{
	calibration->types = calloc(calibration->survey_count + 1, sizeof *calibration->types);
	if (!calibration->types)
		return rain_error_set(err, "no memory for the types of nodes");
	for (size_t i = 0; i < calibration->survey_count; i++) {
		struct rain_calibrate_type *type = &calibration->types[calibration->type_count];
		bool known = false;

		for (size_t before = 0; before < i; before++)
			known = known ||
				rain_calibrate_is_alike(&calibration->surveys[before], &calibration->surveys[i]);
		if (known)
			continue;
		type->first = i;
		type->nodes = list_alike(calibration, i, &type->count, err);
		if (!type->nodes)
			return -1;
		calibration->type_count++;
	}
	return 0;
}

/* --------------------------------------------------------------------- HPL */

static int measure(const struct options *options, const struct rain_calibration *calibration,
		   struct rain_calibrate_type *type, struct rain_error *err)
{
	const struct rain_survey *survey = &calibration->surveys[type->first];
	struct rain_hpl_machine machine = {
		.nodes = (int64_t)type->count, .cores_per_node = survey->cores,
		.mem_mb_per_node = survey->mem_mb,
		.mflops_per_core = rain_calibrate_dgemm_mflops(survey) / survey->cores,
	};
	struct rain_hpl_problem problem;

	if (options->no_hpl || options->jobs.local)
		return rain_error_set(err, "not measured: these nodes have no price");
	if (!calibration->program)
		return rain_error_set(err, "neither xhpl nor hpcc is installed: apt install hpcc on every "
				      "node; without it they have no price");
	if (rain_hpl_choose(&machine, MEMORY_PERCENT, options->jobs.seconds, &problem, err) < 0)
		return -1;
	if (options->order > 0) {
		if (options->order > problem.order)
			return rain_error_set(err, "--order %" PRId64 ": at most %" PRId64 " is possible here",
					      options->order, problem.order);
		problem.order = options->order;
		if (problem.block > problem.order / 4)
			problem.block = problem.order / 4;
	}
	progress(options, "HPL on", type->nodes);
	if (rain_calibrate_hpl(&options->jobs, calibration->program, type->nodes, type->count, &problem,
			       &type->hpl, err) < 0)
		return -1;
	type->measured = strdup(type->nodes);
	type->measured_count = type->count;
	type->has_hpl = type->measured != NULL;
	return rain_calibrate_core_mflops(calibration, type) > 0
		       ? 0 : rain_error_set(err, "HPL's %" PRId64 " MFLOP/s are less than 1 for each core",
					    type->hpl.mflops);
}

/* ------------------------------------------------------------------- whole */

static int store(const json_t *object, struct rain_error *err)
{
	char *text = json_dumps(object, JSON_INDENT(1) | JSON_SORT_KEYS);
	int rc;

	if (!text)
		return rain_error_set(err, "no memory for the result");
	rc = rain_file_write(STORE, text, strlen(text), 0644, err);
	free(text);
	return rc;
}

static void calibration_release(struct rain_calibration *calibration)
{
	for (size_t i = 0; i < calibration->type_count; i++) {
		free(calibration->types[i].nodes);
		free(calibration->types[i].measured);
	}
	free(calibration->types);
	free(calibration->surveys);
}

static bool is_sound(const json_t *object)
{
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(object, "nodes"), i, item)
		if (strcmp(json_string_value(json_object_get(item, "state")), "sound") != 0)
			return false;
	return true;
}

/* Keeps the result, unless it isn't one. 0 or an exit code. */
static int finish(const struct options *options, const struct rain_calibration *calibration,
		  const struct rain_config *config)
{
	time_t now = time(NULL);
	struct rain_error err;
	int code = RAIN_EXIT_OK;
	struct tm utc;
	char date[32];
	json_t *object;

	gmtime_r(&now, &utc);
	strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &utc);
	object = rain_calibrate_encode(calibration, date);
	if (options->json)
		rain_cli_print_json(object);
	else
		rain_calibrate_print(object, config);
	if (!is_sound(object))
		code = RAIN_EXIT_FAILURE;
	for (size_t i = 0; i < calibration->type_count; i++)
		if (!calibration->types[i].has_hpl && !options->no_hpl && !options->jobs.local)
			code = RAIN_EXIT_FAILURE;
	if (!options->dry_run && !options->no_hpl && !options->jobs.local && store(object, &err) < 0)
		code = rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	json_decref(object);
	return code;
}

static int calibrate(const struct options *options, const struct rain_config *config)
{
	struct rain_calibration calibration = {.program = rain_calibrate_program()};
	struct rain_error err;
	char **nodes = NULL;
	size_t count = 0;
	int code;

	if (nodes_find(options, config, &nodes, &count, &err) < 0)
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	progress(options, "surveying", options->nodes ? options->nodes : "all nodes");
	if (rain_calibrate_survey(&options->jobs, nodes, count, &calibration.surveys,
				  &calibration.survey_count, &err) < 0 ||
	    types_find(&calibration, &err) < 0) {
		code = rain_cli_fail(RAIN_EXIT_FAILURE, &err);
		goto out;
	}
	for (size_t i = 0; i < calibration.type_count; i++)
		if (measure(options, &calibration, &calibration.types[i], &err) < 0)
			snprintf(calibration.types[i].why_not, sizeof calibration.types[i].why_not, "%s",
				 err.text);
	code = finish(options, &calibration, config);
	for (size_t i = 0; !options->jobs.local && i < count; i++)
		if (is_missing(&calibration, nodes[i])) {
			rain_error_set(&err, "%s gave no answer", nodes[i]);
			code = rain_cli_fail(RAIN_EXIT_FAILURE, &err);
		}
out:
	rain_hostlist_free(nodes);
	calibration_release(&calibration);
	return code;
}

static int show(const struct options *options, const struct rain_config *config)
{
	struct rain_error err;
	size_t size;
	char *text = rain_file_read(STORE, STORE_MAX, &size, &err);
	json_t *object;

	if (!text)
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	object = json_loadb(text, size, 0, NULL);
	free(text);
	if (!object) {
		rain_error_set(&err, "%s is no calibration: run rain calibrate again", STORE);
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	}
	if (options->json)
		rain_cli_print_json(object);
	else
		rain_calibrate_print(object, config);
	json_decref(object);
	return RAIN_EXIT_OK;
}

static int number(const char *word, const char *name, int64_t min, int64_t max, int64_t *value)
{
	char *end;

	*value = strtoll(word, &end, 10);
	if (end == word || *end || *value < min || *value > max)
		return rain_cli_usage("--%s %s: a number from %" PRId64 " to %" PRId64, name, word, min, max);
	return 0;
}

enum { OPT_NO_HPL = 256, OPT_LOCAL, OPT_DRY_RUN, OPT_SHOW };

/* 0, or the exit code of a wrong command line. */
static int read_options(struct options *options, int argc, char *argv[])
{
	static const struct option long_options[] = {
		{"nodes", required_argument, NULL, 'n'}, {"partition", required_argument, NULL, 'p'},
		{"seconds", required_argument, NULL, 't'}, {"order", required_argument, NULL, 'm'},
		{"wait", required_argument, NULL, 'w'}, {"no-hpl", no_argument, NULL, OPT_NO_HPL},
		{"local", no_argument, NULL, OPT_LOCAL}, {"dry-run", no_argument, NULL, OPT_DRY_RUN},
		{"show", no_argument, NULL, OPT_SHOW}, {"json", no_argument, NULL, 'j'},
		{"config", required_argument, NULL, 'c'}, {NULL, 0, NULL, 0},
	};
	int64_t value;
	int option, code = 0;

	while (!code && (option = getopt_long(argc, argv, "n:p:t:m:w:jc:", long_options, NULL)) != -1) {
		switch (option) {
		case 'n': options->nodes = optarg; break;
		case 'p': options->jobs.partition = optarg; break;
		case 't':
			code = number(optarg, "seconds", 1, 3600, &value);
			options->jobs.seconds = (int)value;
			break;
		case 'm': code = number(optarg, "order", 32, 4000000, &options->order); break;
		case 'w':
			code = number(optarg, "wait", 1, 86400, &value);
			options->jobs.wait_seconds = (int)value;
			break;
		case OPT_NO_HPL: options->no_hpl = true; break;
		case OPT_LOCAL: options->jobs.local = true; break;
		case OPT_DRY_RUN: options->dry_run = true; break;
		case OPT_SHOW: options->show = true; break;
		case 'j': options->json = true; break;
		case 'c': options->config = optarg; break;
		default: return rain_cli_usage("wrong option");
		}
	}
	if (!code && optind < argc)
		return rain_cli_usage("unexpected argument '%s'", argv[optind]);
	return code;
}

int main(int argc, char *argv[])
{
	struct options options = {.jobs = {.seconds = 30, .wait_seconds = 60}};
	struct rain_config *config;
	struct rain_error err;
	int code;

	if (argc > 1 && strcmp(argv[1], "task") == 0)
		return rain_calibrate_task(argc - 2, argv + 2);
	rain_cli_standard_options(argc, argv, help);
	code = read_options(&options, argc, argv);
	if (code)
		return code;
	/* A machine may be measured before it has a configuration. */
	config = rain_config_load(options.config, &err);
	if (!config && (options.config || (!options.nodes && !options.jobs.local && !options.show)))
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	code = options.show ? show(&options, config) : calibrate(&options, config);
	rain_config_destroy(config);
	return code;
}
