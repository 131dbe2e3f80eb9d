// SPDX-License-Identifier: GPL-2.0-or-later
#include "federation/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/tokens.h"

/* Where a tag lies in a comment. */
struct tag_span {
	const char *start;    /* "rain: burst=" */
	const char *fields;   /* behind "rain: " */
	const char *fields_end;
	const char *sentence; /* behind "; ", or at `end` */
	const char *end;      /* of the line */
};

#define TAG_START "rain: burst="
#define TAG_PREFIX_LENGTH (sizeof "rain: " - 1)

static bool tag_find(const char *comment, struct tag_span *span)
{
	const char *p = comment;

	while ((p = strstr(p, TAG_START)) && p != comment && !strchr(" \t\n;", p[-1]))
		p++;
	if (!p)
		return false;
	span->start = p;
	span->fields = p + TAG_PREFIX_LENGTH;
	span->end = p + strcspn(p, "\n");
	span->fields_end = p + strcspn(p, ";\n");
	span->sentence = span->fields_end;
	if (span->sentence < span->end)
		span->sentence += span->sentence[1] == ' ' ? 2 : 1;
	return true;
}

/* One "key=value" of the tag; unknown keys are for later versions. */
static int field_read(struct rain_options *options, char *field, struct rain_error *err)
{
	static const struct {
		const char *key;
		enum rain_option option;
	} keys[] = {
		{"burst", RAIN_OPTION_BURST},
		{"max-tokens", RAIN_OPTION_BURST_MAX_TOKENS},
		{"peers", RAIN_OPTION_BURST_PEERS},
	};
	char *value = strchr(field, '=');

	if (!value)
		return 0;
	*value++ = '\0';
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		if (!strcmp(field, keys[i].key))
			return rain_options_set(options, keys[i].option, value, err);
	return 0;
}

int rain_burst_tag_read(const char *comment, struct rain_burst *burst, const char **sentence,
			size_t *sentence_length, struct rain_error *err)
{
	struct rain_options options;
	char fields[512], *next = fields, *field;
	struct tag_span span;
	size_t length;

	if (!comment || !tag_find(comment, &span))
		return 0;
	length = (size_t)(span.fields_end - span.fields);
	if (length >= sizeof fields)
		return rain_error_set(err, "the RAIN tag in AdminComment is longer than %zu bytes",
				      sizeof fields - 1);
	memcpy(fields, span.fields, length);
	fields[length] = '\0';

	rain_options_init(&options);
	while ((field = strsep(&next, " ")))
		if (field_read(&options, field, err))
			return rain_error_prefix(err, "the RAIN tag in AdminComment is malformed");
	*burst = options.burst;
	if (sentence) {
		*sentence = span.sentence;
		*sentence_length = (size_t)(span.end - span.sentence);
	}
	return 1;
}

static int fields_write(const struct rain_burst *burst, char *text, size_t size)
{
	char tokens[RAIN_TOKENS_TEXT_SIZE];
	int n = snprintf(text, size, TAG_START "%s", rain_burst_mode_name(burst->mode));

	if (burst->max_utok != RAIN_BURST_NO_LIMIT)
		n += snprintf(text + n, size - (size_t)n, " max-tokens=%s",
			      rain_tokens_format(burst->max_utok, tokens));
	for (size_t i = 0; i < burst->peer_count; i++)
		n += snprintf(text + n, size - (size_t)n, "%s%s", i ? "," : " peers=",
			      burst->peers[i]);
	return n;
}

/* Cuts between characters, not inside one: the comment is shown by Slurm. */
static size_t sentence_length_bounded(const char *sentence)
{
	size_t length = strnlen(sentence, RAIN_BURST_SENTENCE_MAX + 1);

	if (length <= RAIN_BURST_SENTENCE_MAX)
		return length;
	for (length--; length && ((unsigned char)sentence[length] & 0xc0) == 0x80; length--)
		;
	return length;
}

static char *append(char *p, const char *text, size_t length)
{
	memcpy(p, text, length);
	return p + length;
}

char *rain_burst_tag_write(const char *comment, const struct rain_burst *burst,
			   const char *sentence, struct rain_error *err)
{
	/* mode, tokens and peers at their longest stay below this */
	char fields[sizeof TAG_START + 64 + RAIN_BURST_PEERS_MAX * RAIN_BURST_PEER_SIZE];
	struct tag_span span;
	size_t sentence_length = sentence ? sentence_length_bounded(sentence) : 0;
	size_t front, tail, length;
	char *text, *p;

	if (!comment)
		comment = "";
	front = strlen(comment);
	tail = 0;
	if (tag_find(comment, &span)) {
		front = (size_t)(span.start - comment);
		tail = strlen(span.end);
	}
	length = (size_t)fields_write(burst, fields, sizeof fields);
	text = malloc(front + 2 + length + 2 + sentence_length + tail + 1);
	if (!text) {
		rain_error_set(err, "out of memory for the comment of a job");
		return NULL;
	}
	p = append(text, comment, front);
	if (front && !strchr(" \t\n;", p[-1]))
		p = append(p, "; ", 2);
	p = append(p, fields, length);
	p = append(p, "; ", sentence_length ? 2 : 1);
	for (size_t i = 0; i < sentence_length; i++)
		*p++ = (unsigned char)sentence[i] < ' ' || sentence[i] == '\x7f' ? ' ' : sentence[i];
	if (tail)
		p = append(p, span.end, tail);
	*p = '\0';
	return text;
}
