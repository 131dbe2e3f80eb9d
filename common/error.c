// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/error.h"

#include <stdarg.h>
#include <stdio.h>

int rain_error_set(struct rain_error *err, const char *fmt, ...)
{
	va_list args;

	if (!err)
		return -1;
	va_start(args, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, args);
	va_end(args);
	return -1;
}

int rain_error_prefix(struct rain_error *err, const char *fmt, ...)
{
	struct rain_error before;
	va_list args;
	int used;

	if (!err)
		return -1;
	before = *err;
	va_start(args, fmt);
	used = vsnprintf(err->text, sizeof(err->text), fmt, args);
	va_end(args);
	if (used >= 0 && (size_t)used < sizeof(err->text))
		snprintf(err->text + used, sizeof(err->text) - (size_t)used, ": %s", before.text);
	return -1;
}
