/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_COMMON_HOURS_H
#define RAIN_COMMON_HOURS_H

#include "common/error.h"

/*
 * Hours of the week, as owners write them: "Mon-Fri 18:00-08:00", "Sat-Sun",
 * "22:00-06:00".  Days are optional (every day), hours too (the whole day);
 * hours that end before they begin end on the next day.  Pure.
 */
#define RAIN_HOURS_DAY 1440
#define RAIN_HOURS_WEEK (7 * RAIN_HOURS_DAY)

struct rain_hours {
	int first_day, last_day; /* 0 Monday … 6 Sunday; the last may lie "before" the first */
	int begin, minutes;	 /* minute of the day, and for how long */
};

int rain_hours_parse(const char *text, struct rain_hours *hours, struct rain_error *err);

/* How many minutes from `minute` of the week on (0: Monday 00:00) lie without a
 * gap within the windows: 0 when it is outside, RAIN_HOURS_WEEK when they have no
 * end. No window at all is always. */
int rain_hours_left(const struct rain_hours *windows, unsigned count, int minute);

#endif
