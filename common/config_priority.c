// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/config_priority.h"

#include <string.h>

#include "common/tokens.h"

static int choose(const char *text, const char *const names[3])
{
	for (int i = 0; i < 3; i++)
		if (strcmp(text, names[i]) == 0)
			return i;
	return -1;
}

int rain_config_priority(cfg_t *section, struct rain_config *config, const char **key,
			 struct rain_error *why)
{
	static const char *const orders[] = {"off", "shortest", "contribution"};
	int order = choose(cfg_getstr(section, "order"), orders);

	*key = "order";
	if (order < 0)
		return rain_error_set(why, "allowed is \"off\", \"shortest\" or \"contribution\"");
	config->priority.order = (enum rain_config_order)order;
	*key = "patience";
	config->priority.patience = cfg_getint(section, *key);
	if (config->priority.patience < 0 || config->priority.patience > 1000)
		return rain_error_set(why, "allowed is 0 to 1000");
	*key = "max-wait-hours";
	config->priority.max_wait_hours = cfg_getint(section, *key);
	if (config->priority.max_wait_hours < 1 || config->priority.max_wait_hours > 8760)
		return rain_error_set(why, "allowed is 1 to 8760, a year");
	*key = "contribution-reference";
	if (rain_tokens_parse(cfg_getstr(section, *key), &config->priority.reference_utok, why) < 0)
		return -1;
	return config->priority.reference_utok > 0 ? 0 : rain_error_set(why, "must be more than 0");
}

int rain_config_estimate(cfg_t *section, struct rain_config *config, const char **key,
			 struct rain_error *why)
{
	static const char *const names[] = {"never", "burst", "always"};
	int when;

	*key = "at-submission";
	when = choose(cfg_getstr(section, *key), names);
	if (when < 0)
		return rain_error_set(why, "allowed is \"never\", \"burst\" or \"always\"");
	config->estimate.at_submission = (enum rain_config_estimate)when;
	return 0;
}
