/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scheduler/estimate.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/tokens.h"
#include "scheduler/cost.h"

int64_t rain_estimate_cores(const struct rain_estimate_job *job)
{
	int64_t cores;

	return __builtin_mul_overflow(job->tasks, job->cpus_per_task, &cores) ? INT64_MAX : cores;
}

int64_t rain_estimate_array_tasks(const char *text)
{
	int64_t tasks = 0;

	for (const char *p = text;; p++) {
		int64_t first, last, step = 1;
		int size = 0;

		if (sscanf(p, "%9" SCNd64 "%n", &first, &size) != 1 || first < 0)
			return 0;
		p += size;
		last = first;
		if (*p == '-') {
			if (sscanf(p, "-%9" SCNd64 "%n", &last, &size) != 1 || last < first)
				return 0;
			p += size;
		}
		if (*p == ':') {
			if (sscanf(p, ":%9" SCNd64 "%n", &step, &size) != 1 || step < 1)
				return 0;
			p += size;
		}
		tasks += (last - first) / step + 1;
		if (tasks > RAIN_ESTIMATE_ARRAY_MAX)
			return 0;
		if (*p == '\0' || *p == '%')
			return tasks;
		if (*p != ',')
			return 0;
	}
}

const char *rain_estimate_time(int64_t seconds, char text[static RAIN_ESTIMATE_TIME])
{
	if (seconds < 0)
		snprintf(text, RAIN_ESTIMATE_TIME, "not known");
	else if (seconds < 60)
		snprintf(text, RAIN_ESTIMATE_TIME, "%" PRId64 " s", seconds);
	else if (seconds < 3600)
		snprintf(text, RAIN_ESTIMATE_TIME, "%" PRId64 ":%02" PRId64 " min", seconds / 60, seconds % 60);
	else
		snprintf(text, RAIN_ESTIMATE_TIME, "%" PRId64 ":%02" PRId64 ":%02" PRId64, seconds / 3600,
			 seconds / 60 % 60, seconds % 60);
	return text;
}

static int64_t price(const struct rain_estimate_job *job, const struct rain_estimate_place *place,
		     int64_t seconds)
{
	struct rain_error unused;
	int64_t ms, core_ms, utok;

	if (__builtin_mul_overflow(seconds, (int64_t)1000, &ms) ||
	    rain_cost_core_ms(rain_estimate_cores(job), ms, &core_ms, &unused) < 0 ||
	    rain_cost_price(core_ms, place->mflops, place->num, place->den, &utok, &unused) < 0)
		return RAIN_ESTIMATE_UNKNOWN;
	return utok;
}

/* A job of so many seconds at one speed, at another; never longer than allowed. */
static int64_t scale(int64_t seconds, int64_t from_mflops, int64_t to_mflops, int64_t limit)
{
	__int128 there = seconds;

	if (from_mflops > 0 && to_mflops > 0)
		there = (there * from_mflops + to_mflops - 1) / to_mflops;
	return there > limit ? limit : there < 1 ? 1 : (int64_t)there;
}

static int64_t transfer_time(const struct rain_estimate_job *job, const struct rain_estimate_place *place)
{
	int64_t seconds;

	if (place->home)
		return 0;
	if (place->overhead_ms < 0)
		return RAIN_ESTIMATE_UNKNOWN;
	seconds = (place->overhead_ms + 999) / 1000;
	if (job->input_bytes == 0)
		return seconds;
	if (place->bytes_per_s <= 0)
		return RAIN_ESTIMATE_UNKNOWN;
	return seconds + (job->input_bytes + place->bytes_per_s - 1) / place->bytes_per_s;
}

__attribute__((format(printf, 2, 3))) static bool misfit(struct rain_estimate_place *place, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(place->why_not, sizeof place->why_not, fmt, args);
	va_end(args);
	return false;
}

static bool fits_peer(const struct rain_estimate_job *job, struct rain_estimate_place *place)
{
	int64_t cores = rain_estimate_cores(job), nodes = job->nodes > 0 ? job->nodes : 1;
	int64_t cpus = cores / nodes + (cores % nodes != 0);
	char ceiling[RAIN_TOKENS_TEXT_SIZE], bound[RAIN_TOKENS_TEXT_SIZE];

	if (!place->reachable)
		return misfit(place, "it can't be reached just now");
	if (place->lends_nodes <= 0)
		return misfit(place, "it lends nothing");
	if (job->nodes > place->lends_nodes)
		return misfit(place, "it lends %" PRId64 " nodes, the job needs %" PRId64, place->lends_nodes,
			      job->nodes);
	if (job->limit > place->lends_minutes * 60)
		return misfit(place, "it takes jobs of up to %" PRId64 " minutes, this one may take %" PRId64,
			      place->lends_minutes, (job->limit + 59) / 60);
	if (place->lends_cpus_per_node > 0 && cpus > place->lends_cpus_per_node)
		return misfit(place, "its nodes have %" PRId64 " CPUs, the job needs %" PRId64 " on each",
			      place->lends_cpus_per_node, cpus);
	if (place->ceiling < 0)
		return misfit(place, "it is not calibrated, so it has no price");
	if (job->max_utok >= 0 && place->ceiling > job->max_utok)
		return misfit(place, "it may cost %s tokens, and --burst-max-tokens is %s",
			      rain_tokens_format(place->ceiling, ceiling),
			      rain_tokens_format(job->max_utok, bound));
	if (job->balance_utok != RAIN_ESTIMATE_UNKNOWN && place->ceiling > job->balance_utok)
		return misfit(place, "%s tokens would be held, and you can spend %s",
			      rain_tokens_format(place->ceiling, ceiling),
			      rain_tokens_format(job->balance_utok > 0 ? job->balance_utok : 0, bound));
	return true;
}

void rain_estimate_place(const struct rain_estimate_job *job, int64_t home_mflops,
			 struct rain_estimate_place *place)
{
	int64_t speed = place->home ? home_mflops : place->mflops, all;

	place->why_not[0] = '\0';
	place->run_expected = scale(job->expected, home_mflops, speed, job->limit);
	place->run_high = scale(job->high, home_mflops, speed, job->limit);
	place->ceiling = price(job, place, job->limit);
	place->cost_expected = price(job, place, place->run_expected);
	place->cost_high = price(job, place, place->run_high);
	place->transfer = transfer_time(job, place);
	place->balance_after = RAIN_ESTIMATE_UNKNOWN;
	if (job->balance_utok != RAIN_ESTIMATE_UNKNOWN && place->cost_expected >= 0 &&
	    (__builtin_mul_overflow(place->cost_expected, job->array_tasks, &all) ||
	     __builtin_sub_overflow(job->balance_utok, all, &place->balance_after)))
		place->balance_after = RAIN_ESTIMATE_UNKNOWN;
	if (!place->home)
		place->fits = fits_peer(job, place);
	else if (job->only)
		place->fits = misfit(place, "--burst=only");
	else
		place->fits = place->start >= 0 || misfit(place, "Slurm can't say when it would start");
}

/* Until the result is there; what isn't known of the way counts as nothing. */
static int64_t done_by(const struct rain_estimate_place *place)
{
	return (place->start > 0 ? place->start : 0) + (place->transfer > 0 ? place->transfer : 0) +
	       place->run_expected;
}

static size_t best_peer(const struct rain_estimate_place places[], size_t count)
{
	size_t best = 0;

	for (size_t i = 1; i < count; i++)
		if (places[i].fits && (!best || done_by(&places[i]) < done_by(&places[best]) ||
				       (done_by(&places[i]) == done_by(&places[best]) &&
					places[i].cost_expected < places[best].cost_expected)))
			best = i;
	return best;
}

static const char *why_no_peer(const struct rain_estimate_job *job,
			       const struct rain_estimate_place places[], size_t count)
{
	if (count > 1)
		return places[1].why_not;
	return job->peers_unknown ? "nobody could be asked about them" : "there is none";
}

static const char *advised(const struct rain_estimate_job *job)
{
	return job->asked ? "" : "use --burst=auto: ";
}

/* Home can't be meant, or nobody knows when it would start. */
static void advise_without_home(const struct rain_estimate_job *job, const struct rain_estimate_place *other,
				const char *tokens, char sentence[static RAIN_ESTIMATE_TEXT])
{
	snprintf(sentence, RAIN_ESTIMATE_TEXT, "%s%s%s can start it at once, if it has room then, for about %s tokens",
		 job->only ? "" : advised(job), job->only ? "" : "nobody knows when home would start it; ",
		 other->name, tokens);
}

static void advise_waiting(const struct rain_estimate_job *job, const struct rain_estimate_place *home,
			   const char *why, char sentence[static RAIN_ESTIMATE_TEXT])
{
	char start[RAIN_ESTIMATE_TIME];

	if (job->only)
		snprintf(sentence, RAIN_ESTIMATE_TEXT, "it would wait: no peer fits (%s)", why);
	else if (!home->fits)
		snprintf(sentence, RAIN_ESTIMATE_TEXT, "submit it at home and see: %s, and no peer fits (%s)",
			 home->why_not, why);
	else
		snprintf(sentence, RAIN_ESTIMATE_TEXT, "run it at home, in %s: no peer fits (%s)",
			 rain_estimate_time(home->start, start), why);
}

size_t rain_estimate_recommend(const struct rain_estimate_job *job,
			       const struct rain_estimate_place places[], size_t count,
			       char sentence[static RAIN_ESTIMATE_TEXT])
{
	size_t peer = best_peer(places, count);
	const struct rain_estimate_place *home = &places[0], *other = &places[peer];
	char start[RAIN_ESTIMATE_TIME], tokens[RAIN_TOKENS_TEXT_SIZE];

	rain_estimate_time(home->start, start);
	rain_tokens_format(other->cost_expected > 0 ? other->cost_expected : 0, tokens);
	if (home->fits && home->start <= RAIN_ESTIMATE_WORTH_S) {
		snprintf(sentence, RAIN_ESTIMATE_TEXT, "%s %s%s",
			 job->asked ? "home can start it" : "run it at home: it can start",
			 home->start > 0 ? "in " : "at once", home->start > 0 ? start : "");
		return 0;
	}
	if (!peer) {
		advise_waiting(job, home, why_no_peer(job, places, count), sentence);
		return 0;
	}
	if (!home->fits) {
		advise_without_home(job, other, tokens, sentence);
		return peer;
	}
	if (done_by(other) + RAIN_ESTIMATE_WORTH_S >= done_by(home)) {
		snprintf(sentence, RAIN_ESTIMATE_TEXT, "run it at home: it starts in %s, and %s would not be done "
			 "sooner", start, other->name);
		return 0;
	}
	snprintf(sentence, RAIN_ESTIMATE_TEXT, "%shome can start it in %s; %s could at once, if it has room then, "
		 "for about %s tokens", advised(job), start, other->name, tokens);
	return peer;
}
