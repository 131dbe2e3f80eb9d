/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/pattern.h"

#include <assert.h>

#define SHORT_MS 120
#define LONG_MS 480
#define GAP_MS 240
#define PAUSE_MS 1200

static const char *const codes[RAIN_PATTERN_COUNT] = {
	".",	"-",	"..",	".-",	"-.",	"--",	"...",	"..-",	".-.",	".--",
	"-..",	"-.-",	"--.",	"---",	"....",	"...-",	"..-.",	"..--",	".-..",	".-.-",
	".--.",	".---",	"-...",	"-..-",	"-.-.",	"-.--",	"--..",	"--.-",	"---.",	"----",
};

const char *rain_pattern_code(unsigned int pattern)
{
	assert(pattern < RAIN_PATTERN_COUNT);
	return codes[pattern];
}

int64_t rain_pattern_period_ms(unsigned int pattern)
{
	int64_t period = PAUSE_MS - GAP_MS;

	for (const char *flash = rain_pattern_code(pattern); *flash; flash++)
		period += (*flash == '.' ? SHORT_MS : LONG_MS) + GAP_MS;
	return period;
}

bool rain_pattern_is_lit(unsigned int pattern, int64_t at_ms, int64_t *next_ms)
{
	int64_t period = rain_pattern_period_ms(pattern);
	int64_t within = at_ms % period;
	int64_t edge = 0;
	bool lit = false;

	for (const char *flash = rain_pattern_code(pattern); *flash; flash++) {
		edge += *flash == '.' ? SHORT_MS : LONG_MS;
		lit = within < edge;
		if (lit)
			break;
		edge += flash[1] ? GAP_MS : PAUSE_MS;
		if (within < edge)
			break;
	}
	if (next_ms)
		*next_ms = at_ms - within + edge;
	return lit;
}

unsigned int rain_pattern_of_owner(struct rain_pattern_owners *owners, uid_t uid)
{
	unsigned int preferred = uid % RAIN_PATTERN_COUNT;
	unsigned int choice = preferred;
	bool free_found = false;

	for (unsigned int i = 0; i < RAIN_PATTERN_COUNT; i++) {
		unsigned int slot = (preferred + i) % RAIN_PATTERN_COUNT;

		if (owners->owner[slot].used && owners->owner[slot].uid == uid) {
			owners->owner[slot].seen = ++owners->sequence;
			return slot;
		}
		if (free_found)
			continue;
		if (!owners->owner[slot].used) {
			choice = slot;
			free_found = true;
		} else if (owners->owner[slot].seen < owners->owner[choice].seen) {
			choice = slot;
		}
	}
	owners->owner[choice].used = true;
	owners->owner[choice].uid = uid;
	owners->owner[choice].seen = ++owners->sequence;
	return choice;
}
