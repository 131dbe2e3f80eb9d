/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PLUGINS_COMPAT_JOBCOMP_H
#define RAIN_PLUGINS_COMPAT_JOBCOMP_H

#include "plugins/compat/controller.h"

/* The two things that a jobcomp plugin is told, whatever the version calls
 * them. Both return SLURM_SUCCESS or SLURM_ERROR and never block. */

/* JobCompLoc, at the start and after each reconfiguration; may be NULL. */
int rain_jobcomp_location(const char *directory);

/* A job's run has ended. The record belongs to slurmctld. */
int rain_jobcomp_ended(const job_record_t *job);

#endif
