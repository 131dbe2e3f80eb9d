// SPDX-License-Identifier: GPL-2.0-or-later
/* Segments of the spool, as a killed writer, a bad disk or somebody's editor may leave them. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "accounting/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was taken for a record must be written again as it was. */
static void written_again(const struct rain_segment_line *line, const char *bytes, size_t length)
{
	char head[RAIN_SEGMENT_HEAD_MAX];
	size_t size = rain_segment_head(line, head);
	struct rain_segment_line peeked;

	if (size >= sizeof(head) || line->size > length || line->record < bytes ||
	    line->record + line->size + 1 != bytes + length || memchr(line->record, '\n', line->size))
		abort();
	if (!rain_segment_peek(bytes, length - 1, &peeked) || peeked.number != line->number ||
	    peeked.written_ms != line->written_ms)
		abort();
	/* Zeros before a number are the only other way to say the same. */
	if (size + line->size + 1 > length || (size + line->size + 1 == length && memcmp(head, bytes, size) != 0))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *bytes = malloc(size + 1); /* so that what lies behind is found out */
	char name[RAIN_SEGMENT_NAME_SIZE];
	size_t at = 0, length;
	uint64_t number;

	if (!bytes)
		return 0;
	memcpy(bytes, data, size);
	bytes[size] = '\0';
	if (rain_segment_number(bytes, &number)) {
		rain_segment_name(number, name);
		if (strcmp(name, bytes) != 0)
			abort();
	}
	bytes = realloc(bytes, size > 0 ? size : 1);
	while (bytes && at < size) {
		struct rain_segment_line line;
		enum rain_segment_found found = rain_segment_read(bytes + at, size - at, &line, &length);

		if (found == RAIN_SEGMENT_PART && (length > 0 || memchr(bytes + at, '\n', size - at)))
			abort();
		if (found == RAIN_SEGMENT_PART)
			break;
		if (length == 0 || length > size - at || length > RAIN_SEGMENT_LINE_MAX)
			abort();
		if (found == RAIN_SEGMENT_RECORD)
			written_again(&line, bytes + at, length);
		at += length;
	}
	free(bytes);
	return 0;
}
