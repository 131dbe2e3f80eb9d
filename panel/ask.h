/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_ASK_H
#define RAIN_PANEL_ASK_H

#include <jansson.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "panel/view.h"

/* Asks the rain-paneld of many nodes at once, none waiting for another: once,
 * or for as long as one looks.  A node that has not answered within a second
 * is said to be silent; a watched one is tried again every two seconds. */

#define RAIN_PANEL_ANSWER_MS 1000

struct rain_panel_ask;

/* Begins to ask `names` (borrowed) at `port`. NULL with err. */
struct rain_panel_ask *rain_panel_ask_create(char *const names[], size_t count, int port,
					     bool watch, struct rain_error *err);

/* The same for what the nodes keep of that time (panel/record.h): asks once, and
 * the answers are what _frame returns. */
struct rain_panel_ask *rain_panel_ask_create_record(char *const names[], size_t count, int port,
						    int64_t since_s, int64_t until_s,
						    int64_t step_hours, struct rain_error *err);

/* Waits until something happened on a connection, on `extra` (may be -1), or
 * until until_ms (monotonic), and works on it. Returns -1 when polling failed,
 * 1 when `extra` is readable, else 0. */
int rain_panel_ask_step(struct rain_panel_ask *ask, int extra, int64_t until_ms);

/* True when every node has answered or failed (asking once). */
bool rain_panel_ask_is_done(const struct rain_panel_ask *ask);

/* True once after each change of what a node shows. */
bool rain_panel_ask_changed(struct rain_panel_ask *ask);

/* What is known, one per name, in their order; borrowed. */
const struct rain_panel_view_node *rain_panel_ask_nodes(const struct rain_panel_ask *ask);

/* The last frame as the node sent it; borrowed, NULL when there is none. */
const json_t *rain_panel_ask_frame(const struct rain_panel_ask *ask, size_t node);

void rain_panel_ask_destroy(struct rain_panel_ask *ask);

#endif
