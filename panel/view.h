/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_VIEW_H
#define RAIN_PANEL_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"
#include "panel/frame.h"
#include "panel/state.h"

/* The panel of a whole cluster as text: what nodes answered goes in, lines for
 * a terminal of any width come out.  Pure. */

struct rain_panel_view_job {
	uint32_t id;
	uid_t uid;
	enum rain_panel_kind kind;
	char peer[RAIN_PANEL_PEER_MAX + 1];
	int64_t elapsed_ms; /* at received_ms */
	char code[RAIN_PATTERN_CODE_MAX + 1];
};

struct rain_panel_view_node {
	const char *name; /* borrowed */
	bool answered;	  /* what follows is known; else only `trouble` is */
	char trouble[96]; /* why not, "" while it is being asked */
	enum rain_panel_mode mode;
	uint8_t level[RAIN_LED_COUNT];
	enum rain_panel_show show[RAIN_LED_COUNT];
	struct rain_panel_view_job jobs[RAIN_PANEL_JOBS_MAX];
	size_t job_count;
	int64_t received_ms; /* monotonic */
};

/* Takes over a frame (panel/server.h) that a node sent; unknown fields are
 * ignored. -1 with err when it is not what a rain-paneld says. */
int rain_panel_view_node_read(struct rain_panel_view_node *node, const json_t *frame,
			      int64_t now_ms, struct rain_error *err);

struct rain_panel_view_options {
	int width;   /* columns */
	int height;  /* lines; 0: as many as it takes */
	bool colour;
	bool utf8;   /* round lights; else ASCII */
	bool live;   /* LEDs as they are this instant; else what they show */
	int64_t now_ms; /* monotonic */
	const char *title;
	/* The name of a user for people; borrowed until the next call. */
	const char *(*user_name)(uid_t uid);
};

/* The picture of the nodes, a new string that the caller frees; NULL when out
 * of memory.  Each line ends with end_of_line ("\n", or what clears the rest of
 * a terminal's line as well). */
char *rain_panel_view_text(const struct rain_panel_view_node *nodes, size_t count,
			   const struct rain_panel_view_options *options,
			   const char *end_of_line);

/* As Slurm prints it: "M:SS", "H:MM:SS", "D-HH:MM:SS". */
#define RAIN_PANEL_ELAPSED_SIZE 24
const char *rain_panel_view_elapsed(int64_t ms, char text[static RAIN_PANEL_ELAPSED_SIZE]);

#endif
