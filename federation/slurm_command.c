/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/slurm_command.h"

#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

const char *rain_slurm_command(const char *name, char path[static RAIN_SLURM_COMMAND_SIZE])
{
	static const char *const places[] = {"/usr/local/bin", "/usr/bin", "/opt/slurm/bin"};

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		snprintf(path, RAIN_SLURM_COMMAND_SIZE, "%s/%s", places[i], name);
		if (access(path, X_OK) == 0)
			return path;
	}
	return NULL;
}
