/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_FRAME_JSON_H
#define RAIN_PANEL_FRAME_JSON_H

#include <stdint.h>

#include "panel/frame.h"
#include "panel/state.h"

struct rain_panel_picture {
	const char *node, *driver;
	const struct rain_panel_state *state;
	const struct rain_panel_frame *frame;
	int64_t changed_ms;  /* when the frame last changed, realtime */
	uint64_t writes;     /* to the driver, since the start */
	int64_t monotonic_ms, realtime_ms; /* now, on both clocks */
};

/* The line of panel/server.h, with its newline; the caller frees it. NULL: out
 * of memory. */
char *rain_panel_frame_json(const struct rain_panel_picture *picture);

#endif
