// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "common/config.h"

/* Apart from the rest of the configuration, so that what only checks names
 * (a plugin inside every srun) needs no parser. */
bool rain_config_name_is_valid(const char *name)
{
	size_t length = strlen(name);

	if (length < 1 || length > 16 || name[0] < 'a' || name[0] > 'z')
		return false;
	for (const char *c = name; *c; c++)
		if (!(*c >= 'a' && *c <= 'z') && !(*c >= '0' && *c <= '9') && *c != '-')
			return false;
	return true;
}
