/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_REPORT_NODES_H
#define RAIN_PANEL_REPORT_NODES_H

#include <stdint.h>

#include "accounting/show.h"

/* `rain report nodes`: asks the rain-paneld of each node of panel.nodes what it keeps
 * (panel/record.h) of [since, until) and prints it; by is "node", "hour" or "event".
 * Returns the exit code. */
int rain_report_nodes(const struct rain_show *show, const char *by, int64_t since, int64_t until);

#endif
