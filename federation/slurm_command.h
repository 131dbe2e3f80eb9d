/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_SLURM_COMMAND_H
#define RAIN_FEDERATION_SLURM_COMMAND_H

/* Where Slurm's command is installed on this host, in `path`, or NULL: never by the
 * user's PATH. */
#define RAIN_SLURM_COMMAND_SIZE 64
const char *rain_slurm_command(const char *name, char path[static RAIN_SLURM_COMMAND_SIZE]);

#endif
