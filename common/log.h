/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_COMMON_LOG_H
#define RAIN_COMMON_LOG_H

/*
 * Logging for daemons, on stderr: plain sentences followed by key=value, with
 * the <N> level prefixes of sd-daemon(3) when stderr is not a terminal and
 * $JOURNAL_STREAM is set, else with a UTC time.  Pure libraries never log.
 */
enum rain_log_level {
	RAIN_LOG_ERROR = 3,
	RAIN_LOG_WARNING = 4,
	RAIN_LOG_INFO = 6,
	RAIN_LOG_DEBUG = 7,
};

/* Name shown in each line, and the least important level that is shown. */
void rain_log_open(const char *program, enum rain_log_level level);

/* The same line (same format string) more than 10 times within a minute is
 * held back and counted. */
void rain_log(enum rain_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#define rain_log_error(...) rain_log(RAIN_LOG_ERROR, __VA_ARGS__)
#define rain_log_warning(...) rain_log(RAIN_LOG_WARNING, __VA_ARGS__)
#define rain_log_info(...) rain_log(RAIN_LOG_INFO, __VA_ARGS__)
#define rain_log_debug(...) rain_log(RAIN_LOG_DEBUG, __VA_ARGS__)

#endif
