/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/pattern.h"

#include <assert.h>
#include <string.h>

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

int rain_pattern_number(const char *code)
{
	for (int i = 0; i < RAIN_PATTERN_COUNT; i++) {
		if (strcmp(codes[i], code) == 0)
			return i;
	}
	return -1;
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

static void put(struct rain_pattern_owners *owners, unsigned int pattern, uid_t uid)
{
	memset(&owners->owner[pattern], 0, sizeof(owners->owner[pattern]));
	owners->owner[pattern].used = true;
	owners->owner[pattern].uid = uid;
	owners->owner[pattern].seen = ++owners->sequence;
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
	put(owners, choice, uid);
	return choice;
}

/* RAIN_PATTERN_COUNT when he has none. */
static unsigned int find(const struct rain_pattern_owners *owners, uid_t uid)
{
	unsigned int slot = 0;

	while (slot < RAIN_PATTERN_COUNT &&
	       !(owners->owner[slot].used && owners->owner[slot].uid == uid))
		slot++;
	return slot;
}

void rain_pattern_learn(struct rain_pattern_owners *owners, uid_t uid, unsigned int pattern,
			int64_t now_ms)
{
	unsigned int before = find(owners, uid);
	bool displaces, contradicts;
	uid_t other;

	assert(pattern < RAIN_PATTERN_COUNT);
	if (before < RAIN_PATTERN_COUNT && before != pattern)
		memset(&owners->owner[before], 0, sizeof(owners->owner[before]));
	other = owners->owner[pattern].uid;
	displaces = owners->owner[pattern].used && other != uid;
	contradicts = displaces && owners->owner[pattern].given;
	put(owners, pattern, uid);
	owners->owner[pattern].given = true;
	owners->owner[pattern].given_ms = now_ms;
	owners->owner[pattern].ask_ms = now_ms + RAIN_PATTERN_REFRESH_MS;
	if (!displaces)
		return;
	/* Two who were told the same must not ask in turns without end. */
	before = rain_pattern_of_owner(owners, other);
	owners->owner[before].ask_ms = contradicts ? now_ms + RAIN_PATTERN_RETRY_MAX_MS : now_ms;
}

void rain_pattern_unanswered(struct rain_pattern_owners *owners, uid_t uid, int64_t now_ms)
{
	unsigned int slot = find(owners, uid);
	int64_t wait_ms;

	if (slot == RAIN_PATTERN_COUNT)
		return;
	wait_ms = 2 * owners->owner[slot].wait_ms;
	if (wait_ms == 0)
		wait_ms = RAIN_PATTERN_RETRY_MS;
	if (wait_ms > RAIN_PATTERN_RETRY_MAX_MS)
		wait_ms = RAIN_PATTERN_RETRY_MAX_MS;
	owners->owner[slot].wait_ms = wait_ms;
	owners->owner[slot].ask_ms = now_ms + wait_ms;
}

void rain_pattern_begins(struct rain_pattern_owners *owners, uid_t uid)
{
	unsigned int slot = find(owners, uid);

	if (slot < RAIN_PATTERN_COUNT && owners->owner[slot].given &&
	    owners->owner[slot].wait_ms == 0)
		owners->owner[slot].ask_ms = owners->owner[slot].given_ms + RAIN_PATTERN_TRUST_MS;
}

int64_t rain_pattern_ask_ms(const struct rain_pattern_owners *owners, uid_t uid)
{
	unsigned int slot = find(owners, uid);

	return slot < RAIN_PATTERN_COUNT ? owners->owner[slot].ask_ms : INT64_MAX;
}
