/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_PRESENCE_H
#define RAIN_PANEL_PRESENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "panel/state.h"

/*
 * What really runs on this node, against what the notices told.
 *
 * Every running step has a slurmstepd that listens on a Unix socket
 * ".../NODE_JOB.STEP".  The kernel lists listening sockets with their paths in
 * /proc/net/unix, for everybody, and forgets them when the process dies, so
 * that list has no stale entries and needs neither privilege nor Slurm:
 *
 * - a job with such a socket is here;
 * - a job of ours without one is in doubt (its end was missed, or it holds the
 *   node and runs nothing here at the moment), and
 * - a job that is not ours but has one is a discovery (its start was missed).
 *
 * Only about the last two is slurmctld asked, one small query a job, by the
 * helper rain-panel-jobs, after 10 s and then ever more rarely (to 5 minutes).
 * No answer changes nothing: absent is not finished.
 */

#define RAIN_PANEL_QUESTIONS_MAX RAIN_PANEL_JOBS_MAX

/* The job whose step listens according to one line of /proc/net/unix; 0 when
 * the line tells of anything else. */
uint32_t rain_panel_presence_line(const char *line, const char *node);

/* What is in doubt. All zero at first. */
struct rain_panel_presence {
	struct {
		uint32_t job;
		int64_t ask_ms;  /* when to ask (next) */
		int64_t wait_ms; /* how long it waits this time */
	} question[RAIN_PANEL_QUESTIONS_MAX];
	size_t count;
};

/* Compares: `running` has the jobs with steps here. Opens, keeps and closes
 * questions. */
void rain_panel_presence_update(struct rain_panel_presence *presence,
				const struct rain_panel_state *state, const uint32_t *running,
				size_t running_count, int64_t now_ms);

/* Lists the jobs to ask about now, and puts off the next time. Returns how
 * many. */
size_t rain_panel_presence_due(struct rain_panel_presence *presence, int64_t now_ms,
			       uint32_t jobs[static RAIN_PANEL_QUESTIONS_MAX]);

/* True when there is a question about the job. */
bool rain_panel_presence_doubts(const struct rain_panel_presence *presence, uint32_t job);

/* One line of the helper's answer:
 *   {"job":12,"here":true,"uid":20001,"elapsed":33}   or
 *   {"job":12,"here":false}                            or
 *   {"done":true} */
struct rain_panel_answer {
	bool done;
	bool here;
	uint32_t job;
	uid_t uid;
	int64_t elapsed_s;
	char peer[RAIN_PANEL_PEER_MAX + 1]; /* of a guest, when known; else "" */
};
int rain_panel_presence_answer(const char *line, struct rain_panel_answer *answer,
			       struct rain_error *err);

#endif
