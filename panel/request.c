/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/request.h"

#include <string.h>

#include "common/json.h"

static const char *const shows[] = {"auto", "off", "on", "blink", "code"};

const char *rain_panel_drive_name(enum rain_panel_drive_show show)
{
	return shows[show];
}

int rain_panel_user_led(const char *name)
{
	return strcmp(name, "user1") == 0 ? 0 : strcmp(name, "user2") == 0 ? 1 : -1;
}

static int read_led(const json_t *object, struct rain_panel_request *request,
		    struct rain_error *err)
{
	const char *led, *show;
	int64_t number = 1;
	int which;

	if (rain_json_string(object, "led", 16, &led, err) < 0 ||
	    rain_json_string(object, "show", 16, &show, err) < 0)
		return -1;
	if (json_object_get(object, "number") &&
	    rain_json_int(object, "number", 0, 1000, &number, err) < 0)
		return -1;
	which = rain_panel_user_led(led);
	if (which < 0)
		return rain_error_set(err, "led is neither \"user1\" nor \"user2\"");
	request->led = (unsigned int)which;
	request->number = (unsigned int)number;
	for (size_t i = 0; i < sizeof(shows) / sizeof(shows[0]); i++) {
		request->show = (enum rain_panel_drive_show)i;
		if (strcmp(shows[i], show) == 0)
			return 0;
	}
	return rain_error_set(err, "show is none of \"on\", \"off\", \"blink\", \"code\", \"auto\"");
}

int rain_panel_request_decode(const char *text, size_t size, struct rain_panel_request *request,
			      struct rain_error *err)
{
	json_t *object = rain_json_parse(text, size, RAIN_PANEL_REQUEST_SIZE_MAX, err);
	int64_t version, seconds;
	const char *op;
	int rc = -1;

	memset(request, 0, sizeof(*request));
	if (!object)
		return -1;
	if (rain_json_int(object, "v", 1, 1, &version, err) == 0 &&
	    rain_json_string(object, "op", 16, &op, err) == 0) {
		if (strcmp(op, "led") == 0) {
			request->op = RAIN_PANEL_REQUEST_LED;
			rc = read_led(object, request, err);
		} else if (strcmp(op, "identify") == 0) {
			request->op = RAIN_PANEL_REQUEST_IDENTIFY;
			rc = rain_json_int(object, "seconds", 0, RAIN_PANEL_IDENTIFY_MAX_S, &seconds,
					   err);
			if (rc == 0)
				request->number = (unsigned int)seconds;
		} else {
			rain_error_set(err, "op is neither \"led\" nor \"identify\"");
		}
	}
	json_decref(object);
	return rc;
}
