// SPDX-License-Identifier: GPL-2.0-or-later
#include "federation/http_date.h"

#include <curl/curl.h>
#include <stdio.h>
#include <time.h>

#include "common/clock.h"

const char *rain_http_date(char text[static RAIN_HTTP_DATE_SIZE])
{
	/* Not strftime(): names of days would be the locale's. */
	static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t now = (time_t)(rain_clock_realtime_ms() / 1000);
	struct tm when;

	gmtime_r(&now, &when);
	snprintf(text, RAIN_HTTP_DATE_SIZE, "%s, %02u %s %04u %02u:%02u:%02u GMT", days[when.tm_wday % 7],
		 (unsigned)when.tm_mday % 100, months[when.tm_mon % 12], (unsigned)(when.tm_year + 1900) % 10000,
		 (unsigned)when.tm_hour % 100, (unsigned)when.tm_min % 100, (unsigned)when.tm_sec % 100);
	return text;
}

int rain_http_date_ahead(const char *date, int64_t now_ms, int64_t *ahead_ms)
{
	time_t then = date ? curl_getdate(date, NULL) : -1;

	if (then < 0)
		return -1;
	*ahead_ms = (int64_t)then * 1000 + 500 - now_ms;
	return 0;
}
