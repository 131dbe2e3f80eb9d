/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_FEDERATION_HTTP_DATE_H
#define RAIN_FEDERATION_HTTP_DATE_H

#include <stdint.h>

/* "Sun, 06 Nov 1994 08:49:37 GMT" and its NUL (RFC 9110, 5.6.7). */
#define RAIN_HTTP_DATE_SIZE 30

/* What our clock says, as header Date of requests and answers; returns text. */
const char *rain_http_date(char text[static RAIN_HTTP_DATE_SIZE]);

/* How far the clock that wrote `date` is ahead of now_ms (negative: behind), in ms, known to
 * half a second: whole seconds are what it has. 0, or -1 when `date` (NULL is fine) is none. */
int rain_http_date_ahead(const char *date, int64_t now_ms, int64_t *ahead_ms);

#endif
