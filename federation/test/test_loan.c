/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "federation/loan.h"

static int step_at(struct rain_loan_record *r, struct rain_loan_event e, int64_t now, struct rain_loan_actions *a)
{
	struct rain_error err;

	if (!e.seq)
		e.seq = r->seq_in + 1;
	return rain_loan_step(r, &e, now, a, &err);
}

static int step(struct rain_loan_record *r, enum rain_loan_event_type type, struct rain_loan_actions *a)
{
	return step_at(r, (struct rain_loan_event){ .type = type, .claim_utok = 7 }, 2000, a);
}

static struct rain_loan_record fresh(void)
{
	return (struct rain_loan_record){ .accepted_ms = 1, .ceiling_utok = 100 };
}

static struct rain_loan_record running(void)
{
	struct rain_loan_record r = fresh();
	struct rain_loan_actions a;

	assert_int_equal(rain_loan_due(&r, 0), RAIN_LOAN_DUE_SUBMIT);
	assert_int_equal(step(&r, RAIN_LOAN_EVENT_SUBMITTED, &a), 1);
	assert_int_equal(rain_loan_due(&r, 0), RAIN_LOAN_DUE_RELEASE);
	assert_int_equal(step(&r, RAIN_LOAN_EVENT_RELEASED, &a), 1);
	assert_int_equal(step(&r, RAIN_LOAN_EVENT_STARTED, &a), -1);
	assert_int_equal(step(&r, RAIN_LOAN_EVENT_INPUTS, &a), 1);
	assert_int_equal(rain_loan_due(&r, 0), RAIN_LOAN_DUE_FETCH);
	assert_int_equal(step(&r, RAIN_LOAN_EVENT_STARTED, &a), -1);
	assert_int_equal(step(&r, RAIN_LOAN_EVENT_STAGED, &a), 1);
	assert_true(a.send_staged);
	assert_int_equal(step_at(&r, (struct rain_loan_event){ .type = RAIN_LOAN_EVENT_STARTED }, 1000, &a), 1);
	assert_true(a.send_started);
	assert_int_equal(r.state, RAIN_LOAN_RUNNING);
	return r;
}

static void test_the_good_way(void **state)
{
	struct rain_loan_record r = running();
	struct rain_loan_actions a;

	(void)state;
	assert_int_equal(step(&r, RAIN_LOAN_EVENT_STARTED, &a), 0);
	assert_int_equal(step_at(&r, (struct rain_loan_event){ .type = RAIN_LOAN_EVENT_EXIT, .code = 3, .claim_utok = 500 },
				 1500, &a), 1);
	assert_int_equal(r.state, RAIN_LOAN_RECEIPTED);
	assert_true(a.send_finished && a.send_receipt);
	assert_int_equal(r.claimed_utok, 100); /* never above the ceiling */
	assert_int_equal(r.run_ms, 500);
	assert_int_equal(r.outcome, RAIN_OUTCOME_EXITED);
	assert_int_equal(step(&r, RAIN_LOAN_EVENT_EXIT, &a), 0);
	assert_int_equal(rain_loan_due(&r, 1500), 0);
	assert_int_equal(rain_loan_due(&r, 1501 + RAIN_LOAN_LINGER_MS), RAIN_LOAN_DUE_CANCEL);
	assert_int_equal(step(&r, RAIN_LOAN_EVENT_JOB_OVER, &a), 1);
	assert_false(a.send_finished);
	assert_int_equal(step(&r, RAIN_LOAN_EVENT_DELIVERED, &a), 1);
	assert_int_equal(step(&r, RAIN_LOAN_EVENT_COUNTERSIGNED, &a), 1);
	assert_true(a.hold_post);
	assert_true(rain_loan_is_done(&r));
	assert_int_equal(step(&r, RAIN_LOAN_EVENT_COUNTERSIGNED, &a), -1);
	assert_int_equal(step(&r, RAIN_LOAN_EVENT_DISPUTED, &a), 1);
	assert_false(a.hold_void);
}

enum report { NO_REPORT, KILLED, TERMINATED };

static void judge(enum rain_loan_verdict verdict, enum report report, enum rain_outcome outcome, bool costs)
{
	struct rain_loan_record r = running();
	struct rain_loan_actions a;

	if (report) {
		assert_int_equal(step_at(&r, (struct rain_loan_event){ .type = RAIN_LOAN_EVENT_EXIT, .signal = 15,
					 .terminated = report == TERMINATED, .claim_utok = 7 }, 1500, &a), 1);
		assert_int_equal(r.state, RAIN_LOAN_EXITED);
		assert_false(a.send_finished);
	}
	assert_int_equal(step_at(&r, (struct rain_loan_event){ .type = RAIN_LOAN_EVENT_JOB_OVER, .verdict = verdict,
				 .claim_utok = 9 }, 1600, &a), 1);
	assert_true(a.send_finished);
	assert_int_equal(r.outcome, outcome);
	assert_int_equal(r.out_of_memory, verdict == RAIN_LOAN_VERDICT_OUT_OF_MEMORY);
	assert_int_equal(a.send_receipt, costs);
	assert_int_equal(a.hold_void, !costs);
	assert_int_equal(r.claimed_utok, !costs ? 0 : report ? 7 : 9);
}

static void test_how_it_ended(void **state)
{
	(void)state;
	judge(RAIN_LOAN_VERDICT_PREEMPTED, NO_REPORT, RAIN_OUTCOME_EVICTED, false);
	judge(RAIN_LOAN_VERDICT_CANCELLED, NO_REPORT, RAIN_OUTCOME_EVICTED, false);
	judge(RAIN_LOAN_VERDICT_NODE_FAIL, NO_REPORT, RAIN_OUTCOME_LOST, false);
	judge(RAIN_LOAN_VERDICT_COMPLETED, NO_REPORT, RAIN_OUTCOME_LOST, false);
	judge(RAIN_LOAN_VERDICT_FAILED, NO_REPORT, RAIN_OUTCOME_LOST, false);
	judge(RAIN_LOAN_VERDICT_UNKNOWN, NO_REPORT, RAIN_OUTCOME_LOST, false);
	judge(RAIN_LOAN_VERDICT_TIMEOUT, NO_REPORT, RAIN_OUTCOME_TIMEOUT, true);
	judge(RAIN_LOAN_VERDICT_OUT_OF_MEMORY, NO_REPORT, RAIN_OUTCOME_EXITED, true);
	judge(RAIN_LOAN_VERDICT_TIMEOUT, TERMINATED, RAIN_OUTCOME_TIMEOUT, true);
	judge(RAIN_LOAN_VERDICT_NODE_FAIL, TERMINATED, RAIN_OUTCOME_LOST, false);
	judge(RAIN_LOAN_VERDICT_FAILED, TERMINATED, RAIN_OUTCOME_EVICTED, false);
	judge(RAIN_LOAN_VERDICT_FAILED, KILLED, RAIN_OUTCOME_EXITED, true); /* kill -TERM $$ */
	judge(RAIN_LOAN_VERDICT_PREEMPTED, KILLED, RAIN_OUTCOME_EVICTED, false);
	judge(RAIN_LOAN_VERDICT_TIMEOUT, KILLED, RAIN_OUTCOME_TIMEOUT, true);
	judge(RAIN_LOAN_VERDICT_PREEMPTED, TERMINATED, RAIN_OUTCOME_EVICTED, false);
}

static void test_recall(void **state)
{
	struct rain_loan_record r = running();
	struct rain_loan_actions a;

	(void)state;
	assert_int_equal(step(&r, RAIN_LOAN_EVENT_RECALL, &a), 1);
	assert_false(a.send_finished);
	assert_int_equal(rain_loan_due(&r, 0), RAIN_LOAN_DUE_CANCEL);
	assert_int_equal(step(&r, RAIN_LOAN_EVENT_JOB_OVER, &a), 1);
	assert_int_equal(r.outcome, RAIN_OUTCOME_CANCELLED);
	assert_true(a.send_receipt);

	r = fresh();
	assert_int_equal(step(&r, RAIN_LOAN_EVENT_RECALL, &a), 1);
	assert_int_equal(r.state, RAIN_LOAN_CLOSED);
	assert_true(a.send_finished && a.hold_void);
	assert_int_equal(step(&r, RAIN_LOAN_EVENT_SUBMITTED, &a), 1); /* the broker's answer comes late */
	assert_int_equal(rain_loan_due(&r, 0), RAIN_LOAN_DUE_CANCEL);
	assert_false(rain_loan_is_done(&r));
}

static void test_withdrawing_what_runs_is_a_recall(void **state)
{
	struct rain_loan_record r = running();
	struct rain_loan_actions a;

	(void)state;
	assert_int_equal(step(&r, RAIN_LOAN_EVENT_WITHDRAWN, &a), 1);
	assert_false(a.hold_void);
	assert_true(r.recalled);
}

static void test_before_the_script_begins_nothing_is_owed(void **state)
{
	struct rain_loan_record r = fresh();
	struct rain_loan_actions a;

	(void)state;
	step(&r, RAIN_LOAN_EVENT_SUBMITTED, &a);
	step(&r, RAIN_LOAN_EVENT_RELEASED, &a);
	assert_int_equal(step(&r, RAIN_LOAN_EVENT_WITHDRAWN, &a), 1);
	assert_true(a.hold_void && !a.send_finished);
	assert_int_equal(rain_loan_due(&r, 0), RAIN_LOAN_DUE_CANCEL);
	assert_int_equal(step(&r, RAIN_LOAN_EVENT_STARTED, &a), -1);

	r = fresh();
	step(&r, RAIN_LOAN_EVENT_SUBMITTED, &a);
	step(&r, RAIN_LOAN_EVENT_INPUTS, &a);
	assert_int_equal(step(&r, RAIN_LOAN_EVENT_WITHDRAWN, &a), 1);
	assert_true(a.hold_void && a.send_finished);
	assert_int_equal(r.outcome, RAIN_OUTCOME_CANCELLED);
}

static void test_is_not_run_twice(void **state)
{
	struct rain_loan_record r = running();
	struct rain_loan_actions a;

	(void)state;
	assert_int_equal(step(&r, RAIN_LOAN_EVENT_STARTED, &a), 0); /* it didn't hear us */
	assert_int_equal(step_at(&r, (struct rain_loan_event){ .type = RAIN_LOAN_EVENT_STARTED, .other_agent = true },
				 1500, &a), -1);
	assert_int_equal(step_at(&r, (struct rain_loan_event){ .type = RAIN_LOAN_EVENT_EXIT, .other_agent = true,
				 .failed = true, .code = 125 }, 1500, &a), 0);
	assert_int_equal(step_at(&r, (struct rain_loan_event){ .type = RAIN_LOAN_EVENT_EXIT, .failed = true, .code = 125 },
				 1500, &a), 1);
	assert_int_equal(r.outcome, RAIN_OUTCOME_LOST);
}

static void test_orphan(void **state)
{
	struct rain_loan_record r = fresh();
	struct rain_loan_actions a;
	struct rain_loan_event tick = { .type = RAIN_LOAN_EVENT_TICK };

	(void)state;
	step(&r, RAIN_LOAN_EVENT_SUBMITTED, &a);
	assert_int_equal(step_at(&r, tick, RAIN_LOAN_INPUTS_MS, &a), 0);
	assert_int_equal(step_at(&r, tick, RAIN_LOAN_INPUTS_MS + 1, &a), 1);
	assert_int_equal(r.outcome, RAIN_OUTCOME_LOST);
	assert_int_equal(rain_loan_due(&r, 0), RAIN_LOAN_DUE_CANCEL);
}

/* --- every state that can be reached, with every event --- */

struct node {
	struct rain_loan_record r;
	bool resolved, told;
};

#define NODES_MAX 8192
static struct node nodes[NODES_MAX];
static size_t node_count;

static bool same(const struct rain_loan_record *a, const struct rain_loan_record *b)
{
	return a->state == b->state && a->job_known == b->job_known && a->job_over == b->job_over &&
	       a->inputs == b->inputs && a->staged == b->staged && a->recalled == b->recalled &&
	       a->evicting == b->evicting && a->delivered == b->delivered && a->outcome == b->outcome && a->terminated == b->terminated &&
	       (a->claimed_utok > 0) == (b->claimed_utok > 0) && (a->started_ms > 0) == (b->started_ms > 0);
}

static void keep(const struct node *node)
{
	for (size_t i = 0; i < node_count; i++)
		if (same(&nodes[i].r, &node->r) && nodes[i].resolved == node->resolved && nodes[i].told == node->told)
			return;
	assert_true(node_count < NODES_MAX);
	nodes[node_count++] = *node;
}

static void check(const struct node *n, const struct rain_loan_actions *a)
{
	const struct rain_loan_record *r = &n->r;

	assert_false(a->hold_void && a->hold_post);
	assert_int_equal(n->resolved, r->state == RAIN_LOAN_CLOSED || r->state == RAIN_LOAN_VOID);
	if (a->send_receipt)
		assert_true(a->send_finished && r->claimed_utok > 0 && r->started_ms > 0);
	if (n->told)
		assert_true(rain_loan_is_over(r));
	if (r->state == RAIN_LOAN_RECEIPTED || r->state == RAIN_LOAN_CLOSED)
		assert_true(rain_outcome_is_final(r->outcome));
	if (r->state == RAIN_LOAN_RELEASED || r->state == RAIN_LOAN_RUNNING || r->state == RAIN_LOAN_EXITED)
		assert_true(r->job_known);
	if (r->state == RAIN_LOAN_RUNNING || r->state == RAIN_LOAN_EXITED || r->started_ms > 0)
		assert_true(r->staged);
	if (r->staged)
		assert_true(r->inputs);
	/* A job that nobody wants any more is cancelled, sooner or later. */
	if (rain_loan_is_over(r) && r->job_known && !r->job_over)
		assert_true(rain_loan_due(r, INT64_MAX / 2) & RAIN_LOAN_DUE_CANCEL);
	assert_true(r->claimed_utok >= 0 && r->claimed_utok <= r->ceiling_utok);
}

static void visit(const struct node *from, int type, int variant)
{
	struct node n = *from;
	struct rain_loan_actions a;
	struct rain_error err = { "" };
	struct rain_loan_event e = {
		.type = (enum rain_loan_event_type)type, .seq = n.r.seq_in + 1, .claim_utok = variant % 2 ? 0 : 500,
		.terminated = variant / 2 % 2, .verdict = (enum rain_loan_verdict)(variant / 4 % RAIN_LOAN_VERDICTS),
	};
	int changed = rain_loan_step(&n.r, &e, 1000000000, &a, &err);

	if (changed < 0) {
		assert_true(err.text[0] != '\0');
		assert_memory_equal(&n.r, &from->r, sizeof n.r);
		return;
	}
	if (a.hold_void || a.hold_post) {
		assert_false(from->resolved);
		n.resolved = true;
	}
	if (a.send_finished) {
		assert_false(from->told);
		n.told = true;
	}
	check(&n, &a);
	keep(&n);
}

static void test_all_of_it(void **state)
{
	struct node first = { .r = fresh() };

	(void)state;
	keep(&first);
	for (size_t i = 0; i < node_count; i++)
		for (int type = 0; type < RAIN_LOAN_EVENTS; type++)
			for (int variant = 0; variant < 4 * RAIN_LOAN_VERDICTS; variant++)
				visit(&nodes[i], type, variant);
	assert_true(node_count > 100);
	/* Wherever it is: recall, the end of the job and a countersignature close it. */
	for (size_t i = 0; i < node_count; i++) {
		struct rain_loan_record r = nodes[i].r;
		struct rain_loan_actions a;

		step(&r, RAIN_LOAN_EVENT_RECALL, &a);
		step(&r, RAIN_LOAN_EVENT_JOB_OVER, &a);
		if (r.state == RAIN_LOAN_RECEIPTED)
			assert_int_equal(step(&r, RAIN_LOAN_EVENT_COUNTERSIGNED, &a), 1);
		assert_true(rain_loan_is_done(&r));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_good_way),
		cmocka_unit_test(test_how_it_ended),
		cmocka_unit_test(test_recall),
		cmocka_unit_test(test_withdrawing_what_runs_is_a_recall),
		cmocka_unit_test(test_before_the_script_begins_nothing_is_owed),
		cmocka_unit_test(test_is_not_run_twice),
		cmocka_unit_test(test_orphan),
		cmocka_unit_test(test_all_of_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
