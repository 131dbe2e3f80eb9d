// SPDX-License-Identifier: GPL-2.0-or-later
#include <getopt.h>

#include "common/cli.h"
#include "common/log.h"
#include "federation/gateway.h"
#include "federation/mind.h"

static const char help[] =
	"Usage: rain-gatewayd [--config FILE] [--debug]\n"
	"\n"
	"The gateway of this cluster to its peers: the only process of RAIN on the\n"
	"outside network.  Stays in the foreground; SIGTERM stops it, SIGHUP makes it\n"
	"read its configuration again.\n"
	"\n"
	"  -c, --config FILE  configuration (" RAIN_CONFIG_PATH ")\n"
	"  -d, --debug        log more\n"
	"  -h, --help         show this\n"
	"  -V, --version      show the version\n";

/* What the messages mean. */
static const struct rain_gateway_module *const modules[] = {
	&rain_mind_module,
	NULL,
};

int main(int argc, char *argv[])
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"debug", no_argument, NULL, 'd'},
		{NULL, 0, NULL, 0},
	};
	enum rain_log_level level = RAIN_LOG_INFO;
	const char *config = NULL;
	int option;

	rain_cli_standard_options(argc, argv, help);
	while ((option = getopt_long(argc, argv, "c:d", options, NULL)) != -1) {
		if (option == 'c')
			config = optarg;
		else if (option == 'd')
			level = RAIN_LOG_DEBUG;
		else
			return rain_cli_usage("an option is wrong");
	}
	if (optind < argc)
		return rain_cli_usage("unexpected argument '%s'", argv[optind]);
	rain_log_open("rain-gatewayd", level);
	return rain_gateway_run(config, modules);
}
