/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_HEAL_H
#define RAIN_PANEL_HEAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "panel/child.h"
#include "panel/presence.h"
#include "panel/state.h"

/* Keeps the state true to what runs (panel/presence.h says how): reads
 * /proc/net/unix, starts the helper, and takes its answers. */
struct rain_panel_heal {
	const char *node, *helper;	    /* borrowed */
	uid_t guest_uid_min, guest_uid_max; /* both 0: no guests */
	struct rain_panel_presence presence;
	struct rain_panel_child child;
	int64_t asked_ms;
	bool found;	    /* the jobs that were here before us are known */
	bool asks_for_all;  /* the running helper asks for them */
	int64_t find_ms;    /* when to ask for them (next) */
	int64_t find_wait_ms;
};

void rain_panel_heal_init(struct rain_panel_heal *heal, const char *node, const char *helper);

/* Compares, and asks about what is in doubt. To be called every ten seconds or
 * so. */
void rain_panel_heal_sweep(struct rain_panel_heal *heal, const struct rain_panel_state *state,
			   int64_t now_ms);

/* What to poll, or -1; and until when. */
int rain_panel_heal_fd(const struct rain_panel_heal *heal, int64_t *deadline_ms);

/* To be called when that is readable or the time has passed. True when the
 * state changed. */
bool rain_panel_heal_progress(struct rain_panel_heal *heal, struct rain_panel_state *state,
			      bool ready, int64_t now_ms);

void rain_panel_heal_release(struct rain_panel_heal *heal);

#endif
