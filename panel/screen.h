/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_SCREEN_H
#define RAIN_PANEL_SCREEN_H

#include <stdbool.h>
#include <stdio.h>
#include <termios.h>

#include "common/error.h"

/* A terminal that is drawn on in place, and given back as it was. */
struct rain_panel_screen {
	int fd; /* to poll: a key or a signal came; -1: not open */
	int signal_fd;
	bool drawing; /* the terminal is ours */
	bool keys;    /* stdin is a terminal with `before` as its settings */
	struct termios before;
};

/* What people and the system want of a program that shows something. */
enum rain_panel_wish {
	RAIN_PANEL_GO_ON,
	RAIN_PANEL_DRAW_AGAIN, /* the window has another size */
	RAIN_PANEL_QUIT,       /* q, Ctrl-C, SIGTERM, SIGHUP */
};

/* Catches signals; with `draw` also takes the terminal: another screen buffer,
 * no cursor, keys without Enter.  -1 with err. */
int rain_panel_screen_open(struct rain_panel_screen *screen, bool draw,
			   struct rain_error *err);

/* What came since; never waits. */
enum rain_panel_wish rain_panel_screen_read(struct rain_panel_screen *screen);

/* Shows `text` (lines that clear their own rest) from the top, in one write. */
void rain_panel_screen_show(const char *text);

/* Size of the terminal behind stdout; $COLUMNS or 80, and 0 lines, where there
 * is none. */
void rain_panel_screen_size(int *width, int *height);

/* Gives the terminal back. */
void rain_panel_screen_close(struct rain_panel_screen *screen);

#define RAIN_PANEL_END_OF_LINE "\033[K\r\n"

#endif
