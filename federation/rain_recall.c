// SPDX-License-Identifier: GPL-2.0-or-later
/* rain recall: the owner takes the machine back from guests. */
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "common/cli.h"
#include "common/config.h"
#include "federation/command.h"

#define FOR_DEFAULT_S 3600

static const char help[] =
	"Usage: rain recall [PEER] [--for TIME]\n"
	"       rain recall --end\n"
	"\n"
	"Takes the nodes back from guests now: each gets its partition's grace time, then it is\n"
	"gone; its job starts again at home or elsewhere, and costs nothing.  Without PEER all\n"
	"guests go, and nothing is lent for a while.  With PEER only its jobs go (rain peer\n"
	"pause keeps them away).\n"
	"\n"
	"  -f, --for TIME     lend nothing for so long: a number and s, m, h or d (default 1h,\n"
	"                     at most 30d)\n"
	"  -e, --end          lend again\n"
	"  -c, --config FILE  configuration (" RAIN_CONFIG_PATH ")\n"
	"  -h, --help         show this\n"
	"  -V, --version      show the version\n";

struct options {
	const char *peer, *config;
	int64_t for_s;
	bool end;
};

/* -1 when it has complained. */
static int read_options(int argc, char *argv[], struct options *options)
{
	static const struct option long_options[] = {
		{"end", no_argument, NULL, 'e'},
		{"for", required_argument, NULL, 'f'},
		{"config", required_argument, NULL, 'c'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "ef:c:", long_options, NULL)) != -1) {
		switch (option) {
		case 'e': options->end = true; break;
		case 'f':
			if (rain_command_time(optarg, &options->for_s) == 0)
				break;
			rain_cli_usage("'%s' is no time: a number and s, m, h or d, at most 30d",
				       optarg);
			return -1;
		case 'c': options->config = optarg; break;
		default: rain_cli_usage("wrong option"); return -1;
		}
	}
	options->peer = argv[optind]; /* NULL at the end of argv: all */
	if (argc - optind > 1)
		rain_cli_usage("unexpected argument '%s'", argv[argc - 1]);
	else if (options->end && (options->peer || options->for_s))
		rain_cli_usage("--end stands alone");
	else if (options->peer && options->for_s)
		rain_cli_usage("--for is for all guests: 'rain peer pause %s' keeps one away",
			       options->peer);
	else
		return 0;
	return -1;
}

static int run(const char *socket_path, const struct options *options)
{
	int64_t for_s = options->peer || options->end ? 0
			: options->for_s	      ? options->for_s
						      : FOR_DEFAULT_S;
	json_t *request = json_pack("{s:s,s:I,s:b}", "op", "recall", "for_s", (json_int_t)for_s, "end",
				    options->end);
	json_t *result;
	int code;

	if (options->peer && request)
		json_object_set_new(request, "peer", json_string(options->peer));
	result = rain_command_ask(socket_path, request, &code);
	if (!result)
		return code;
	if (options->end)
		printf("This cluster lends again.\n");
	else if (options->peer)
		printf("%lld guests of %s are being sent away.\n",
		       (long long)rain_command_number(result, "guests"), options->peer);
	else
		printf("%lld guests are being sent away; nothing is lent for %lld min ('rain recall "
		       "--end' ends that).\n", (long long)rain_command_number(result, "guests"),
		       (long long)(for_s + 59) / 60);
	json_decref(result);
	return RAIN_EXIT_OK;
}

int main(int argc, char *argv[])
{
	struct options options = {0};
	struct rain_config *config;
	struct rain_error err = {{0}};
	int code;

	rain_cli_standard_options(argc, argv, help);
	if (read_options(argc, argv, &options) < 0)
		return RAIN_EXIT_USAGE;
	config = rain_config_load(options.config, &err);
	if (!config)
		return rain_cli_fail(RAIN_EXIT_FAILURE, &err);
	code = run(config->gateway.control, &options);
	rain_config_destroy(config);
	return code;
}
