/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PLUGINS_EXPORT_H
#define RAIN_PLUGINS_EXPORT_H

/* Everything in a plugin is hidden, since slurmctld and libslurmfull export
 * many short names of their own; this marks what Slurm looks for.  The linker
 * script plugins.map names the same symbols once more. */
#define RAIN_EXPORT __attribute__((visibility("default")))

#endif
