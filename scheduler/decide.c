/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scheduler/decide.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/tokens.h"

#define OVERLOOKED_S 2

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

/* Slurm's reasons for "the machine has no room for it now". */
static bool is_room_reason(const char *reason)
{
	static const char *const reasons[] = {
		"Resources", "Priority", "ReqNodeNotAvail", "NodeDown", "PartitionDown",
		"PartitionInactive", "FrontEndDown",
	};
	for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
		if (!strncmp(reason, reasons[i], strlen(reasons[i])))
			return true;
	return strstr(reason, "Nodes required for job are DOWN") != NULL;
}

/* Slurm looks at a job that was put back, or that is far down a long queue,
 * only now and then, and until then says what was true before. */
static bool is_overlooked(const struct rain_decide_job *job)
{
	return (!strcmp(job->reason, "None") || !strcmp(job->reason, "BeginTime")) && !job->held &&
	       job->eligible_s >= OVERLOOKED_S;
}

enum rain_decide_verdict rain_decide_job(const struct rain_decide_job *job,
					 char sentence[static RAIN_DECIDE_SENTENCE])
{
	sentence[0] = '\0';
	if (strcmp(job->state, "PENDING") != 0)
		return RAIN_DECIDE_IGNORE;
	if (!is_room_reason(job->reason) && !is_overlooked(job) && !(job->only && job->held))
		return RAIN_DECIDE_IGNORE;
	if (job->array)
		say(sentence, "waits at home: tasks of a job array can't go to a peer");
	else if (job->het)
		say(sentence, "waits at home: parts of a heterogeneous job can't go to a peer");
	else if (!job->batch)
		say(sentence, "waits at home: only batch jobs can go to a peer");
	else if (job->gres)
		say(sentence, "waits at home: jobs that need GRES, licenses or a reservation can't go to a peer");
	else if (job->constrained)
		say(sentence, "waits at home: --constraint and --nodelist mean nodes of this cluster, so it can't go to a peer");
	else if (job->no_limit)
		say(sentence, "waits at home: without a time limit it has no price, so it can't go to a peer; set --time");
	else
		return RAIN_DECIDE_ASK;
	return RAIN_DECIDE_HOME;
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
