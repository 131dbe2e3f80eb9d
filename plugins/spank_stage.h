// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef RAIN_PLUGINS_SPANK_STAGE_H
#define RAIN_PLUGINS_SPANK_STAGE_H

#include <slurm/spank.h>

#include "plugins/spank_settings.h"

/*
 * --stage-in and --stage-out of jobs that run at home: rain-stage does it, as the
 * user.  Before the script it is waited for; with --stage-out it stands around it.
 */

/* In sbatch: notes in the job's environment how the inputs are now. */
void rain_spank_stage_note(void);

/* In an srun that has just got its allocation: has the inputs brought. Returns 0 or -1. */
int rain_spank_stage_direct(spank_t spank, const struct rain_spank_settings *settings);

/* In the task of a batch script at home. Returns an exit code when the job can't go on,
 * which stderr has the reason of, else 0. */
int rain_spank_stage_begin(spank_t spank, const struct rain_spank_settings *settings);

/* On a virtual node: true for the task of an srun with rain-stage's name, and when it is
 * what that name is for. */
bool rain_spank_stage_is_ours(spank_t spank);
bool rain_spank_stage_is_head(int argc, char *const argv[]);

#endif
