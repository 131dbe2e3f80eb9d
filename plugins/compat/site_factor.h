/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PLUGINS_COMPAT_SITE_FACTOR_H
#define RAIN_PLUGINS_COMPAT_SITE_FACTOR_H

#include "plugins/compat/controller.h"

/* Reads the configuration (again). */
void rain_site_factor_configure(void);

#endif
