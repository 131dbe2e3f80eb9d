// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

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
	enum rain_log_level level = RAIN_LOG_INFO;
	const char *config = NULL;

	rain_cli_standard_options(argc, argv, help);
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-d") == 0 || strcmp(argv[i], "--debug") == 0)
			level = RAIN_LOG_DEBUG;
		else if ((strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "--config") == 0) &&
			 i + 1 < argc)
			config = argv[++i];
		else
			return rain_cli_usage("unknown option or missing value: '%s'", argv[i]);
	}
	rain_log_open("rain-gatewayd", level);
	return rain_gateway_run(config, modules);
}
