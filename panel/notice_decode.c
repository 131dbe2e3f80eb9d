/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/notice.h"

#include <string.h>

#include "common/config.h"
#include "common/json.h"

static int read_words(const json_t *object, struct rain_panel_notice *notice,
		      struct rain_error *err)
{
	const char *event, *kind, *peer;

	if (rain_json_string(object, "event", 16, &event, err) < 0 ||
	    rain_json_string(object, "kind", 16, &kind, err) < 0 ||
	    rain_json_string_or(object, "peer", RAIN_PANEL_PEER_MAX, "", &peer, err) < 0)
		return -1;
	if (strcmp(event, "start") == 0)
		notice->event = RAIN_PANEL_START;
	else if (strcmp(event, "end") == 0)
		notice->event = RAIN_PANEL_END;
	else
		return rain_error_set(err, "event is neither \"start\" nor \"end\"");
	if (strcmp(kind, "home") == 0)
		notice->kind = RAIN_PANEL_HOME;
	else if (strcmp(kind, "guest") == 0)
		notice->kind = RAIN_PANEL_GUEST;
	else
		return rain_error_set(err, "kind is neither \"home\" nor \"guest\"");
	if (*peer && !rain_config_name_is_valid(peer))
		return rain_error_set(err, "peer is not a name of a peer");
	memcpy(notice->peer, peer, strlen(peer) + 1);
	return 0;
}

int rain_panel_notice_decode(const char *text, size_t size, struct rain_panel_notice *notice,
			     struct rain_error *err)
{
	int64_t version, job, uid;
	json_t *object;
	int rc = -1;

	memset(notice, 0, sizeof(*notice));
	object = rain_json_parse(text, size, RAIN_PANEL_NOTICE_MAX, err);
	if (!object)
		return rain_error_prefix(err, "notice");
	if (rain_json_int(object, "v", 1, 1, &version, err) == 0 &&
	    rain_json_int(object, "job", 1, UINT32_MAX - 1, &job, err) == 0 &&
	    rain_json_int(object, "uid", 0, UINT32_MAX - 1, &uid, err) == 0 &&
	    read_words(object, notice, err) == 0) {
		notice->job = (uint32_t)job;
		notice->uid = (uid_t)uid;
		rc = 0;
	}
	json_decref(object);
	return rc < 0 ? rain_error_prefix(err, "notice") : 0;
}
