/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_ASKER_H
#define RAIN_PANEL_ASKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/config.h"
#include "common/error.h"
#include "panel/child.h"
#include "panel/keeper.h"
#include "panel/state.h"

/*
 * Asks the keeper of codes (panel/keeper.h) about the owners who play here, one
 * after the other, by a child that may wait where the lights must not.
 */
struct rain_panel_asker {
	char *host;  /* of the keeper; NULL: there is none, or it is this node */
	char port[8];
	uid_t uid; /* about whom the child asks */
	struct rain_panel_child child;
	bool silent; /* that the keeper doesn't answer was said */
};

int rain_panel_asker_init(struct rain_panel_asker *asker, const struct rain_config *config,
			  const char *node, struct rain_error *err);

/* What to poll, or -1; and until when. `keeper` is that of this node. */
int rain_panel_asker_fd(const struct rain_panel_asker *asker,
			const struct rain_panel_keeper *keeper,
			const struct rain_panel_state *state, int64_t *deadline_ms);

/* To be called when that is readable or the time has passed. True when the state
 * changed. */
bool rain_panel_asker_progress(struct rain_panel_asker *asker, struct rain_panel_keeper *keeper,
			       struct rain_panel_state *state, bool ready, int64_t now_ms);

void rain_panel_asker_release(struct rain_panel_asker *asker);

#endif
