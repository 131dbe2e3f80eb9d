/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PLUGINS_COMPAT_CONTROLLER_H
#define RAIN_PLUGINS_COMPAT_CONTROLLER_H

/*
 * Slurm's own headers for the plugins of slurmctld, from the source tree of
 * the very version that runs, and what differs between versions.  Nothing else
 * in plugins/ looks at SLURM_VERSION_NUMBER.
 *
 * slurm_xlator.h renames what libslurmfull exports and comes first.
 */
#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>

#include "src/common/slurm_xlator.h"

#include "src/common/xmalloc.h"
#include "src/common/xstring.h"
#include "src/slurmctld/slurmctld.h"

#include "plugins/export.h"

/* What slurmctld's loader looks for in every plugin. */
#define RAIN_PLUGIN(name_, type_)                       \
	extern const char plugin_name[] RAIN_EXPORT;     \
	extern const char plugin_type[] RAIN_EXPORT;     \
	extern const uint32_t plugin_version RAIN_EXPORT; \
	const char plugin_name[] = name_;                \
	const char plugin_type[] = type_;                \
	const uint32_t plugin_version = SLURM_VERSION_NUMBER;

/* fini() tells nothing any more from 25.11 on. */
#if SLURM_VERSION_NUMBER >= SLURM_VERSION_NUM(25, 11, 0)
#define RAIN_PLUGIN_FINI                    \
	extern void fini(void) RAIN_EXPORT; \
	void fini(void)
#define RAIN_PLUGIN_FINI_RETURN return
#else
#define RAIN_PLUGIN_FINI                   \
	extern int fini(void) RAIN_EXPORT; \
	int fini(void)
#define RAIN_PLUGIN_FINI_RETURN return SLURM_SUCCESS
#endif

#endif
