// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"

/* Repeats are recognised by their format string, whose address is constant. */
#define THROTTLE_SLOTS 64
#define THROTTLE_BURST 10
#define THROTTLE_PERIOD_MS 60000

struct throttle {
	const char *fmt;
	int64_t since_ms;
	unsigned count;
};

static const char *log_program = "rain";
static enum rain_log_level log_level = RAIN_LOG_INFO;
static struct throttle throttles[THROTTLE_SLOTS];

void rain_log_open(const char *program, enum rain_log_level level)
{
	log_program = program;
	log_level = level;
}

static void log_line(enum rain_log_level level, const char *text)
{
	if (!isatty(STDERR_FILENO) && getenv("JOURNAL_STREAM")) {
		fprintf(stderr, "<%d>%s\n", (int)level, text);
		return;
	}

	static const char *const names[] = {
		[RAIN_LOG_ERROR] = "error: ",
		[RAIN_LOG_WARNING] = "warning: ",
		[RAIN_LOG_INFO] = "",
		[RAIN_LOG_DEBUG] = "debug: ",
	};
	int64_t now = rain_clock_realtime_ms();
	time_t seconds = (time_t)(now / 1000);
	struct tm utc;
	char stamp[32];

	gmtime_r(&seconds, &utc);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &utc);
	fprintf(stderr, "%s.%03dZ %s[%d]: %s%s\n", stamp, (int)(now % 1000), log_program,
		(int)getpid(), names[level], text);
}

/* Returns whether this line may be shown, and how many were held back. */
static bool throttle_pass(const char *fmt, unsigned *held)
{
	struct throttle *slot = &throttles[((size_t)fmt >> 3) % THROTTLE_SLOTS];
	int64_t now = rain_clock_monotonic_ms();

	*held = 0;
	if (slot->fmt != fmt || now - slot->since_ms > THROTTLE_PERIOD_MS) {
		if (slot->fmt == fmt && slot->count > THROTTLE_BURST)
			*held = slot->count - THROTTLE_BURST;
		slot->fmt = fmt;
		slot->since_ms = now;
		slot->count = 0;
	}
	return ++slot->count <= THROTTLE_BURST;
}

void rain_log(enum rain_log_level level, const char *fmt, ...)
{
	char text[2048];
	va_list args;
	unsigned held = 0;

	if (level > log_level)
		return;
	/* What people asked for in full is not held back. */
	if (level <= RAIN_LOG_WARNING && !throttle_pass(fmt, &held))
		return;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	/* One record is one line, whatever a stranger put into it. */
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
	log_line(level, text);
	if (held > 0) {
		snprintf(text, sizeof(text), "the line above was held back %u times within a minute",
			 held);
		log_line(level, text);
	}
}
