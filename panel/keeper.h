/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_KEEPER_H
#define RAIN_PANEL_KEEPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"
#include "panel/child.h"
#include "panel/codebook.h"

/*
 * The one rain-paneld of the cluster that gives out the owners' codes: asks Slurm
 * who runs jobs when it is asked about somebody whom it doesn't know, and keeps
 * what it gave in DIRECTORY/NODE.codes.  Nobody is told of a code before it is on
 * the disk, so whatever is killed, nobody's code is given to somebody else.  Asking
 * and writing are done by children: the lights wait for neither.
 */
struct rain_panel_keeper {
	bool keeps;	    /* false: another node does */
	const char *helper; /* borrowed */
	char *path;	    /* NULL: nothing is kept */
	struct rain_codebook book; /* as it was saved, and as it is told */
	struct rain_codebook next; /* as it is being saved */
	enum { KEEPER_IDLE, KEEPER_ASKS, KEEPER_SAVES } phase;
	struct rain_panel_child child;
	bool wanted;	    /* somebody asked about somebody unknown */
	int64_t may_ask_ms; /* so often Slurm is not asked */
};

/* Reads what was kept. Never fails: without it, codes are given out anew. */
void rain_panel_keeper_init(struct rain_panel_keeper *keeper, bool keeps, const char *helper,
			    const char *directory, const char *node, int64_t now_ms);

/* The owner's pattern; -1 when he has none yet: ask again in a second. */
int rain_panel_keeper_pattern(struct rain_panel_keeper *keeper, uid_t uid, int64_t now_ms);

/* The same for who asks over the network: *code is NULL when he has none yet.
 * -1 with err: another node gives them out. */
int rain_panel_keeper_code(struct rain_panel_keeper *keeper, uid_t uid, int64_t now_ms,
			   const char **code, struct rain_error *err);

/* What to poll, or -1; and until when. */
int rain_panel_keeper_fd(const struct rain_panel_keeper *keeper, int64_t *deadline_ms);

/* To be called when that is readable or the time has passed. */
void rain_panel_keeper_progress(struct rain_panel_keeper *keeper, bool ready, int64_t now_ms);

void rain_panel_keeper_release(struct rain_panel_keeper *keeper);

#endif
