/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rain-stage: --stage-in and --stage-out of jobs that run at home. */
#include "federation/stage.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cli.h"

static const char help[] =
	"Usage: rain-stage --in --list=LIST --partition=NAME [--word=WORD]\n"
	"       rain-stage --in --here --job=ID --list=LIST --partition=NAME\n"
	"       rain-stage --look --list=LIST\n"
	"       rain-stage --head --give|--take --directory=PATH --list=LIST --job=ID@START\n"
	"       rain-stage --node --check --directory=PATH --list=LIST --word=WORD\n"
	"       rain-stage --node --serve --directory=PATH --list=LIST --probe=NAME\n"
	"Puts the files of a job's --stage-in onto its nodes at home, and brings back those\n"
	"of --stage-out, unless the nodes see the head's files anyhow.\n"
	"\n"
	"  --in              in a job, before its script: have the files on every node\n"
	"  --here            in srun, before its step: the files are on this host\n"
	"  --look            print a word that stands for the files as they are\n"
	"  --head            give files to a job, or take them, through standard input and output\n"
	"  --node            on one node: look, or unpack\n"
	"  --list=LIST       files, directories and patterns, as in --stage-in\n"
	"  --directory=PATH  the job's working directory\n"
	"  --partition=NAME  that of the virtual nodes, which are on the head\n"
	"  --job=ID@START    the job, and when this run of it began: with it this ends, too\n"
	"  --help, --version\n"
	"\n"
	"It is started by Slurm (the SPANK plugin), in the job, not by people.\n"
	"Exit status: 0; 10: the nodes see the head's directory; 11: this one doesn't; 125: it\n"
	"failed, stderr says why.\n";

struct mode {
	const char *name, *way;
	int (*run)(const struct rain_stage_options *options);
	bool has_partition, has_directory, has_job, has_word, has_probe;
};

static int look(const struct rain_stage_options *options)
{
	int directory = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct rain_digest word;

	/* What isn't there yet may be when the job begins. */
	if (directory < 0 || rain_stage_look(directory, &options->list, &word, NULL) < 0)
		return RAIN_EXIT_FAILURE;
	puts(word.sha256);
	return 0;
}

static const struct mode modes[] = {
	{"in", "", rain_stage_in, .has_partition = true},
	{"look", "", look},
	{"head", "give", rain_stage_head_give, .has_directory = true, .has_job = true},
	{"head", "take", rain_stage_head_take, .has_directory = true, .has_job = true},
	{"node", "check", rain_stage_node_check, .has_directory = true, .has_word = true},
	{"node", "serve", rain_stage_node_serve, .has_directory = true, .has_probe = true},
};

static const struct mode *mode_find(const char *name, const char *way)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++)
		if (strcmp(modes[i].name, name) == 0 && strcmp(modes[i].way, way) == 0)
			return &modes[i];
	return NULL;
}

static int options_check(const struct mode *mode, struct rain_stage_options *options)
{
	bool out = mode && mode->run == rain_stage_head_take;
	struct rain_error err;

	if (!mode || !options->list_text || (mode->has_partition && !options->partition) ||
	    (mode->has_directory && !options->directory) ||
	    ((mode->has_job || options->here) && !options->job) || (mode->has_word && !options->word) ||
	    (mode->has_probe && !options->probe))
		return rain_cli_usage("an option is missing, or some don't go together");
	if (rain_stage_list_parse(out ? RAIN_OPTION_STAGE_OUT : RAIN_OPTION_STAGE_IN,
				  options->list_text, &options->list, &err) < 0)
		return rain_cli_fail(RAIN_EXIT_USAGE, &err);
	return 0;
}

static int options_read(int argc, char *argv[], struct rain_stage_options *options,
			const struct mode **mode)
{
	static const struct option table[] = {
		{"in", no_argument, NULL, 'm'},	      {"look", no_argument, NULL, 'm'},
		{"head", no_argument, NULL, 'm'},     {"node", no_argument, NULL, 'm'},
		{"give", no_argument, NULL, 'w'},     {"take", no_argument, NULL, 'w'},
		{"check", no_argument, NULL, 'w'},    {"serve", no_argument, NULL, 'w'},
		{"list", required_argument, NULL, 'l'}, {"word", required_argument, NULL, 'k'},
		{"probe", required_argument, NULL, 'p'}, {"job", required_argument, NULL, 'j'},
		{"directory", required_argument, NULL, 'd'},
		{"partition", required_argument, NULL, 'q'}, {"here", no_argument, NULL, 'h'},
		{0},
	};
	const char *name = "", *way = "";
	int option, index = 0;

	while ((option = getopt_long(argc, argv, "", table, &index)) >= 0) {
		switch (option) {
		case 'm': name = table[index].name; break;
		case 'w': way = table[index].name; break;
		case 'l': options->list_text = optarg; break;
		case 'k': options->word = optarg; break;
		case 'p': options->probe = optarg; break;
		case 'j': options->job = optarg; break;
		case 'h': options->here = true; break;
		case 'd': options->directory = optarg; break;
		case 'q': options->partition = optarg; break;
		default: return rain_cli_usage("an option is wrong");
		}
	}
	if (optind < argc)
		return rain_cli_usage("there is an argument too many: %.60s", argv[optind]);
	*mode = mode_find(name, way);
	return options_check(*mode, options);
}

int main(int argc, char *argv[])
{
	static struct rain_stage_options options; /* its list points into itself */
	const struct mode *mode = NULL;
	int result;

	if (getenv(RAIN_STAGE_VARIABLE_SCRIPT))
		return rain_stage_script(argv);
	rain_cli_standard_options(argc, argv, help);
	result = options_read(argc, argv, &options, &mode);
	return result ? result : mode->run(&options);
}
