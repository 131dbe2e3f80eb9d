// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The SPANK plugin: which of RAIN's parts Slurm meets where.
 *
 *   sbatch, salloc, srun   register and check the options, files of srun
 *   slurmstepd             relay, sandbox, files of jobs at home
 *   prolog, epilog         the panel's notice
 */
#include <slurm/spank.h>
#include <stdlib.h>

#include "plugins/export.h"
#include "plugins/spank_notice.h"
#include "plugins/spank_options.h"
#include "plugins/spank_settings.h"
#include "plugins/spank_stage.h"
#include "plugins/spank_task.h"

extern const char plugin_name[] RAIN_EXPORT;
extern const char plugin_type[] RAIN_EXPORT;
extern const unsigned int plugin_version RAIN_EXPORT;
SPANK_PLUGIN(rain, 1)

static struct rain_spank_settings settings;
static bool in_allocation; /* srun adds a step to a job that is there already */

static int settings_read(int argc, char *argv[])
{
	struct rain_error err;

	if (!rain_spank_settings_parse(argc, argv, &settings, &err))
		return 0;
	slurm_error("%s", err.text);
	return -1;
}

RAIN_EXPORT int slurm_spank_init(spank_t spank, int argc, char *argv[])
{
	if (settings_read(argc, argv))
		return -1;
	switch (spank_context()) {
	case S_CTX_LOCAL:
	case S_CTX_ALLOCATOR:
		in_allocation = getenv("SLURM_JOB_ID") != NULL;
		if (rain_spank_options_from_environment())
			return -1;
		return rain_spank_options_register(spank);
	case S_CTX_REMOTE:
		if (rain_spank_options_register(spank))
			return -1;
		return rain_spank_step_init(spank, &settings);
	default:
		return 0;
	}
}

RAIN_EXPORT int slurm_spank_init_post_opt(spank_t spank, int argc, char *argv[])
{
	(void)spank, (void)argc, (void)argv;
	switch (spank_context()) {
	case S_CTX_LOCAL:
		return rain_spank_options_check();
	case S_CTX_ALLOCATOR:
		if (rain_spank_options_check())
			return -1;
		rain_spank_stage_note();
		return 0;
	default:
		return 0;
	}
}

/* After srun has got its nodes, before it starts the step. */
RAIN_EXPORT int slurm_spank_local_user_init(spank_t spank, int argc, char *argv[])
{
	(void)argc, (void)argv;
	return in_allocation ? 0 : rain_spank_stage_direct(spank, &settings);
}

RAIN_EXPORT int slurm_spank_task_init(spank_t spank, int argc, char *argv[])
{
	(void)argc, (void)argv;
	return rain_spank_task_init(spank, &settings);
}

RAIN_EXPORT int slurm_spank_task_post_fork(spank_t spank, int argc, char *argv[])
{
	(void)argc, (void)argv;
	return rain_spank_step_forked(spank, &settings);
}

/* A failing prolog would drain the node: these two never fail. */
RAIN_EXPORT int slurm_spank_job_prolog(spank_t spank, int argc, char *argv[])
{
	if (!settings_read(argc, argv))
		rain_spank_notice_send(spank, &settings, RAIN_PANEL_START);
	return 0;
}

RAIN_EXPORT int slurm_spank_job_epilog(spank_t spank, int argc, char *argv[])
{
	if (!settings_read(argc, argv))
		rain_spank_notice_send(spank, &settings, RAIN_PANEL_END);
	return 0;
}
