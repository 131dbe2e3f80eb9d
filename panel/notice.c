/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/notice.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The writing half stands alone (libpanelnotice): the SPANK plugin links it
 * into slurmstepd and must bring no JSON library along. */

const char *rain_panel_kind_name(enum rain_panel_kind kind)
{
	return kind == RAIN_PANEL_GUEST ? "guest" : "home";
}

/* [a-z][a-z0-9-]*, at most RAIN_PANEL_PEER_MAX letters, or nothing. */
static bool peer_is_valid(const char peer[static RAIN_PANEL_PEER_MAX + 1])
{
	size_t length = strnlen(peer, RAIN_PANEL_PEER_MAX + 1);

	if (length > RAIN_PANEL_PEER_MAX)
		return false;
	for (size_t i = 0; i < length; i++) {
		char c = peer[i];
		bool letter = c >= 'a' && c <= 'z';
		bool other = (c >= '0' && c <= '9') || c == '-';

		if (!letter && !(other && i > 0))
			return false;
	}
	return true;
}

int rain_panel_notice_encode(const struct rain_panel_notice *notice,
			     char text[static RAIN_PANEL_NOTICE_MAX])
{
	const char *peer = notice->peer;
	bool named;
	int length;

	if (notice->job == 0 || !peer_is_valid(notice->peer))
		return -1;
	if (notice->event != RAIN_PANEL_START && notice->event != RAIN_PANEL_END)
		return -1;
	if (notice->kind != RAIN_PANEL_HOME && notice->kind != RAIN_PANEL_GUEST)
		return -1;
	named = peer[0] != '\0';
	length = snprintf(text, RAIN_PANEL_NOTICE_MAX,
			  "{\"v\":1,\"event\":\"%s\",\"job\":%u,\"uid\":%u,\"kind\":\"%s\"%s%s%s}",
			  notice->event == RAIN_PANEL_START ? "start" : "end", notice->job,
			  (unsigned int)notice->uid, rain_panel_kind_name(notice->kind),
			  named ? ",\"peer\":\"" : "", peer, named ? "\"" : "");
	return length > 0 && length < RAIN_PANEL_NOTICE_MAX ? length : -1;
}
