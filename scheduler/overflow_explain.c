/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decisions in words. */
#include <stdio.h>
#include <string.h>

#include "common/tokens.h"
#include "scheduler/overflow.h"

/* "45 s", "12 min", "3.5 h", "2.1 d" */
static const char *duration(int64_t seconds, char text[static 32])
{
	if (seconds < 120)
		snprintf(text, 32, "%lld s", (long long)seconds);
	else if (seconds < 7200)
		snprintf(text, 32, "%lld min", (long long)(seconds / 60));
	else if (seconds < 172800)
		snprintf(text, 32, "%.1f h", (double)seconds / 3600);
	else
		snprintf(text, 32, "%.1f d", (double)seconds / 86400);
	return text;
}

/* "it would wait about 2.0 h (3 of the 7 jobs before it are known from history)" */
static const char *home(const struct rain_candidate *job, char text[static 160])
{
	char wait[32];
	int used = snprintf(text, 160, "it would wait %s %s",
			    job->waits_more ? "longer than" : "about", duration(job->waits, wait));

	if (job->ahead > 0 && job->known > 0)
		snprintf(text + used, 160 - (size_t)used,
			 " (%d of the %d jobs before it are known from history)", (int)job->known,
			 (int)job->ahead);
	else if (job->ahead > 0)
		snprintf(text + used, 160 - (size_t)used, " (by the time limits of the jobs before it)");
	return text;
}

static void explain_tokens(const struct rain_candidate *job, const struct rain_capacity *peer,
			   const char *name, char *sentence)
{
	int64_t price = rain_overflow_price(job, peer);
	char cost[RAIN_TOKENS_TEXT_SIZE], has[RAIN_TOKENS_TEXT_SIZE];

	if (job->max_price >= 0 && price > job->max_price)
		snprintf(sentence, RAIN_OVERFLOW_SENTENCE,
			 "waits at home: %s would cost up to %s tokens, above --burst-max-tokens=%s", name,
			 rain_tokens_format(price, cost), rain_tokens_format(job->max_price, has));
	else
		snprintf(sentence, RAIN_OVERFLOW_SENTENCE,
			 "waits at home: at %s it needs up to %s tokens, and its user has %s", name,
			 rain_tokens_format(price, cost), rain_tokens_format(job->purse, has));
}

static void explain_unfit(const struct rain_candidate *job, const struct rain_capacity *peer,
			  const char *name, char *sentence)
{
	const char *what = "nodes";
	long long needs = job->nodes, lends = peer->nodes;

	if (peer->nodes > 0 && job->nodes > peer->nodes) {
		;
	} else if (peer->minutes > 0 && job->minutes > peer->minutes) {
		what = "min";
		needs = job->minutes;
		lends = peer->minutes;
	} else if (peer->cpus_per_node > 0 && job->cpus_per_node > peer->cpus_per_node) {
		what = "CPUs a node";
		needs = job->cpus_per_node;
		lends = peer->cpus_per_node;
	} else {
		what = "MB a node";
		needs = job->mem_mb_per_node;
		lends = peer->mem_mb_per_node;
	}
	snprintf(sentence, RAIN_OVERFLOW_SENTENCE, "waits at home: it needs %lld %s, and %s lends %lld",
		 needs, what, name, lends);
}

void rain_overflow_explain(const struct rain_candidate *job, const struct rain_capacity *peer,
			   enum rain_overflow_verdict verdict, const char *name, const char *said,
			   char sentence[static RAIN_OVERFLOW_SENTENCE])
{
	const size_t size = RAIN_OVERFLOW_SENTENCE;
	char one[160], two[32];

	switch (verdict) {
	case RAIN_OVERFLOW_GO:
		snprintf(sentence, size, "goes to %s, which can start it now%s%s", name,
			 job->waits >= 0 ? "; at home " : "", job->waits >= 0 ? home(job, one) : "");
		break;
	case RAIN_OVERFLOW_SOON:
		snprintf(sentence, size,
			 "waits at home: it starts here in about %s, and sending it to %s takes %s",
			 duration(job->waits, one), name,
			 duration((int64_t)peer->overhead + job->staging, two));
		break;
	case RAIN_OVERFLOW_TOKENS:
		explain_tokens(job, peer, name, sentence);
		break;
	case RAIN_OVERFLOW_DEBT:
		snprintf(sentence, size,
			 "waits at home: %s gives no more credit until more of its jobs have run here", name);
		break;
	case RAIN_OVERFLOW_OWNER:
		snprintf(sentence, size,
			 "waits at home: at %s it could run for %s until the owner's next job, and it may need %s",
			 name, duration(peer->window, one),
			 duration((job->minutes > 0 ? (int64_t)job->minutes * 60 : job->plan) +
				  peer->overhead + job->staging, two));
		break;
	case RAIN_OVERFLOW_FULL:
		if (said)
			snprintf(sentence, size, "waits at home: %s: %.250s", name, said);
		else
			snprintf(sentence, size, "waits at home: %s has no room for it now (free: %d, needed: %d)",
				 name, (int)(peer->free > 0 ? peer->free : 0), (int)job->procs);
		break;
	case RAIN_OVERFLOW_REFUSED:
		snprintf(sentence, size, "waits at home: %s: %.250s", name, said ? said : "it has refused it");
		break;
	case RAIN_OVERFLOW_UNFIT:
		explain_unfit(job, peer, name, sentence);
		break;
	case RAIN_OVERFLOW_EVICTS:
		snprintf(sentence, size, "waits at home: %s has thrown jobs out, so none goes there%s%.60s", name,
			 said ? " for " : " for a while", said ? said : "");
		break;
	case RAIN_OVERFLOW_AWAY:
		snprintf(sentence, size, "waits at home: %s %.250s", name, said ? said : "does not answer");
		break;
	case RAIN_OVERFLOW_MISER:
		snprintf(sentence, size, "waits at home: %s does not lend", name);
		break;
	case RAIN_OVERFLOW_UNWANTED:
		snprintf(sentence, size, "waits at home: no peer of this cluster is among --burst-peers");
		break;
	}
}
