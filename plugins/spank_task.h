/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PLUGINS_SPANK_TASK_H
#define RAIN_PLUGINS_SPANK_TASK_H

#include <slurm/spank.h>

#include "plugins/spank_settings.h"

/* What becomes of a task on a node. */

/* slurm_spank_init in slurmstepd: shuts a guest's slurmstepd in. 0, or -1
 * (logged), which fails the step. */
int rain_spank_step_init(spank_t spank, const struct rain_spank_settings *settings);

/* slurm_spank_task_post_fork: the same for what runs after the tasks. */
int rain_spank_step_forked(spank_t spank, const struct rain_spank_settings *settings);

/* slurm_spank_task_init, as the job's user: puts rain-relay in place of the
 * script on a virtual node, rain-sandbox in front of a guest's task, and leaves
 * every other task alone.  When it can't, the task ends here and now. */
int rain_spank_task_init(spank_t spank, const struct rain_spank_settings *settings);

#endif
