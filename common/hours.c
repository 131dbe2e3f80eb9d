// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/hours.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* Moves *text past a name of a day. */
static int read_day(const char **text, int *day)
{
	static const char *const names[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

	for (int i = 0; i < 7; i++)
		if (strncasecmp(*text, names[i], 3) == 0) {
			*day = i;
			*text += 3;
			return 0;
		}
	return -1;
}

/* "HH:MM", 00:00 to 24:00 */
static int read_time(const char **text, int *minute)
{
	const char *t = *text;

	for (int i = 0; i < 5; i++)
		if (i == 2 ? t[i] != ':' : !isdigit((unsigned char)t[i]))
			return -1;
	*minute = ((t[0] - '0') * 10 + t[1] - '0') * 60 + (t[3] - '0') * 10 + t[4] - '0';
	*text += 5;
	return t[3] < '6' && *minute <= RAIN_HOURS_DAY ? 0 : -1;
}

static int read_days(const char **text, struct rain_hours *hours)
{
	if (read_day(text, &hours->first_day) < 0)
		return -1;
	hours->last_day = hours->first_day;
	if (**text != '-')
		return 0;
	++*text;
	return read_day(text, &hours->last_day);
}

static int read_times(const char **text, struct rain_hours *hours)
{
	int end;

	if (read_time(text, &hours->begin) < 0 || *(*text)++ != '-' || read_time(text, &end) < 0 ||
	    hours->begin == RAIN_HOURS_DAY || end == hours->begin)
		return -1;
	hours->minutes = end > hours->begin ? end - hours->begin : RAIN_HOURS_DAY - hours->begin + end;
	return 0;
}

int rain_hours_parse(const char *text, struct rain_hours *hours, struct rain_error *err)
{
	const char *at = text;
	bool good = true;

	*hours = (struct rain_hours){0, 6, 0, RAIN_HOURS_DAY};
	if (isalpha((unsigned char)*at))
		good = read_days(&at, hours) == 0;
	if (good && at != text && *at == ' ')
		at++;
	if (good && (*at || at == text))
		good = read_times(&at, hours) == 0;
	if (good && !*at)
		return 0;
	return rain_error_set(err, "'%.40s' are no hours: write for example \"Mon-Fri 18:00-08:00\", "
				   "\"Sat-Sun\" or \"22:00-06:00\"", text);
}

/* Minutes from `minute` of the week to the end of this window, 0 outside. */
static int left_of(const struct rain_hours *w, int minute)
{
	int days = (w->last_day - w->first_day + 7) % 7 + 1, most = 0;

	for (int i = 0; i < days; i++) {
		int begin = (w->first_day + i) % 7 * RAIN_HOURS_DAY + w->begin;
		int into = (minute - begin + RAIN_HOURS_WEEK) % RAIN_HOURS_WEEK;

		if (into < w->minutes && w->minutes - into > most)
			most = w->minutes - into;
	}
	return most;
}

int rain_hours_left(const struct rain_hours *windows, unsigned count, int minute)
{
	int left = 0;
	bool more = true;

	if (count == 0)
		return RAIN_HOURS_WEEK;
	while (more && left < RAIN_HOURS_WEEK) {
		more = false;
		for (unsigned i = 0; i < count; i++) {
			int next = left_of(&windows[i], (minute + left) % RAIN_HOURS_WEEK);

			left += next;
			more = more || next > 0;
		}
	}
	return left < RAIN_HOURS_WEEK ? left : RAIN_HOURS_WEEK;
}
