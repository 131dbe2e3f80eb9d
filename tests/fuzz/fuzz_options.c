// SPDX-License-Identifier: GPL-2.0-or-later
/* What users write beside their jobs, read inside of slurmctld and by root: the
 * options (the first byte says which), a list of files as patterns, and the tag
 * in a job's comment (5). */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "federation/bundle.h"
#include "federation/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void option(enum rain_option which, const char *text)
{
	struct rain_options options;

	rain_options_init(&options);
	if (rain_options_set(&options, which, text, NULL) == 0 && !options.given[which])
		abort();
	rain_options_check(&options, NULL);
}

/* No item climbs or holds what a line of text may not. */
static void stage(enum rain_option which, const char *text)
{
	struct rain_stage_list list;

	if (rain_stage_list_parse(which, text, &list, NULL) < 0)
		return;
	for (size_t i = 0; i < list.count; i++) {
		if (!*list.items[i] || strpbrk(list.items[i], "\n\x7f") ||
		    !strcmp(list.items[i], "..") || strstr(list.items[i], "/../"))
			abort();
		if (rain_bundle_path_matches(&list.items[i], 1, "../x"))
			abort();
		rain_bundle_path_matches(&list.items[i], 1, "a/b.c");
	}
}

/* What is written can be read, and says the same. */
static void tag(const char *text)
{
	struct rain_burst burst, again;
	const char *sentence;
	size_t length;
	char *comment;

	if (rain_burst_tag_read(text, &burst, &sentence, &length, NULL) != 1)
		return;
	comment = rain_burst_tag_write(text, &burst, NULL, NULL);
	if (!comment)
		return; /* no room beside what others wrote */
	if (rain_burst_tag_read(comment, &again, NULL, NULL, NULL) != 1 ||
	    again.mode != burst.mode || again.max_utok != burst.max_utok)
		abort();
	free(comment);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;
	int which;

	if (size == 0)
		return 0;
	which = data[0] % (RAIN_OPTION_COUNT + 1);
	text = malloc(size);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	if (which == RAIN_OPTION_COUNT) {
		tag(text);
	} else {
		option((enum rain_option)which, text);
		if (which == RAIN_OPTION_STAGE_IN || which == RAIN_OPTION_STAGE_OUT)
			stage((enum rain_option)which, text);
	}
	free(text);
	return 0;
}
