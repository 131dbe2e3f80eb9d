// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/spank_notice.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void datagram_send(const char *text, size_t length)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = RAIN_PANEL_SOCKET};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return;
	if (sendto(fd, text, length, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&address,
		   sizeof address) < 0)
		slurm_debug("rain: the panel didn't take a notice: %m");
	close(fd);
}

void rain_spank_notice_send(spank_t spank, const struct rain_spank_settings *settings,
			    enum rain_panel_event event)
{
	/* set by slurmd, from the job's credential */
	const char *partition = getenv("SLURM_JOB_PARTITION");
	/* set by the broker when it submits a guest's job, under which name slurmd hands it on */
	const char *peer;
	struct rain_panel_notice notice = {.event = event};
	char text[RAIN_PANEL_NOTICE_MAX];
	int length;

	/* a virtual node has no lights of its own */
	if (partition && !strcmp(partition, settings->overflow_partition))
		return;
	if (spank_get_item(spank, S_JOB_ID, &notice.job) != ESPANK_SUCCESS ||
	    spank_get_item(spank, S_JOB_UID, &notice.uid) != ESPANK_SUCCESS)
		return;
	notice.kind = rain_spank_settings_is_guest(settings, notice.uid) ? RAIN_PANEL_GUEST
									 : RAIN_PANEL_HOME;
	peer = getenv("SPANK_RAIN_PEER");
	if (notice.kind == RAIN_PANEL_GUEST && peer && strlen(peer) < sizeof notice.peer)
		strcpy(notice.peer, peer);
	length = rain_panel_notice_encode(&notice, text);
	if (length > 0)
		datagram_send(text, (size_t)length);
}
