/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All jobs that may go to a peer, decided at once by the policy. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "federation/policy.h"

void rain_pass_add(struct rain_pass *pass, const struct rain_queue_job *job, struct rain_note *note)
{
	if (pass->count == pass->size) {
		size_t size = pass->size ? pass->size * 2 : 64;
		const struct rain_queue_job **jobs = reallocarray(pass->jobs, size, sizeof *jobs);
		struct rain_note **notes = NULL;

		if (jobs)
			pass->jobs = jobs;
		if (jobs && (notes = reallocarray(pass->notes, size, sizeof *notes)))
			pass->notes = notes;
		if (!jobs || !notes)
			return; /* the next pass tries it again */
		pass->size = size;
	}
	pass->jobs[pass->count] = job;
	pass->notes[pass->count++] = note;
}

void rain_pass_release(struct rain_pass *pass)
{
	free(pass->jobs);
	free(pass->notes);
	*pass = (struct rain_pass){ 0 };
}

static int32_t bounded(int64_t value)
{
	return (int32_t)(value < 0 ? 0 : value > INT32_MAX ? INT32_MAX : value);
}

void rain_candidate_of(const struct rain_policy *policy, const struct rain_queue_job *job,
		       const struct rain_forecast_wait *wait, int64_t purse,
		       struct rain_candidate *candidate)
{
	const struct rain_shape *shape = &job->shape;
	int64_t cores = rain_shape_cores(shape), per_node = (cores + shape->nodes - 1) / shape->nodes;
	struct rain_prediction prediction;

	rain_history_predict(policy->predicts ? policy->predict : NULL, job, &prediction);
	*candidate = (struct rain_candidate){
		.submitted = job->submit_time, .plan = prediction.high, .expected = prediction.expected,
		.procs = bounded(shape->nodes), .nodes = bounded(shape->nodes),
		.cpus_per_node = bounded(per_node), .minutes = bounded(shape->minutes),
		.mem_mb_per_node = job->mem_mb_per_node ? job->mem_mb_per_node : job->mem_mb_per_cpu * per_node,
		.core_ms = cores * shape->minutes * 60000, .purse = purse, .max_price = job->max_utok,
		.staging = rain_staging_expect(&policy->staging, rain_policy_key(job->uid, job->name)),
		.waits = job->only ? -1 : wait->seconds, .waits_more = wait->longer, .ahead = wait->ahead,
		.known = wait->known,
	};
}

/* --- what rules out single peers for single jobs --- */

struct decision {
	struct rain_gateway *gateway;
	struct rain_pass *pass;
	struct rain_view *views;
	struct rain_capacity *peers;
	size_t peer_count;
	struct rain_candidate *candidates;
	struct rain_placement *placements;
	size_t *order;
	struct rain_forecast_wait *waits;
	uint8_t **barred;
	int64_t waiting; /* jobs that would go if there were room, and aren't asked for yet */
};

static uint8_t *barred_of(struct decision *d, size_t job)
{
	if (!d->barred[job])
		d->barred[job] = calloc(d->peer_count, 1);
	d->candidates[job].barred = d->barred[job];
	return d->barred[job];
}

static bool is_wanted(const json_t *list, const char *peer)
{
	size_t i;
	json_t *name;

	json_array_foreach(list, i, name)
		if (json_is_string(name) && !strcmp(json_string_value(name), peer))
			return true;
	return false;
}

static void bar_unwanted(struct decision *d, size_t job)
{
	const json_t *list = d->pass->jobs[job]->peers;
	uint8_t *barred = json_array_size(list) > 0 ? barred_of(d, job) : NULL;

	for (size_t i = 0; barred && i < d->peer_count; i++)
		if (!is_wanted(list, d->views[i].peer->name))
			barred[i] = RAIN_OVERFLOW_UNWANTED;
}

/* An older RAIN would run it without its input and terminal. */
static bool is_too_old(const struct decision *d, size_t job, size_t peer)
{
	return !d->pass->jobs[job]->batch && !d->views[peer].direct;
}

static void bar_old(struct decision *d, size_t job)
{
	for (size_t i = 0; i < d->peer_count; i++) {
		uint8_t *barred = is_too_old(d, job, i) ? barred_of(d, job) : NULL;

		if (barred && !barred[i])
			barred[i] = RAIN_OVERFLOW_REFUSED;
	}
}

static size_t job_of(const struct decision *d, int64_t job_id)
{
	size_t low = 0, high = d->pass->count;

	while (low < high) { /* in the order of the queue: by job id */
		size_t middle = low + (high - low) / 2;

		if (d->pass->jobs[middle]->job_id == job_id)
			return middle;
		if (d->pass->jobs[middle]->job_id < job_id)
			low = middle + 1;
		else
			high = middle;
	}
	return SIZE_MAX;
}

static void bar_refused(struct decision *d)
{
	int64_t now = rain_clock_monotonic_ms();

	for (const struct rain_refusal_of_job *r = rain_asks_of(d->gateway)->refusals; r; r = r->next) {
		size_t job = r->refusal.until_ms > now ? job_of(d, r->job_id) : SIZE_MAX;
		uint8_t *barred = job != SIZE_MAX ? barred_of(d, job) : NULL;

		for (size_t i = 0; barred && i < d->peer_count; i++)
			if (d->views[i].peer->row == r->refusal.peer && !barred[i])
				barred[i] = RAIN_OVERFLOW_REFUSED;
	}
}

/* --- deciding --- */

static void say(struct decision *d, size_t job, const char *sentence)
{
	rain_candidates_say(d->gateway, d->pass->notes[job], sentence);
}

static void explain(struct decision *d, size_t job)
{
	const struct rain_placement *placement = &d->placements[job];
	const struct rain_view *view = &d->views[placement->about];
	const struct rain_refusal *refusal = NULL;
	const char *said = view->said[0] ? view->said : NULL;
	char sentence[RAIN_OVERFLOW_SENTENCE];

	if (placement->verdict == RAIN_OVERFLOW_REFUSED)
		refusal = rain_refusal_of(rain_asks_of(d->gateway), d->pass->jobs[job]->job_id, view->peer->row,
					  false);
	if (refusal)
		said = refusal->reason;
	else if (is_too_old(d, job, (size_t)placement->about))
		said = "its RAIN is too old for jobs of srun and salloc";
	rain_overflow_explain(&d->candidates[job], &d->peers[placement->about], placement->verdict,
			      view->peer->name, said, sentence);
	say(d, job, sentence);
}

static void ask_peers(struct decision *d, size_t job)
{
	const struct rain_placement *placement = &d->placements[job];
	struct rain_peer *peers[RAIN_OVERFLOW_CHOICES];
	size_t count = 0;

	if (!rain_array_has_room(d->gateway, d->pass->jobs[job]))
		return; /* another task of its array is on its way in this very pass */
	if (rain_asks_of(d->gateway)->count >= RAIN_ASKS_MAX) {
		say(d, job, "peers are being asked about other jobs first");
		return;
	}
	if (!rain_room_is_probed(rain_asks_of(d->gateway), d->views[placement->peer].peer))
		peers[count++] = d->views[placement->peer].peer;
	for (size_t i = 0; i < RAIN_OVERFLOW_CHOICES - 1; i++)
		if (placement->others[i] >= 0 &&
		    !rain_room_is_probed(rain_asks_of(d->gateway), d->views[placement->others[i]].peer))
			peers[count++] = d->views[placement->others[i]].peer;
	if (count == 0) {
		if (!d->pass->notes[job]->sentence[0])
			say(d, job, "another job goes first, to see whether there is room again");
		return;
	}
	d->waiting--;
	rain_ask_send(d->gateway, d->pass->jobs[job], &d->candidates[job], peers, count, d->waiting);
	if (!d->pass->notes[job]->sentence[0])
		say(d, job, "peers are being asked");
}

static void act(struct decision *d)
{
	for (size_t i = 0; i < d->pass->count; i++)
		d->waiting += d->placements[i].peer >= 0 || d->placements[i].verdict == RAIN_OVERFLOW_FULL;
	for (size_t i = 0; i < d->pass->count; i++) {
		size_t job = d->order[i];
		struct rain_note *note = d->pass->notes[job];

		note->waits = d->candidates[job].waits;
		note->waits_more = d->candidates[job].waits_more;
		note->ahead = d->candidates[job].ahead;
		note->known = d->candidates[job].known;
		if (d->placements[job].about < 0)
			say(d, job, "this cluster has no peers (rain peer invite)");
		else if (d->placements[job].peer >= 0)
			ask_peers(d, job);
		else
			explain(d, job);
	}
}

static void decide(struct decision *d)
{
	const struct rain_policy *policy = rain_policy_of(d->gateway);
	struct rain_error err;

	for (size_t i = 0; i < d->pass->count; i++) {
		const struct rain_money *money = rain_money_of(d->gateway, d->pass->jobs[i]->user);

		rain_candidate_of(policy, d->pass->jobs[i], &d->waits[i], money ? money->available_utok : 0,
				  &d->candidates[i]);
		bar_unwanted(d, i);
		bar_old(d, i);
	}
	bar_refused(d);
	for (size_t i = 0; i < d->peer_count; i++)
		d->peers[i] = d->views[i].capacity;
	if (rain_overflow_plan(&policy->rule, d->candidates, d->pass->count, d->peers, d->peer_count,
			       d->placements, d->order, &err))
		rain_log_warning("nothing is decided: %s", err.text);
	else
		act(d);
}

/* Jobs that the picture of home's load is too old for wait for a new one. */
static void drop_uncovered(struct rain_gateway *gateway, struct rain_pass *pass)
{
	size_t kept = 0;
	bool wanted = false;

	for (size_t i = 0; i < pass->count; i++) {
		if (!pass->jobs[i]->only && !rain_load_covers(gateway, pass->notes[i]->first_ms)) {
			wanted = true;
			continue;
		}
		pass->jobs[kept] = pass->jobs[i];
		pass->notes[kept++] = pass->notes[i];
	}
	pass->count = kept;
	if (wanted)
		rain_load_look(gateway, true);
}

static int foretell(struct decision *d, struct rain_error *err)
{
	const struct rain_policy *policy = rain_policy_of(d->gateway);

	if (!policy->failed_ms)
		return rain_load_forecast(&policy->load, policy->predicts ? policy->predict : NULL,
					  d->pass->jobs, d->pass->count, d->waits, err);
	for (size_t i = 0; i < d->pass->count; i++)
		d->waits[i] = (struct rain_forecast_wait){ .seconds = -1 };
	return 0;
}

void rain_pass_decide(struct rain_gateway *gateway, struct rain_pass *pass)
{
	struct decision d = { .gateway = gateway, .pass = pass };
	struct rain_error err = { "" };

	drop_uncovered(gateway, pass);
	if (pass->count == 0)
		return;
	if (rain_money_read(gateway, pass->jobs, pass->count, &err) || rain_standing_read(gateway, &err)) {
		for (size_t i = 0; i < pass->count; i++)
			say(&d, i, "waits at home: the ledger can't be read just now");
		return;
	}
	d.views = rain_views_create(gateway, &d.peer_count);
	d.peers = calloc(d.peer_count + 1, sizeof *d.peers);
	d.candidates = calloc(pass->count, sizeof *d.candidates);
	d.placements = calloc(pass->count, sizeof *d.placements);
	d.order = calloc(pass->count, sizeof *d.order);
	d.waits = calloc(pass->count, sizeof *d.waits);
	d.barred = calloc(pass->count, sizeof *d.barred);
	if (!d.peers || !d.candidates || !d.placements || !d.order || !d.waits || !d.barred)
		rain_error_set(&err, "out of memory for %zu waiting jobs", pass->count);
	else if (foretell(&d, &err) == 0)
		decide(&d);
	if (err.text[0])
		rain_log_warning("nothing is decided: %s", err.text);
	for (size_t i = 0; d.barred && i < pass->count; i++)
		free(d.barred[i]);
	free(d.barred);
	free(d.waits);
	free(d.order);
	free(d.placements);
	free(d.candidates);
	free(d.peers);
	free(d.views);
}
