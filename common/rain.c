// SPDX-License-Identifier: GPL-2.0-or-later
/* `rain X …` runs the program rain-X of RAIN's own directory, as git does. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cli.h"

static const char help[] =
	"Usage: rain COMMAND [ARGUMENT...]\n"
	"\n"
	"Your own supercomputer, with a share of everyone else's.\n"
	"\n"
	"Tokens:\n"
	"  balance    what you have, and what is held\n"
	"  report     who used what, and what it cost\n"
	"  grant      give tokens to an account (administrators)\n"
	"\n"
	"Other clusters:\n"
	"  peer       invite, accept and list other clusters\n"
	"  bursts     your jobs that run, or wait to run, on other clusters\n"
	"\n"
	"The machine:\n"
	"  calibrate  measure how fast the nodes really are\n"
	"  simulate   what overflow would have done to a year of jobs\n"
	"  panel      the front panel: whose job is on which node\n"
	"  migrate    create or upgrade the database (run it as postgres)\n"
	"\n"
	"'rain COMMAND --help' tells more about one of them.\n";

static int is_command_name(const char *name)
{
	for (const char *c = name; *c; c++)
		if (!islower((unsigned char)*c) && *c != '-')
			return 0;
	return name[0] != '\0' && name[0] != '-';
}

int main(int argc, char *argv[])
{
	char path[PATH_MAX], name[64];

	rain_cli_standard_options(argc, argv, help);
	if (argc < 2) {
		fputs(help, stderr);
		return RAIN_EXIT_USAGE;
	}
	if (argv[1][0] == '-')
		return rain_cli_usage("unknown option '%s'", argv[1]);
	if (strcmp(argv[1], "help") == 0) {
		fputs(help, stdout);
		return RAIN_EXIT_OK;
	}
	if (!is_command_name(argv[1]) || strlen(argv[1]) > 32)
		return rain_cli_usage("'%.40s' is not a command", argv[1]);
	snprintf(name, sizeof(name), "rain-%s", argv[1]);
	snprintf(path, sizeof(path), "%s/%s", RAIN_LIBEXECDIR, name);
	argv[1] = name;
	execv(path, argv + 1);
	if (errno == ENOENT)
		return rain_cli_usage("'%s' is not a command", name + strlen("rain-"));
	fprintf(stderr, "rain: can't run %s: %s\n", path, strerror(errno));
	return RAIN_EXIT_FAILURE;
}
