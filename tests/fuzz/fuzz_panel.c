// SPDX-License-Identifier: GPL-2.0-or-later
/* Datagrams to a node's panel, which anybody on it may send: a prolog's notices
 * and a user's requests; and what comes from other nodes and from the disk about the
 * codes of owners. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "panel/codebook.h"
#include "panel/notice.h"
#include "panel/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_codes(const char *text, size_t size)
{
	uid_t running[RAIN_CODEBOOK_RUNNING_MAX];
	struct rain_codebook book, again;
	struct rain_error err;
	char *kept, *kept_again;
	size_t count;

	if (rain_codebook_answer(text, size, 20001, &err) >= RAIN_PATTERN_COUNT)
		abort();
	if (rain_codebook_running(text, size, running, &count, NULL) == 0)
		(void)rain_codebook_admit(memset(&book, 0, sizeof(book)), running, count, 0);
	if (rain_codebook_read(&book, text, size, 0, NULL) < 0)
		return;
	kept = rain_codebook_text(&book);
	if (!kept || rain_codebook_read(&again, kept, strlen(kept), 0, NULL) < 0)
		abort();
	kept_again = rain_codebook_text(&again);
	if (!kept_again || strcmp(kept, kept_again) != 0)
		abort();
	free(kept);
	free(kept_again);
}

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
	read_codes((const char *)data, size);
	return 0;
}
