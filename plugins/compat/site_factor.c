// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/compat/site_factor.h"

/* From 24.05 on nobody calls it: then the configuration is read at the start only. */
#if SLURM_VERSION_NUMBER < SLURM_VERSION_NUM(24, 5, 0)
extern void site_factor_p_reconfig(void) RAIN_EXPORT;
void site_factor_p_reconfig(void)
{
	rain_site_factor_configure();
}
#endif
