// SPDX-License-Identifier: GPL-2.0-or-later
/* Datagrams to a node's panel, which anybody on it may send: a prolog's notices
 * and a user's requests. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "panel/notice.h"
#include "panel/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rain_panel_notice notice, again;
	struct rain_panel_request request;
	char text[RAIN_PANEL_NOTICE_MAX];
	int length;

	if (rain_panel_notice_decode((const char *)data, size, &notice, NULL) == 0) {
		length = rain_panel_notice_encode(&notice, text);
		if (length < 0 ||
		    rain_panel_notice_decode(text, (size_t)length, &again, NULL) < 0 ||
		    again.job != notice.job || again.uid != notice.uid ||
		    strcmp(again.peer, notice.peer) != 0)
			abort();
	}
	if (rain_panel_request_decode((const char *)data, size, &request, NULL) == 0 &&
	    request.led > 1)
		abort();
	return 0;
}
