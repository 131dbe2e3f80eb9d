// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/spank_options.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* What this sbatch, srun or salloc was asked. */
static struct rain_options asked;
static struct spank_option table[RAIN_OPTION_COUNT];

static int option_given(int which, const char *value, int remote)
{
	struct rain_error err;

	/* On a node the value was checked long ago, by the command and by
	 * job_submit; there is nobody to tell. */
	if (remote)
		return 0;
	if (rain_options_set(&asked, (enum rain_option)which, value ? value : "", &err)) {
		slurm_error("%s", err.text);
		return -1;
	}
	return 0;
}

/* "RAIN_BURST=auto" stands for --burst=auto, so that a script that knows nothing of
 * RAIN may overflow.  Slurm reads such a variable for any plugin's option, under a
 * name that it makes up. */
int rain_spank_options_from_environment(void)
{
	for (int i = 0; i < RAIN_OPTION_COUNT; i++) {
		const char *option = rain_option_texts[i].name, *value;
		char ours[64] = "RAIN_", slurms[96] = "SLURM_SPANK__SLURM_SPANK_OPTION_rain_";
		size_t a = strlen(ours), b = strlen(slurms);

		for (const char *p = option; *p && b < sizeof slurms - 1; p++) {
			ours[a++] = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
			slurms[b++] = *p == '-' ? '_' : *p;
		}
		ours[a] = slurms[b] = '\0';
		if ((value = getenv(ours)) && setenv(slurms, value, 0)) {
			slurm_error("rain: %s can't be read: no memory", ours);
			return -1;
		}
	}
	return 0;
}

int rain_spank_options_register(spank_t spank)
{
	rain_options_init(&asked);
	for (int i = 0; i < RAIN_OPTION_COUNT; i++) {
		const struct rain_option_text *text = &rain_option_texts[i];

		/* Slurm copies the strings and never writes them */
		table[i] = (struct spank_option){
			.name = (char *)text->name,
			.arginfo = (char *)text->value,
			.usage = (char *)text->usage,
			.has_arg = 1,
			.val = i,
			.cb = option_given,
		};
		if (spank_option_register(spank, &table[i]) != ESPANK_SUCCESS) {
			slurm_error("rain: can't register the option --%s", text->name);
			return -1;
		}
	}
	return 0;
}

int rain_spank_options_check(void)
{
	struct rain_error err;

	if (!rain_options_check(&asked, &err))
		return 0;
	slurm_error("%s", err.text);
	return -1;
}

const char *rain_spank_options_stage_in(void)
{
	return asked.stage_in;
}

const char *rain_spank_option_value(spank_t spank, enum rain_option which)
{
	char *value = NULL;

	if (spank_option_getopt(spank, &table[which], &value) != ESPANK_SUCCESS)
		return NULL;
	return value;
}
