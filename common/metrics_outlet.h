/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_COMMON_METRICS_OUTLET_H
#define RAIN_COMMON_METRICS_OUTLET_H

#include <event2/event.h>

#include "common/error.h"

/* A daemon's OpenMetrics text for who collects it: over HTTP (GET /metrics), and as a
 * file that is replaced every 15 seconds. */
struct rain_metrics_outlet;

/* `section` is that of the config, for errors: its options are metrics and metrics-file.
 * `address` is HOST:PORT, "" for none. `text` makes the text, a new string, or NULL
 * when there is no memory; it is called in the loop, for each scrape and each file. */
struct rain_metrics_outlet *rain_metrics_outlet_create(struct event_base *base, const char *section,
						       const char *address, char *(*text)(void *arg),
						       void *arg, struct rain_error *err);

/* NULL is fine. */
void rain_metrics_outlet_destroy(struct rain_metrics_outlet *outlet);

/* From now on the text is also this file, mode 0640; "" for none. `path` is borrowed:
 * to be set anew before it goes. The first is written in the next turn of the loop. */
void rain_metrics_outlet_file(struct rain_metrics_outlet *outlet, const char *path);

#endif
