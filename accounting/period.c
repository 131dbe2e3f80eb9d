// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/period.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int refuse(const char *text, struct rain_error *err)
{
	return rain_error_set(err, "\"%.60s\" is no time; write YYYY-MM-DD, YYYY-MM-DDTHH:MM[:SS], "
			      "now, today, yesterday, month, or -7d (d, h or w before now)", text);
}

/* Midnight `days` days from the day of now, and on the first of its month when
 * `first` is set. */
static int64_t midnight(int64_t now, int days, int first)
{
	time_t seconds = (time_t)now;
	struct tm day;

	localtime_r(&seconds, &day);
	day.tm_hour = day.tm_min = day.tm_sec = 0;
	day.tm_mday = first ? 1 : day.tm_mday + days;
	day.tm_isdst = -1;
	return (int64_t)mktime(&day);
}

/* "-7d" */
static int parse_ago(const char *text, int64_t now, int64_t *when, struct rain_error *err)
{
	char *end;
	long count = strtol(text + 1, &end, 10);
	int64_t unit = *end == 'h' ? 3600 : *end == 'd' ? 86400 : *end == 'w' ? 7 * 86400 : 0;

	if (!isdigit((unsigned char)text[1]) || unit == 0 || end[1] != '\0' || count > 100000)
		return refuse(text, err);
	*when = now - count * unit;
	return *when < 0 ? refuse(text, err) : 0;
}

static int parse_date(const char *text, int64_t *when, struct rain_error *err)
{
	static const char *const formats[] = {"%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M",
					      "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S",
					      "%Y-%m-%dT%H:%M%z", "%Y-%m-%dT%H:%M:%S%z"};

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct tm moment = {.tm_isdst = -1};
		const char *end = strptime(text, formats[i], &moment);
		struct tm meant = moment;

		if (!end || *end != '\0')
			continue;
		if (strstr(formats[i], "%z"))
			*when = (int64_t)timegm(&moment) - meant.tm_gmtoff;
		else
			*when = (int64_t)mktime(&moment);
		/* mktime turns the 30th of February into a day of March, and a time that the
		 * clocks leave out into another; a day may begin later than at midnight. */
		if (*when >= 0 && moment.tm_mday == meant.tm_mday && i > 0 &&
		    (moment.tm_hour != meant.tm_hour || moment.tm_min != meant.tm_min))
			return rain_error_set(err, "\"%.60s\" never was: the clocks were put forward", text);
		if (*when < 0 || moment.tm_mday != meant.tm_mday)
			break;
		return 0;
	}
	return refuse(text, err);
}

int rain_period_parse(const char *text, int64_t now, int64_t *when, struct rain_error *err)
{
	if (strcmp(text, "now") == 0)
		*when = now;
	else if (strcmp(text, "today") == 0)
		*when = midnight(now, 0, 0);
	else if (strcmp(text, "yesterday") == 0)
		*when = midnight(now, -1, 0);
	else if (strcmp(text, "month") == 0)
		*when = midnight(now, 0, 1);
	else if (text[0] == '-')
		return parse_ago(text, now, when, err);
	else
		return parse_date(text, when, err);
	return 0;
}

const char *rain_period_format(int64_t when, char text[static RAIN_PERIOD_TEXT_SIZE])
{
	time_t seconds = (time_t)when;
	struct tm moment;

	localtime_r(&seconds, &moment);
	strftime(text, RAIN_PERIOD_TEXT_SIZE, "%Y-%m-%d %H:%M:%S %Z", &moment);
	return text;
}
