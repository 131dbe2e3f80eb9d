// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/segment.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#define CRC_DIGITS 8

void rain_segment_name(uint64_t number, char name[static RAIN_SEGMENT_NAME_SIZE])
{
	snprintf(name, RAIN_SEGMENT_NAME_SIZE, "%0*" PRIu64 RAIN_SEGMENT_SUFFIX, RAIN_SEGMENT_DIGITS, number);
}

bool rain_segment_number(const char *name, uint64_t *number)
{
	*number = 0;
	for (int i = 0; i < RAIN_SEGMENT_DIGITS; i++) {
		if (name[i] < '0' || name[i] > '9')
			return false;
		*number = *number * 10 + (uint64_t)(name[i] - '0');
	}
	return strcmp(name + RAIN_SEGMENT_DIGITS, RAIN_SEGMENT_SUFFIX) == 0;
}

static uint32_t sum(uint32_t before, const char *bytes, size_t size)
{
	return (uint32_t)crc32(before, (const unsigned char *)bytes, (unsigned)size);
}

size_t rain_segment_head(const struct rain_segment_line *line, char head[static RAIN_SEGMENT_HEAD_MAX])
{
	char numbers[RAIN_SEGMENT_HEAD_MAX - CRC_DIGITS - 1];
	int length = snprintf(numbers, sizeof(numbers), "%" PRId64 " %" PRId64 " ", line->number, line->written_ms);
	uint32_t crc = sum(sum(0, numbers, (size_t)length), line->record, line->size);

	return (size_t)snprintf(head, RAIN_SEGMENT_HEAD_MAX, "%08" PRIx32 " %s", crc, numbers);
}

/* Takes digits (lower case) and one space. False when they aren't there. */
static bool take_number(const char **bytes, const char *end, int base, int64_t *number)
{
	const char *start = *bytes, *p;

	*number = 0;
	for (p = start; p < end && *p != ' '; p++) {
		int digit = *p >= '0' && *p <= '9' ? *p - '0' : *p >= 'a' && *p <= 'f' ? *p - 'a' + 10 : base;

		if (digit >= base || p - start >= 15) /* 2^60 holds 15 digits of either base */
			return false;
		*number = *number * base + digit;
	}
	if (p == start || p == end)
		return false;
	*bytes = p + 1;
	return true;
}

static bool take_head(const char *bytes, const char *end, int64_t *crc, struct rain_segment_line *line)
{
	const char *p = bytes;

	if (!take_number(&p, end, 16, crc) || p != bytes + CRC_DIGITS + 1 ||
	    !take_number(&p, end, 10, &line->number) || !take_number(&p, end, 10, &line->written_ms))
		return false;
	line->record = p;
	line->size = (size_t)(end - p);
	return true;
}

enum rain_segment_found rain_segment_read(const char *bytes, size_t size, struct rain_segment_line *line,
					  size_t *length)
{
	size_t most = size < RAIN_SEGMENT_LINE_MAX ? size : RAIN_SEGMENT_LINE_MAX;
	const char *end = memchr(bytes, '\n', most);
	int64_t crc;

	if (!end) {
		*length = most == RAIN_SEGMENT_LINE_MAX ? most : 0;
		return *length > 0 ? RAIN_SEGMENT_BROKEN : RAIN_SEGMENT_PART;
	}
	*length = (size_t)(end - bytes) + 1;
	if (!take_head(bytes, end, &crc, line) ||
	    sum(0, bytes + CRC_DIGITS + 1, *length - CRC_DIGITS - 2) != (uint32_t)crc)
		return RAIN_SEGMENT_BROKEN;
	return RAIN_SEGMENT_RECORD;
}

bool rain_segment_peek(const char *bytes, size_t size, struct rain_segment_line *line)
{
	int64_t crc;

	return take_head(bytes, bytes + size, &crc, line);
}
