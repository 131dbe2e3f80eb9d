/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_NOTICE_H
#define RAIN_PANEL_NOTICE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"

/*
 * What the SPANK plugin tells the rain-paneld of its node when a job comes and
 * goes: one datagram on RAIN_PANEL_SOCKET, sent by root, never waited for.
 * A datagram holds one JSON object in one line:
 *
 *   {"v":1,"event":"start","job":12,"uid":20001,"kind":"home"}
 *   {"v":1,"event":"start","job":13,"uid":61000,"kind":"guest","peer":"bravo"}
 *   {"v":1,"event":"end","job":12,"uid":20001,"kind":"home"}
 *
 * "start" may be repeated for the same job (each step may say it), and "end"
 * for a job that is not there is fine.
 */
#ifndef RAIN_PANEL_SOCKET
#define RAIN_PANEL_SOCKET RAIN_RUNDIR "/panel/panel.sock"
#endif
#define RAIN_PANEL_NOTICE_MAX 512 /* bytes of a datagram, its end included */
#define RAIN_PANEL_PEER_MAX 16	  /* letters of a peer's name */

enum rain_panel_event {
	RAIN_PANEL_START,
	RAIN_PANEL_END,
};

enum rain_panel_kind {
	RAIN_PANEL_HOME,  /* a job of this cluster's own users */
	RAIN_PANEL_GUEST, /* a job that a peer sent */
};

struct rain_panel_notice {
	enum rain_panel_event event;
	uint32_t job; /* Slurm job id, never 0 */
	uid_t uid;
	enum rain_panel_kind kind;
	char peer[RAIN_PANEL_PEER_MAX + 1]; /* of a guest, when known; else "" */
};

/* Writes the datagram (NUL-terminated, without a newline) into text and
 * returns its length without the NUL; -1 when the notice holds an impossible
 * value (job 0, an unknown event or kind, a peer that is no valid name).
 * Needs nothing but libc: safe inside slurmstepd. */
int rain_panel_notice_encode(const struct rain_panel_notice *notice,
			     char text[static RAIN_PANEL_NOTICE_MAX]);

/* Reads a datagram of `size` bytes that somebody else wrote; unknown fields
 * are ignored. 0, or -1 with err naming what is wrong. */
int rain_panel_notice_decode(const char *text, size_t size, struct rain_panel_notice *notice,
			     struct rain_error *err);

/* "home" or "guest". */
const char *rain_panel_kind_name(enum rain_panel_kind kind);

#endif
