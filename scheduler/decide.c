/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scheduler/decide.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/tokens.h"

__attribute__((format(printf, 2, 3)))
static void say(char *sentence, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(sentence, RAIN_DECIDE_SENTENCE, fmt, args);
	va_end(args);
}

/* Adds to a list of clauses; what doesn't fit is left out as a whole. */
__attribute__((format(printf, 2, 3)))
static void add(char *sentence, const char *fmt, ...)
{
	char clause[RAIN_DECIDE_SENTENCE];
	size_t used = strlen(sentence);
	va_list args;
	int size;

	va_start(args, fmt);
	size = vsnprintf(clause, sizeof clause, fmt, args);
	va_end(args);
	if (size <= 0 || used + (size_t)size + 3 > RAIN_DECIDE_SENTENCE)
		return;
	snprintf(sentence + used, RAIN_DECIDE_SENTENCE - used, "%s%s", used ? "; " : "", clause);
}

static bool can_pay(const struct rain_decide_money *money, int64_t ceiling)
{
	return ceiling <= money->available_utok && (money->max_utok < 0 || ceiling <= money->max_utok);
}

static void say_unpaid(char *sentence, const struct rain_decide_money *money, const char *peer,
		       int64_t ceiling)
{
	char needed[RAIN_TOKENS_TEXT_SIZE], bound[RAIN_TOKENS_TEXT_SIZE];

	rain_tokens_format(ceiling, needed);
	if (money->max_utok >= 0 && ceiling > money->max_utok)
		add(sentence, "%s would cost up to %s tokens, above --burst-max-tokens=%s", peer, needed,
		    rain_tokens_format(money->max_utok, bound));
	else
		add(sentence, "%s needs up to %s tokens at %s, has %s", money->user, needed, peer,
		    rain_tokens_format(money->available_utok, bound));
}

static void say_silent(char *sentence, const struct rain_decide_peer *peer)
{
	if (peer->silent_s < 0)
		add(sentence, "%s has not been reached yet", peer->name);
	else if (peer->silent_s < 60)
		add(sentence, "%s does not answer", peer->name);
	else
		add(sentence, "%s has been unreachable for %lld min", peer->name,
		    (long long)(peer->silent_s / 60));
}

static bool cheaper(const struct rain_decide_peer *a, const struct rain_decide_peer *b)
{
	if (a->ceiling_utok != b->ceiling_utok)
		return a->ceiling_utok < b->ceiling_utok;
	return a->latency_ms < b->latency_ms;
}

/* Why this peer isn't asked, as a clause; false when it can be. */
static bool rule_out(const struct rain_decide_peer *peer, const struct rain_decide_money *money,
		     char *sentence)
{
	if (!peer->reachable)
		say_silent(sentence, peer);
	else if (!peer->lends)
		add(sentence, "%s does not lend", peer->name);
	else if (peer->unfit)
		add(sentence, "%s: %s", peer->name, peer->unfit);
	else if (!can_pay(money, peer->ceiling_utok))
		say_unpaid(sentence, money, peer->name, peer->ceiling_utok);
	else if (!peer->may_ask && peer->refusal)
		add(sentence, "%s: %s", peer->name, peer->refusal);
	else
		return !peer->may_ask;
	return true;
}

size_t rain_decide_ask(const struct rain_decide_peer *peers, size_t count,
		       const struct rain_decide_money *money, size_t max, size_t picked[],
		       char sentence[static RAIN_DECIDE_SENTENCE])
{
	char why[RAIN_DECIDE_SENTENCE] = "";
	size_t found = 0, wanted = 0;

	for (size_t i = 0; i < count; i++) {
		size_t at;

		if (!peers[i].wanted)
			continue;
		wanted++;
		if (rule_out(&peers[i], money, why))
			continue;
		for (at = found; at > 0 && cheaper(&peers[i], &peers[picked[at - 1]]); at--)
			if (at < max)
				picked[at] = picked[at - 1];
		if (at < max)
			picked[at] = i;
		if (found < max)
			found++;
	}
	sentence[0] = '\0';
	if (found > 0)
		return found;
	if (wanted == 0)
		say(sentence, count ? "no peer of this cluster is among --burst-peers"
				    : "this cluster has no peers (rain peer invite)");
	else
		say(sentence, "%s", why[0] ? why : "peers are being asked");
	return 0;
}

int rain_decide_offer(const struct rain_decide_peer *offers, size_t count,
		      const struct rain_decide_money *money,
		      char sentence[static RAIN_DECIDE_SENTENCE])
{
	int best = -1;

	sentence[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		if (!can_pay(money, offers[i].ceiling_utok))
			say_unpaid(sentence, money, offers[i].name, offers[i].ceiling_utok);
		else if (best < 0 || cheaper(&offers[i], &offers[best]))
			best = (int)i;
	}
	if (best >= 0)
		sentence[0] = '\0';
	return best;
}
