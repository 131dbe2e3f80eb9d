/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <getopt.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "common/cli.h"
#include "common/log.h"
#include "panel/paneld.h"

static const char help[] =
	"Usage: rain-paneld [--config FILE] [--node NAME]\n"
	"\n"
	"Drives the front panel of this node: shows its health or its load, and whose\n"
	"jobs hold it.  Stays in the foreground; runs as user rain-panel.\n"
	"\n"
	"  -c, --config FILE  read FILE instead of " RAIN_CONFIG_PATH "\n"
	"  -n, --node NAME    Slurm's name of this node (default: the host's short name)\n"
	"      --helper PROGRAM\n"
	"                     ask Slurm by PROGRAM instead of\n"
	"                     " RAIN_LIBEXECDIR "/rain-panel-jobs\n"
	"  -v, --verbose      log more\n"
	"  -h, --help         show this and exit\n"
	"  -V, --version      show the version and exit\n"
	"\n"
	"Exit codes: 0 stopped by a signal, 1 failure, 2 wrong usage.\n"
	"SIGHUP: read the configuration again (panel.head and lend; the rest needs a\n"
	"restart).\n";

static bool node_name_is_valid(const char *name)
{
	size_t length = strlen(name);

	return length > 0 && length <= 64 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "0123456789-_.") == length &&
	       name[0] != '-' && name[0] != '.';
}

struct arguments {
	const char *config, *node, *helper;
	enum rain_log_level level;
};

static int parse(int argc, char *argv[], struct arguments *arguments)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"node", required_argument, NULL, 'n'},
		{"helper", required_argument, NULL, 'H'},
		{"verbose", no_argument, NULL, 'v'},
		{0},
	};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "c:n:v", options, NULL)) >= 0) {
		switch (option) {
		case 'c':
			arguments->config = optarg;
			break;
		case 'n':
			arguments->node = optarg;
			break;
		case 'H':
			arguments->helper = optarg;
			break;
		case 'v':
			arguments->level = RAIN_LOG_DEBUG;
			break;
		default:
			return rain_cli_usage("option %s is unknown or lacks its value",
					      argv[optind - 1]);
		}
	}
	if (optind < argc)
		return rain_cli_usage("\"%s\" is one word too many", argv[optind]);
	return 0;
}

int main(int argc, char *argv[])
{
	struct arguments arguments = {
		.helper = RAIN_LIBEXECDIR "/rain-panel-jobs",
		.level = RAIN_LOG_INFO,
	};
	static struct rain_paneld daemon; /* large: not on the stack */
	char host[HOST_NAME_MAX + 1] = "";
	struct rain_error err;
	int rc;

	rain_cli_standard_options(argc, argv, help);
	rc = parse(argc, argv, &arguments);
	if (rc != 0)
		return rc;
	if (!arguments.node) {
		gethostname(host, sizeof(host) - 1);
		host[strcspn(host, ".")] = '\0';
		arguments.node = host;
	}
	if (!node_name_is_valid(arguments.node))
		return rain_cli_usage("\"%s\" is no name of a node", arguments.node);

	rain_log_open("rain-paneld", arguments.level);
	rc = rain_paneld_init(&daemon, arguments.config, arguments.node, arguments.helper, &err);
	if (rc == 0) {
		rain_log_info("is up node=%s driver=%s", daemon.node, daemon.device.driver->name);
		rc = rain_paneld_run(&daemon, &err);
	}
	if (rc < 0)
		rain_log_error("%s", err.text);
	rain_paneld_release(&daemon);
	return rc < 0 ? RAIN_EXIT_FAILURE : RAIN_EXIT_OK;
}
