/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PLUGINS_SPANK_OPTIONS_H
#define RAIN_PLUGINS_SPANK_OPTIONS_H

#include <slurm/spank.h>

#include "federation/options.h"

/* RAIN's options as Slurm's commands know them. All return 0, or -1 after
 * telling the user why. */

/* From slurm_spank_init, in every context that may meet the options. */
int rain_spank_options_register(spank_t spank);

/* Before that in sbatch, srun and salloc: options that the user's environment sets
 * (RAIN_BURST, …); those of the command line win. */
int rain_spank_options_from_environment(void);

/* From slurm_spank_init_post_opt of sbatch, srun and salloc. */
int rain_spank_options_check(void);

/* After that: what --stage-in was given, or "". */
const char *rain_spank_options_stage_in(void);

/* From slurm_spank_task_init: the value that came with the job, or NULL. */
const char *rain_spank_option_value(spank_t spank, enum rain_option which);

#endif
