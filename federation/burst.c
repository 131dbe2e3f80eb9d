/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/burst.h"

#include <string.h>

static const char *const state_names[RAIN_BURST_STATES] = {
	"bound", "placed", "running", "ended", "settled", "void",
};
static const char *const job_names[RAIN_BURST_JOBS] = { "to_bind", "bound", "to_return", "over" };

const char *rain_burst_state_name(enum rain_burst_state state)
{
	return state < RAIN_BURST_STATES ? state_names[state] : "?";
}

const char *rain_burst_job_name(enum rain_burst_job job)
{
	return job < RAIN_BURST_JOBS ? job_names[job] : "?";
}

static int find(const char *const names[], int count, const char *name)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(names[i], name))
			return i;
	return -1;
}

int rain_burst_state_find(const char *name)
{
	return find(state_names, RAIN_BURST_STATES, name);
}

int rain_burst_job_find(const char *name)
{
	return find(job_names, RAIN_BURST_JOBS, name);
}

/* The lender may have the job, or get it. */
static bool is_open(const struct rain_burst_record *r)
{
	return r->state == RAIN_BURST_BOUND || r->state == RAIN_BURST_PLACED || r->state == RAIN_BURST_RUNNING;
}

static bool is_over(const struct rain_burst_record *r)
{
	return r->state == RAIN_BURST_ENDED || r->state == RAIN_BURST_SETTLED;
}

static int illegal(const struct rain_burst_record *r, const char *what, struct rain_error *err)
{
	return rain_error_set(err, "%s can't come while the burst is %s", what, state_names[r->state]);
}

static void become_void(struct rain_burst_record *r, struct rain_burst_actions *a)
{
	r->state = RAIN_BURST_VOID;
	a->hold_void = true;
}

/* A job whose bind may be under way must be looked at, too. */
static void give_back(struct rain_burst_record *r)
{
	if (r->job != RAIN_BURST_JOB_OVER)
		r->job = RAIN_BURST_JOB_TO_RETURN;
}

static void send_inputs(struct rain_burst_record *r, int64_t now_ms, struct rain_burst_actions *a)
{
	r->inputs_sent = true;
	r->inputs_ms = now_ms;
	r->seq_out++;
	a->send_inputs = true;
}

static void withdraw(struct rain_burst_record *r, struct rain_burst_actions *a)
{
	a->send_withdrawn = true;
	become_void(r, a);
}

static void deliver(struct rain_burst_record *r, struct rain_burst_actions *a)
{
	if (r->delivered)
		return;
	r->delivered = true;
	r->seq_out++;
	a->send_delivered = true;
}

/* The run of the home job that this burst belongs to is over, whoever did it. */
static int job_left(struct rain_burst_record *r, enum rain_burst_job job, struct rain_burst_actions *a)
{
	if (r->job == RAIN_BURST_JOB_OVER)
		return 0;
	if (r->state == RAIN_BURST_VOID && r->job == job)
		return 0;
	r->job = job;
	if (is_over(r)) {
		deliver(r, a);
	} else if (is_open(r) && !r->inputs_sent) {
		withdraw(r, a);
	} else if (is_open(r) && !r->recalled) {
		r->recalled = true;
		a->send_recall = true;
	}
	return 1;
}

/* A controller that came back with an older state: the job is moved again and
 * its next relay goes on with what this one left, the end included. */
static int job_unbound(struct rain_burst_record *r)
{
	if (r->state == RAIN_BURST_VOID ||
	    !(r->job == RAIN_BURST_JOB_BOUND || (r->job == RAIN_BURST_JOB_OVER && is_over(r))))
		return 0;
	r->job = RAIN_BURST_JOB_TO_BIND;
	return 1;
}

static int job_event(struct rain_burst_record *r, enum rain_burst_event_type type,
		     struct rain_burst_actions *a)
{
	switch (type) {
	case RAIN_BURST_EVENT_BIND_DONE:
		if (r->job != RAIN_BURST_JOB_TO_BIND)
			return 0;
		r->job = RAIN_BURST_JOB_BOUND;
		return 1;
	case RAIN_BURST_EVENT_BIND_REFUSED:
		return r->job == RAIN_BURST_JOB_TO_BIND ? job_left(r, RAIN_BURST_JOB_OVER, a) : 0;
	case RAIN_BURST_EVENT_RETURN_DONE:
		if (r->job != RAIN_BURST_JOB_TO_RETURN)
			return 0;
		r->job = RAIN_BURST_JOB_OVER;
		return 1;
	case RAIN_BURST_EVENT_JOB_UNBOUND:
		return job_unbound(r);
	case RAIN_BURST_EVENT_JOB_REQUEUED:
		return job_left(r, RAIN_BURST_JOB_TO_RETURN, a);
	default:
		return job_left(r, RAIN_BURST_JOB_OVER, a);
	}
}

static int relay_event(struct rain_burst_record *r, enum rain_burst_event_type type, int64_t now_ms,
		       struct rain_burst_actions *a, struct rain_error *err)
{
	switch (type) {
	case RAIN_BURST_EVENT_INPUTS:
		if (r->state == RAIN_BURST_VOID)
			return rain_error_set(err, "this burst came to nothing; the job goes back to the queue");
		/* The relay was started, so the job is where it should be, though
		 * the broker's answer may still be on its way. */
		if (r->inputs_given)
			return 0;
		r->inputs_given = true;
		if (r->job == RAIN_BURST_JOB_TO_BIND)
			r->job = RAIN_BURST_JOB_BOUND;
		if (r->state == RAIN_BURST_PLACED)
			send_inputs(r, now_ms, a);
		return 1;
	case RAIN_BURST_EVENT_SIGNAL:
		if (!is_open(r) || !r->inputs_sent)
			return 0;
		r->seq_out++;
		a->send_signal = true;
		return 1;
	default:
		if (!is_over(r) && r->state != RAIN_BURST_VOID)
			return illegal(r, "the end of delivery", err);
		if (r->delivered || r->state == RAIN_BURST_VOID)
			return 0; /* of what came to nothing the lender needs no word */
		deliver(r, a);
		return 1;
	}
}

static int finished(struct rain_burst_record *r, const struct rain_burst_event *e, int64_t now_ms,
		    struct rain_burst_actions *a, struct rain_error *err)
{
	bool final = rain_outcome_is_final(e->outcome);

	if (r->state != RAIN_BURST_PLACED && r->state != RAIN_BURST_RUNNING)
		return illegal(r, "'finished'", err);
	if (final && !r->inputs_sent)
		return rain_error_set(err, "the job can't have %s: its inputs were never sent",
				      rain_outcome_name(e->outcome));
	if (e->outcome == RAIN_OUTCOME_CANCELLED && !r->recalled)
		return rain_error_set(err, "the job was never recalled");
	r->finished_ms = now_ms;
	if (!final) {
		become_void(r, a);
		give_back(r);
		return 1;
	}
	r->state = RAIN_BURST_ENDED;
	r->timed_out = e->outcome == RAIN_OUTCOME_TIMEOUT;
	r->out_of_memory = e->outcome == RAIN_OUTCOME_EXITED && e->out_of_memory;
	if (e->claimed_utok == 0) {
		r->state = RAIN_BURST_SETTLED;
		a->hold_void = true;
	}
	if (r->job == RAIN_BURST_JOB_OVER || r->job == RAIN_BURST_JOB_TO_RETURN)
		deliver(r, a); /* nobody waits for what is left there */
	return 1;
}

static int take_number(struct rain_burst_record *r, const struct rain_burst_event *e, struct rain_error *err)
{
	if (e->seq <= r->seq_in)
		return rain_error_set(err, "event %lld comes after event %lld", (long long)e->seq,
				      (long long)r->seq_in);
	r->seq_in = e->seq;
	return 1;
}

static int accepted(struct rain_burst_record *r, int64_t now_ms, struct rain_burst_actions *a,
		    struct rain_error *err)
{
	if (r->state != RAIN_BURST_BOUND)
		return illegal(r, "'accepted'", err);
	r->state = RAIN_BURST_PLACED;
	if (r->inputs_given)
		send_inputs(r, now_ms, a);
	return 1;
}

static int peer_event(struct rain_burst_record *r, const struct rain_burst_event *e, int64_t now_ms,
		      struct rain_burst_actions *a, struct rain_error *err)
{
	/* Withdrawn while the peer was still talking. */
	if (r->state == RAIN_BURST_VOID && e->type != RAIN_BURST_EVENT_SETTLE)
		return 0;
	switch (e->type) {
	case RAIN_BURST_EVENT_ACCEPTED:
		return accepted(r, now_ms, a, err);
	case RAIN_BURST_EVENT_REJECTED:
		if (r->state != RAIN_BURST_BOUND)
			return illegal(r, "'rejected'", err);
		become_void(r, a);
		give_back(r);
		return 1;
	case RAIN_BURST_EVENT_STAGED:
		if (r->state != RAIN_BURST_PLACED || !r->inputs_sent)
			return illegal(r, "'staged'", err);
		return take_number(r, e, err);
	case RAIN_BURST_EVENT_STARTED:
		if (r->state != RAIN_BURST_PLACED || !r->inputs_sent)
			return illegal(r, "'started'", err);
		r->state = RAIN_BURST_RUNNING;
		return take_number(r, e, err);
	case RAIN_BURST_EVENT_EVICT:
		if (r->state != RAIN_BURST_PLACED && r->state != RAIN_BURST_RUNNING)
			return illegal(r, "'evict'", err);
		return 1;
	case RAIN_BURST_EVENT_FINISHED:
		return finished(r, e, now_ms, a, err);
	default:
		if (r->state != RAIN_BURST_ENDED)
			return illegal(r, "a receipt", err);
		r->state = RAIN_BURST_SETTLED;
		a->hold_post = true;
		return 1;
	}
}

/* Before any inputs are out, waiting in vain costs the user time for nothing; and a
 * receipt that never comes must not hold tokens for ever. */
static int tick(struct rain_burst_record *r, int64_t now_ms, struct rain_burst_actions *a)
{
	int64_t limit = r->state == RAIN_BURST_BOUND ? RAIN_BURST_ACCEPT_MS : RAIN_BURST_INPUTS_MS;

	if (r->state == RAIN_BURST_ENDED && now_ms - r->finished_ms >= RAIN_BURST_RECEIPT_MS) {
		r->state = RAIN_BURST_SETTLED;
		a->hold_void = true;
		return 1;
	}
	if (!is_open(r) || r->inputs_sent || now_ms - r->bound_ms < limit)
		return 0;
	withdraw(r, a);
	give_back(r);
	return 1;
}

int rain_burst_step(struct rain_burst_record *record, const struct rain_burst_event *event,
		    int64_t now_ms, struct rain_burst_actions *actions, struct rain_error *err)
{
	struct rain_burst_record r = *record;
	int changed;

	memset(actions, 0, sizeof *actions);
	if (event->type >= RAIN_BURST_EVENTS)
		return rain_error_set(err, "there is no such event");
	if (event->type == RAIN_BURST_EVENT_TICK)
		changed = tick(&r, now_ms, actions);
	else if (event->type >= RAIN_BURST_EVENT_ACCEPTED)
		changed = peer_event(&r, event, now_ms, actions, err);
	else if (event->type >= RAIN_BURST_EVENT_INPUTS)
		changed = relay_event(&r, event->type, now_ms, actions, err);
	else
		changed = job_event(&r, event->type, actions);
	if (changed > 0)
		*record = r;
	else
		memset(actions, 0, sizeof *actions);
	return changed;
}

unsigned rain_burst_due(const struct rain_burst_record *r)
{
	if (r->job == RAIN_BURST_JOB_TO_BIND && r->state != RAIN_BURST_VOID)
		return RAIN_BURST_DUE_BIND;
	/* A job that is requeued while its burst is recalled goes home at once;
	 * one that we take back ourselves only when the lender is through. */
	if (r->job == RAIN_BURST_JOB_TO_RETURN)
		return RAIN_BURST_DUE_RETURN;
	if (r->job == RAIN_BURST_JOB_BOUND && r->delivered && (r->timed_out || r->out_of_memory))
		return RAIN_BURST_DUE_END;
	return 0;
}

bool rain_burst_is_done(const struct rain_burst_record *r)
{
	return (r->state == RAIN_BURST_SETTLED || r->state == RAIN_BURST_VOID) &&
	       r->job == RAIN_BURST_JOB_OVER && (r->delivered || r->state == RAIN_BURST_VOID);
}
