/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_COMMON_CLOCK_H
#define RAIN_COMMON_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds since the epoch, from the system's clock (which may be set). */
int64_t rain_clock_realtime_ms(void);

/* Milliseconds of a clock that never steps; for durations and time-outs. */
int64_t rain_clock_monotonic_ms(void);

/* The same in microseconds. */
int64_t rain_clock_monotonic_us(void);

/* What a file's times, and clock_gettime(), are given in. */
static inline int64_t rain_clock_nanoseconds(const struct timespec *time)
{
	return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

#endif
