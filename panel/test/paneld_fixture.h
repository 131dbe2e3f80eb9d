/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_TEST_PANELD_FIXTURE_H
#define RAIN_PANEL_TEST_PANELD_FIXTURE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "panel/notice.h"

/* A real rain-paneld on sockets of its own in a temporary directory, and hands
 * to talk with it.  All of these fail the running test when something is not
 * as it must be. */

#define PATIENCE_MS 15000

struct fixture {
	char directory[64];
	char node[32];
	int port;
	pid_t pid; /* 0: stopped */
	void (*in_child)(void); /* called before the daemon starts; NULL: nothing */
};

/* A connection with the lines that came over it. */
struct talk {
	int fd;
	size_t size;
	char buffer[65536];
};

/* cmocka's set-up and tear-down: *state is the fixture. */
int set_up(void **state);
int tear_down(void **state);

/* The configuration that it starts with; it asks other nodes at `port`, and `more` is added
 * to its section `panel`. */
void write_config(const struct fixture *fixture, int port, const char *more);

void launch(struct fixture *fixture);
int stop(struct fixture *fixture); /* by SIGTERM; returns what waitpid says */

/* A file of the fixture; borrowed, for the next three calls. */
char *path_of(const struct fixture *fixture, const char *name);
void write_file(const struct fixture *fixture, const char *name, const char *text, mode_t mode);

int connect_tcp(const struct fixture *fixture);
int connect_unix(const char *path, int type);
struct talk *talk_to(int fd);
void say(struct talk *talk, const char *line);
json_t *hear(struct talk *talk); /* the next line; NULL when the connection ended */
void hang_up(struct talk *talk);

void notify(const struct fixture *fixture, const char *text, size_t size);
void notify_job(const struct fixture *fixture, enum rain_panel_event event, uint32_t job,
		uid_t uid, enum rain_panel_kind kind);

/* The present frame (a new reference), and what it says. */
json_t *frame_of(const struct fixture *fixture);
int level(const json_t *frame, int led);
const char *show(const json_t *frame, int led);
const json_t *job_of(const json_t *frame, int id);
bool is_here(const struct fixture *fixture, int id);
void wait_for_job(const struct fixture *fixture, int id, bool here);

#endif
