/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_SEGMENT_H
#define RAIN_ACCOUNTING_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The spool between slurmctld and rain-ledgerd is a log: files that are only ever
 * appended to (segments), each a record of an ended job run in each line:
 *
 *   CRC NUMBER WRITTEN RECORD\n
 *
 * CRC is the CRC-32 (of zlib; 8 hexadecimal digits) of all between the space behind it
 * and the newline; NUMBER counts the lines of the segment from 1 on, so that the last
 * line tells how many there are; WRITTEN is when, in ms since the epoch; RECORD is the
 * JSON of accounting/record.h, without a newline.
 *
 * A segment's name is a number of RAIN_SEGMENT_DIGITS digits and ".runs", larger than
 * those of all segments before it: the time it was begun in ms, or one more than the
 * largest there is, should the clock have gone back.  Its writer holds an exclusive
 * flock() on it; one that nobody holds is never appended to again.  Pure.
 */
#define RAIN_SEGMENT_DIGITS 16
#define RAIN_SEGMENT_SUFFIX ".runs"
#define RAIN_SEGMENT_NAME_SIZE 32
#define RAIN_SEGMENT_RECORD_MAX 65536
#define RAIN_SEGMENT_HEAD_MAX 64
#define RAIN_SEGMENT_LINE_MAX (RAIN_SEGMENT_HEAD_MAX + RAIN_SEGMENT_RECORD_MAX)

void rain_segment_name(uint64_t number, char name[static RAIN_SEGMENT_NAME_SIZE]);

/* Whether it is the name of a segment, and which. */
bool rain_segment_number(const char *name, uint64_t *number);

struct rain_segment_line {
	int64_t number, written_ms;
	const char *record; /* within the bytes that were read, not terminated */
	size_t size;
};

/* What comes before the record of line->size bytes, which has no newline, into `head`;
 * its length. */
size_t rain_segment_head(const struct rain_segment_line *line, char head[static RAIN_SEGMENT_HEAD_MAX]);

enum rain_segment_found {
	RAIN_SEGMENT_PART,   /* no whole line yet */
	RAIN_SEGMENT_RECORD, /* a line */
	RAIN_SEGMENT_BROKEN, /* what was to be a line, and isn't */
};

/* Reads the first line of `bytes`. *length: its bytes, newline included (PART: 0). Where no
 * newline comes within RAIN_SEGMENT_LINE_MAX, so many bytes are BROKEN. */
enum rain_segment_found rain_segment_read(const char *bytes, size_t size, struct rain_segment_line *line,
					  size_t *length);

/* The number and the time of a line of which only the beginning is at hand, its CRC unproved.
 * False when it doesn't begin as a line does. */
bool rain_segment_peek(const char *bytes, size_t size, struct rain_segment_line *line);

#endif
