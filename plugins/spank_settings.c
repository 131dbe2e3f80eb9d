// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/spank_settings.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* System users lie below; a pool there would be a mistake. */
#define GUEST_UID_LEAST 1000

static int uid_parse(const char **text, uid_t *uid)
{
	unsigned long value;
	char *end;

	if (!isdigit((unsigned char)**text))
		return -1;
	errno = 0;
	value = strtoul(*text, &end, 10);
	if (errno || value >= (uid_t)-2)
		return -1;
	*uid = (uid_t)value;
	*text = end;
	return 0;
}

static int guest_uids_parse(const char *text, struct rain_spank_settings *settings,
			    struct rain_error *err)
{
	const char *p = text;

	if (uid_parse(&p, &settings->guest_uid_min) || *p++ != '-' ||
	    uid_parse(&p, &settings->guest_uid_max) || *p ||
	    settings->guest_uid_min < GUEST_UID_LEAST ||
	    settings->guest_uid_max < settings->guest_uid_min)
		return rain_error_set(err,
				      "plugstack.conf: guest_uids=%.60s must be a range of user ids from %d "
				      "up, for example 61000-61015",
				      text, GUEST_UID_LEAST);
	settings->has_guests = true;
	return 0;
}

int rain_spank_settings_parse(int argc, char *const argv[], struct rain_spank_settings *settings,
			      struct rain_error *err)
{
	memset(settings, 0, sizeof *settings);
	strcpy(settings->overflow_partition, "overflow");
	for (int i = 0; i < argc; i++) {
		const char *value = strchr(argv[i], '=');
		size_t length = value ? (size_t)(++value - argv[i]) : 0;

		if (length && !strncmp(argv[i], "overflow_partition=", length)) {
			if (!*value || strlen(value) >= sizeof settings->overflow_partition)
				return rain_error_set(err, "plugstack.conf: overflow_partition must be the "
						      "name of a partition");
			strcpy(settings->overflow_partition, value);
		} else if (length && !strncmp(argv[i], "guest_uids=", length)) {
			if (guest_uids_parse(value, settings, err))
				return -1;
		} else {
			return rain_error_set(err,
					      "plugstack.conf: spank_rain.so doesn't know the argument \"%.60s\"; "
					      "allowed are overflow_partition=NAME and guest_uids=MIN-MAX",
					      argv[i]);
		}
	}
	return 0;
}

bool rain_spank_settings_is_guest(const struct rain_spank_settings *settings, uid_t uid)
{
	return settings->has_guests && uid >= settings->guest_uid_min &&
	       uid <= settings->guest_uid_max;
}
