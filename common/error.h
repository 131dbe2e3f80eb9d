/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_COMMON_ERROR_H
#define RAIN_COMMON_ERROR_H

/*
 * Errors are sentences for people: what failed, on what, why, what to do.
 * A function that can fail takes a `struct rain_error *` as its last argument
 * and returns -1 or NULL; `err` may be NULL where the caller has no use for
 * the text.  Report once, at the top.
 */
struct rain_error {
	char text[512];
};

/* Fills err->text (cut at its size, never overflowing). Returns -1, so that
 * `return rain_error_set(err, …)` works. */
int rain_error_set(struct rain_error *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Puts "<prefix>: " in front of what err already says. Returns -1. */
int rain_error_prefix(struct rain_error *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
