/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cli.h"
#include "common/file.h"
#include "scheduler/estimate_ask.h"

/* A person waits for the one, sbatch for the other. */
#define WAIT_MS 5000
#define WAIT_AT_SUBMISSION_MS 300
#define SHAPE_MAX 16384

static const char help[] =
	"Usage: rain estimate [-j] [-c FILE] SCRIPT [ARGUMENT]...\n"
	"       rain estimate [-j] [-c FILE] [OPTION OF sbatch]... SCRIPT [ARGUMENT]...\n"
	"Says what a job would take and cost, at home and at each peer, and which is best;\n"
	"nothing is submitted. Everything behind RAIN's own options goes to sbatch.\n"
	"\n"
	"  -j, --json         JSON; amounts in micro-tokens, times in seconds\n"
	"  -c, --config FILE  configuration of RAIN\n"
	"  -h, --help         show this text\n"
	"  -V, --version      show the version\n"
	"\nExit codes: 0 fine, 1 the job would be refused or nothing can be said of it,\n"
	"2 wrong usage, 3 slurmctld doesn't answer.\n";

struct options {
	bool json, at_submission;
	const char *config;
	char **rest;
};

/* Own options end where sbatch's begin: the same letters mean other things there. */
static int read_options(struct options *options, char *argv[])
{
	for (options->rest = argv + 1; *options->rest; options->rest++) {
		const char *word = *options->rest;

		if (strcmp(word, "-j") == 0 || strcmp(word, "--json") == 0) {
			options->json = true;
		} else if (strcmp(word, "--at-submission") == 0) {
			options->at_submission = true;
		} else if (strcmp(word, "-c") == 0 || strcmp(word, "--config") == 0) {
			options->config = *++options->rest;
			if (!options->config)
				return rain_cli_usage("%s needs the name of a file", word);
		} else {
			break;
		}
	}
	if (!*options->rest && !options->at_submission)
		return rain_cli_usage("which job? Name a script, as for sbatch");
	return 0;
}

/* Called by sbatch: the shape comes in, one line goes out; or nothing. */
static int at_submission(const struct rain_config *config)
{
	struct rain_estimate_all all = {.now = time(NULL)};
	struct rain_error err;
	char *text = rain_file_read_fd(STDIN_FILENO, "the job's options", SHAPE_MAX, NULL, &err);
	int rc = text ? rain_estimate_shape(text, &all, &err) : -1;

	free(text);
	if (rc == 0)
		rc = rain_estimate_limit(&all, &err);
	if (rc < 0)
		return RAIN_EXIT_FAILURE;
	if (!all.job.only)
		rain_estimate_will_run(&all);
	rain_estimate_ask(config, WAIT_AT_SUBMISSION_MS, &all);
	rain_estimate_print_line(&all);
	return RAIN_EXIT_OK;
}

static int estimate(const struct options *options, const struct rain_config *config)
{
	struct rain_estimate_all all = {.now = time(NULL)};
	struct rain_error err;
	int code = rain_estimate_sbatch(options->rest, &all, &err);

	if (code)
		return rain_cli_fail(code, &err);
	if (rain_estimate_limit(&all, &err) < 0)
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	rain_estimate_ask(config, WAIT_MS, &all);
	if (options->json) {
		json_t *object = rain_estimate_encode(&all);

		rain_cli_print_json(object);
		json_decref(object);
	} else {
		rain_estimate_print(&all);
	}
	return RAIN_EXIT_OK;
}

int main(int argc, char *argv[])
{
	struct options options = {.json = false};
	struct rain_config *config;
	struct rain_error err;
	int code;

	rain_cli_standard_options(argc, argv, help);
	code = read_options(&options, argv);
	if (code)
		return code;
	config = rain_config_load(options.config, &err);
	if (!config)
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	code = options.at_submission ? at_submission(config) : estimate(&options, config);
	rain_config_destroy(config);
	return code;
}
