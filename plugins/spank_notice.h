/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PLUGINS_SPANK_NOTICE_H
#define RAIN_PLUGINS_SPANK_NOTICE_H

#include <slurm/spank.h>

#include "panel/notice.h"
#include "plugins/spank_settings.h"

/* Tells this node's panel of a job's start or end, from the prolog or epilog.
 * Never waits and never fails: a dead panel is nobody's concern here. */
void rain_spank_notice_send(spank_t spank, const struct rain_spank_settings *settings,
			    enum rain_panel_event event);

#endif
