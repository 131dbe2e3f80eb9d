/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "federation/loan.h"

#include <string.h>

static const char *const state_names[RAIN_LOAN_STATES] = {
	"accepted", "submitted", "released", "running", "exited", "receipted", "closed", "void",
};

const char *rain_loan_state_name(enum rain_loan_state state)
{
	return state < RAIN_LOAN_STATES ? state_names[state] : "?";
}

int rain_loan_state_find(const char *name)
{
	for (int i = 0; i < RAIN_LOAN_STATES; i++)
		if (!strcmp(state_names[i], name))
			return i;
	return -1;
}

int rain_loan_verdict_find(const char *slurm_state)
{
	static const struct {
		const char *state;
		enum rain_loan_verdict verdict;
	} verdicts[] = {
		{ "COMPLETED", RAIN_LOAN_VERDICT_COMPLETED },
		{ "FAILED", RAIN_LOAN_VERDICT_FAILED },
		{ "CANCELLED", RAIN_LOAN_VERDICT_CANCELLED },
		{ "PREEMPTED", RAIN_LOAN_VERDICT_PREEMPTED },
		{ "TIMEOUT", RAIN_LOAN_VERDICT_TIMEOUT },
		{ "DEADLINE", RAIN_LOAN_VERDICT_TIMEOUT },
		{ "OUT_OF_MEMORY", RAIN_LOAN_VERDICT_OUT_OF_MEMORY },
		{ "NODE_FAIL", RAIN_LOAN_VERDICT_NODE_FAIL },
		{ "BOOT_FAIL", RAIN_LOAN_VERDICT_NODE_FAIL },
		{ "REVOKED", RAIN_LOAN_VERDICT_CANCELLED },
	};
	for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++)
		if (!strcmp(slurm_state, verdicts[i].state))
			return (int)verdicts[i].verdict;
	return -1;
}

bool rain_loan_is_over(const struct rain_loan_record *r)
{
	return r->state == RAIN_LOAN_RECEIPTED || r->state == RAIN_LOAN_CLOSED || r->state == RAIN_LOAN_VOID;
}

bool rain_loan_is_done(const struct rain_loan_record *r)
{
	return (r->state == RAIN_LOAN_CLOSED || r->state == RAIN_LOAN_VOID) &&
	       (r->job_over || !r->job_known);
}

int64_t rain_loan_run_ms(const struct rain_loan_record *r, int64_t now_ms)
{
	if (!r->started_ms || now_ms <= r->started_ms)
		return 0;
	return now_ms - r->started_ms < RAIN_MESSAGE_MS_MAX ? now_ms - r->started_ms : RAIN_MESSAGE_MS_MAX;
}

static int illegal(const struct rain_loan_record *r, const char *what, struct rain_error *err)
{
	return rain_error_set(err, "%s can't come while the loan is %s", what, state_names[r->state]);
}

/* The script hasn't begun, and can't without our leave. */
static bool is_waiting(const struct rain_loan_record *r)
{
	return r->state == RAIN_LOAN_ACCEPTED || r->state == RAIN_LOAN_SUBMITTED || r->state == RAIN_LOAN_RELEASED;
}

/* The end: home is told, and charged when the run counts. */
static int finish(struct rain_loan_record *r, enum rain_outcome outcome, int64_t claim_utok,
		  int64_t now_ms, struct rain_loan_actions *a)
{
	bool final = rain_outcome_is_final(outcome);

	r->outcome = outcome;
	if (!r->ended_ms)
		r->ended_ms = now_ms;
	r->claimed_utok = !final || claim_utok < 0 ? 0 : claim_utok;
	if (r->claimed_utok > r->ceiling_utok)
		r->claimed_utok = r->ceiling_utok;
	a->send_finished = true;
	if (r->claimed_utok > 0) {
		r->state = RAIN_LOAN_RECEIPTED;
		a->send_receipt = true;
	} else {
		r->state = final ? RAIN_LOAN_CLOSED : RAIN_LOAN_VOID;
		a->hold_void = true;
	}
	return 1;
}

static int started(struct rain_loan_record *r, const struct rain_loan_event *e, int64_t now_ms,
		   struct rain_loan_actions *a, struct rain_error *err)
{
	if (r->state == RAIN_LOAN_RUNNING && e->other_agent)
		return rain_error_set(err, "another agent has started this script: it is not run twice");
	if (r->state == RAIN_LOAN_RUNNING)
		return 0;
	/* The agent may be faster than the broker's answer to the release. */
	if (!is_waiting(r) || !r->job_known)
		return illegal(r, "the start of the script", err);
	if (!r->staged)
		return rain_error_set(err, "the script can't start before its inputs are here");
	r->state = RAIN_LOAN_RUNNING;
	r->started_ms = now_ms;
	r->seq_out++;
	a->send_started = true;
	return 1;
}

static int exited(struct rain_loan_record *r, const struct rain_loan_event *e, int64_t now_ms,
		  struct rain_loan_actions *a, struct rain_error *err)
{
	if (rain_loan_is_over(r) || r->state == RAIN_LOAN_EXITED)
		return 0; /* the agent didn't hear our answer */
	if (r->state == RAIN_LOAN_RUNNING && e->other_agent)
		return 0; /* it was told not to start; Slurm will show how the job ends */
	/* It never began: the agent couldn't, or was stopped before. */
	if (is_waiting(r) && r->job_known)
		return e->failed ? finish(r, RAIN_OUTCOME_LOST, 0, now_ms, a) : 0;
	if (r->state != RAIN_LOAN_RUNNING)
		return illegal(r, "the exit of the script", err);
	r->ended_ms = now_ms;
	r->run_ms = rain_loan_run_ms(r, now_ms);
	r->code = e->code;
	r->signal = e->signal;
	if (r->recalled)
		return finish(r, RAIN_OUTCOME_CANCELLED, e->claim_utok, now_ms, a);
	if (r->evicting)
		return finish(r, RAIN_OUTCOME_EVICTED, 0, now_ms, a);
	/* RAIN's own failure before the script ran (125), or after. */
	if (e->failed && e->code == RAIN_LOAN_CODE_FAILED)
		return finish(r, RAIN_OUTCOME_LOST, 0, now_ms, a);
	r->terminated = e->terminated;
	if (!e->terminated && !e->signal && e->code <= 128)
		return finish(r, RAIN_OUTCOME_EXITED, e->claim_utok, now_ms, a);
	/* Was it its own doing, the time limit or the owner's job? Slurm knows in
	 * a moment. */
	r->state = RAIN_LOAN_EXITED;
	r->claimed_utok = e->claim_utok < r->ceiling_utok ? e->claim_utok : r->ceiling_utok;
	return 1;
}

/* The agent had its say; Slurm tells why. */
static int judge_exited(struct rain_loan_record *r, enum rain_loan_verdict verdict, int64_t now_ms,
			struct rain_loan_actions *a)
{
	int64_t claim = r->claimed_utok;

	if (r->recalled)
		return finish(r, RAIN_OUTCOME_CANCELLED, claim, now_ms, a);
	if (!r->evicting && verdict == RAIN_LOAN_VERDICT_TIMEOUT)
		return finish(r, RAIN_OUTCOME_TIMEOUT, claim, now_ms, a);
	if (!r->evicting && verdict == RAIN_LOAN_VERDICT_NODE_FAIL)
		return finish(r, RAIN_OUTCOME_LOST, 0, now_ms, a);
	/* Slurm's SIGTERM that is no time-out is a preemption or a cancellation,
	 * though it may show as FAILED or COMPLETED when the script obeys. */
	if (r->evicting || r->terminated || verdict == RAIN_LOAN_VERDICT_PREEMPTED ||
	    verdict == RAIN_LOAN_VERDICT_CANCELLED)
		return finish(r, RAIN_OUTCOME_EVICTED, 0, now_ms, a);
	r->out_of_memory = verdict == RAIN_LOAN_VERDICT_OUT_OF_MEMORY;
	return finish(r, RAIN_OUTCOME_EXITED, claim, now_ms, a);
}

/* It ended and its agent didn't say how. */
static int judge_silent(struct rain_loan_record *r, const struct rain_loan_event *e, int64_t now_ms,
			struct rain_loan_actions *a)
{
	bool ran = r->state == RAIN_LOAN_RUNNING;
	int64_t claim = ran ? e->claim_utok : 0;

	r->run_ms = rain_loan_run_ms(r, now_ms);
	if (r->recalled)
		return finish(r, RAIN_OUTCOME_CANCELLED, claim, now_ms, a);
	if (r->evicting || e->verdict == RAIN_LOAN_VERDICT_PREEMPTED || e->verdict == RAIN_LOAN_VERDICT_CANCELLED)
		return finish(r, RAIN_OUTCOME_EVICTED, 0, now_ms, a);
	if (ran && e->verdict == RAIN_LOAN_VERDICT_TIMEOUT)
		return finish(r, RAIN_OUTCOME_TIMEOUT, claim, now_ms, a);
	if (ran && e->verdict == RAIN_LOAN_VERDICT_OUT_OF_MEMORY) {
		r->signal = 9;
		r->out_of_memory = true;
		return finish(r, RAIN_OUTCOME_EXITED, claim, now_ms, a);
	}
	return finish(r, RAIN_OUTCOME_LOST, 0, now_ms, a);
}

static int job_over(struct rain_loan_record *r, const struct rain_loan_event *e, int64_t now_ms,
		    struct rain_loan_actions *a)
{
	if (r->job_over)
		return 0;
	r->job_over = true;
	if (rain_loan_is_over(r))
		return 1;
	if (r->state == RAIN_LOAN_EXITED)
		return judge_exited(r, e->verdict, now_ms, a);
	return judge_silent(r, e, now_ms, a);
}

static int evict(struct rain_loan_record *r, int64_t now_ms, struct rain_loan_actions *a)
{
	if (rain_loan_is_over(r) || r->evicting)
		return 0;
	r->evicting = true;
	if (is_waiting(r))
		return finish(r, RAIN_OUTCOME_EVICTED, 0, now_ms, a);
	a->send_evict = true;
	return 1;
}

static int submitted(struct rain_loan_record *r)
{
	if (r->job_known)
		return 0;
	r->job_known = true; /* also of a void loan: it has to be cancelled */
	if (r->state == RAIN_LOAN_ACCEPTED)
		r->state = RAIN_LOAN_SUBMITTED;
	return 1;
}

static int own_event(struct rain_loan_record *r, const struct rain_loan_event *e, int64_t now_ms,
		     struct rain_loan_actions *a, struct rain_error *err)
{
	switch (e->type) {
	case RAIN_LOAN_EVENT_SUBMITTED:
		return submitted(r);
	case RAIN_LOAN_EVENT_SUBMIT_REFUSED:
		return r->state == RAIN_LOAN_ACCEPTED ? finish(r, RAIN_OUTCOME_LOST, 0, now_ms, a) : 0;
	case RAIN_LOAN_EVENT_RELEASED:
		if (r->state != RAIN_LOAN_SUBMITTED)
			return 0;
		r->state = RAIN_LOAN_RELEASED;
		return 1;
	case RAIN_LOAN_EVENT_STAGED:
		if (!is_waiting(r) || !r->inputs || r->staged)
			return 0;
		r->staged = true;
		r->seq_out++;
		a->send_staged = true;
		return 1;
	case RAIN_LOAN_EVENT_STAGE_FAILED:
		return is_waiting(r) && r->inputs && !r->staged ? finish(r, RAIN_OUTCOME_LOST, 0, now_ms, a) : 0;
	case RAIN_LOAN_EVENT_STARTED:
		return started(r, e, now_ms, a, err);
	case RAIN_LOAN_EVENT_EXIT:
		return exited(r, e, now_ms, a, err);
	case RAIN_LOAN_EVENT_JOB_OVER:
		return job_over(r, e, now_ms, a);
	case RAIN_LOAN_EVENT_EVICT:
		return evict(r, now_ms, a);
	default:
		if (!is_waiting(r) || r->inputs || now_ms - r->accepted_ms < RAIN_LOAN_INPUTS_MS)
			return 0;
		return finish(r, RAIN_OUTCOME_LOST, 0, now_ms, a);
	}
}

static int recall(struct rain_loan_record *r, int64_t now_ms, struct rain_loan_actions *a)
{
	if (rain_loan_is_over(r) || r->recalled)
		return 0;
	r->recalled = true;
	if (is_waiting(r))
		return finish(r, RAIN_OUTCOME_CANCELLED, 0, now_ms, a);
	return 1;
}

/* Home may withdraw only what it sent no inputs for; else it is a recall, and
 * what ran is paid for. */
static int withdrawn(struct rain_loan_record *r, int64_t now_ms, struct rain_loan_actions *a)
{
	if (!is_waiting(r) || r->inputs)
		return recall(r, now_ms, a);
	r->state = RAIN_LOAN_VOID;
	r->ended_ms = now_ms;
	a->hold_void = true;
	return 1;
}

static int numbered_event(struct rain_loan_record *r, const struct rain_loan_event *e,
			  struct rain_loan_actions *a, struct rain_error *err)
{
	if (e->seq <= r->seq_in)
		return rain_error_set(err, "event %lld comes after event %lld", (long long)e->seq,
				      (long long)r->seq_in);
	r->seq_in = e->seq;
	if (e->type == RAIN_LOAN_EVENT_DELIVERED) {
		r->delivered = true;
		if (!rain_loan_is_over(r))
			return illegal(r, "the end of delivery", err);
	} else if (rain_loan_is_over(r)) {
		return 1; /* crossed with our `finished` */
	} else if (e->type == RAIN_LOAN_EVENT_INPUTS) {
		if (!is_waiting(r) || r->inputs)
			return illegal(r, "a second manifest", err);
		r->inputs = true;
	} else if (e->type == RAIN_LOAN_EVENT_SIGNAL) {
		a->store_signal = true;
	}
	return 1;
}

static int home_event(struct rain_loan_record *r, const struct rain_loan_event *e, int64_t now_ms,
		      struct rain_loan_actions *a, struct rain_error *err)
{
	switch (e->type) {
	case RAIN_LOAN_EVENT_WITHDRAWN:
		return withdrawn(r, now_ms, a);
	case RAIN_LOAN_EVENT_RECALL:
		return recall(r, now_ms, a);
	case RAIN_LOAN_EVENT_COUNTERSIGNED:
		if (r->state != RAIN_LOAN_RECEIPTED)
			return illegal(r, "a countersignature", err);
		r->state = RAIN_LOAN_CLOSED;
		a->hold_post = true;
		return 1;
	case RAIN_LOAN_EVENT_DISPUTED:
		if (r->state == RAIN_LOAN_CLOSED && r->claimed_utok > 0)
			return 1; /* paid in part: it is only written down */
		if (r->state != RAIN_LOAN_RECEIPTED)
			return illegal(r, "a dispute", err);
		r->state = RAIN_LOAN_CLOSED;
		a->hold_void = true;
		return 1;
	default:
		return numbered_event(r, e, a, err);
	}
}

int rain_loan_step(struct rain_loan_record *record, const struct rain_loan_event *event,
		   int64_t now_ms, struct rain_loan_actions *actions, struct rain_error *err)
{
	struct rain_loan_record r = *record;
	int changed;

	memset(actions, 0, sizeof *actions);
	if (event->type >= RAIN_LOAN_EVENTS)
		return rain_error_set(err, "there is no such event");
	if (event->type >= RAIN_LOAN_EVENT_INPUTS)
		changed = home_event(&r, event, now_ms, actions, err);
	else
		changed = own_event(&r, event, now_ms, actions, err);
	if (changed > 0)
		*record = r;
	else
		memset(actions, 0, sizeof *actions);
	return changed;
}

unsigned rain_loan_due(const struct rain_loan_record *r, int64_t now_ms)
{
	unsigned todo = 0;
	bool over = rain_loan_is_over(r);

	if (r->state == RAIN_LOAN_ACCEPTED && !r->job_known)
		todo |= RAIN_LOAN_DUE_SUBMIT;
	if (is_waiting(r) && r->inputs && !r->staged)
		todo |= RAIN_LOAN_DUE_FETCH;
	/* Slurm takes up to a second to start it: that goes on beside the staging. */
	if (r->state == RAIN_LOAN_SUBMITTED)
		todo |= RAIN_LOAN_DUE_RELEASE;
	if (r->job_known && !r->job_over) {
		/* One that reported its own end is left to end in peace. */
		bool own_end = over && r->run_ms > 0 && !r->recalled && !r->evicting;
		if ((over && !own_end) || (!over && (r->recalled || r->evicting)) ||
		    (own_end && now_ms - r->ended_ms > RAIN_LOAN_LINGER_MS))
			todo |= RAIN_LOAN_DUE_CANCEL;
	}
	return todo;
}
