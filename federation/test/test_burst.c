/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "federation/burst.h"

static int step(struct rain_burst_record *r, enum rain_burst_event_type type, struct rain_burst_actions *a)
{
	struct rain_burst_event e = { .type = type, .outcome = RAIN_OUTCOME_EXITED, .claimed_utok = 5,
				      .seq = r->seq_in + 1 };
	struct rain_error err;
	return rain_burst_step(r, &e, 1000, a, &err);
}

static struct rain_burst_record fresh(void)
{
	return (struct rain_burst_record){ .bound_ms = 1 };
}

static void test_the_good_way(void **state)
{
	struct rain_burst_record r = fresh();
	struct rain_burst_actions a;

	(void)state;
	assert_int_equal(rain_burst_due(&r), RAIN_BURST_DUE_BIND);
	assert_int_equal(step(&r, RAIN_BURST_EVENT_BIND_DONE, &a), 1);
	assert_int_equal(step(&r, RAIN_BURST_EVENT_ACCEPTED, &a), 1);
	assert_int_equal(r.state, RAIN_BURST_PLACED);
	assert_false(a.send_inputs);
	assert_int_equal(step(&r, RAIN_BURST_EVENT_INPUTS, &a), 1);
	assert_true(a.send_inputs);
	assert_int_equal(r.inputs_ms, 1000);
	assert_int_equal(step(&r, RAIN_BURST_EVENT_INPUTS, &a), 0);
	assert_int_equal(step(&r, RAIN_BURST_EVENT_STAGED, &a), 1);
	assert_int_equal(step(&r, RAIN_BURST_EVENT_STARTED, &a), 1);
	assert_int_equal(r.state, RAIN_BURST_RUNNING);
	assert_int_equal(step(&r, RAIN_BURST_EVENT_SIGNAL, &a), 1);
	assert_true(a.send_signal);
	assert_int_equal(step(&r, RAIN_BURST_EVENT_FINISHED, &a), 1);
	assert_int_equal(r.state, RAIN_BURST_ENDED);
	assert_false(a.hold_void || a.hold_post);
	assert_int_equal(step(&r, RAIN_BURST_EVENT_SETTLE, &a), 1);
	assert_true(a.hold_post);
	assert_int_equal(step(&r, RAIN_BURST_EVENT_DELIVERED, &a), 1);
	assert_true(a.send_delivered);
	assert_false(rain_burst_is_done(&r));
	assert_int_equal(step(&r, RAIN_BURST_EVENT_JOB_OVER, &a), 1);
	assert_true(rain_burst_is_done(&r));
}

static void test_inputs_wait_for_accepted(void **state)
{
	struct rain_burst_record r = fresh();
	struct rain_burst_actions a;

	(void)state;
	assert_int_equal(step(&r, RAIN_BURST_EVENT_INPUTS, &a), 1);
	assert_false(a.send_inputs);
	assert_int_equal(r.job, RAIN_BURST_JOB_BOUND);
	assert_int_equal(step(&r, RAIN_BURST_EVENT_ACCEPTED, &a), 1);
	assert_true(a.send_inputs);
}

static void test_started_at_home_meanwhile(void **state)
{
	struct rain_burst_record r = fresh();
	struct rain_burst_actions a;

	(void)state;
	assert_int_equal(step(&r, RAIN_BURST_EVENT_BIND_REFUSED, &a), 1);
	assert_true(a.send_withdrawn && a.hold_void);
	assert_int_equal(r.state, RAIN_BURST_VOID);
	assert_true(rain_burst_is_done(&r));
	assert_int_equal(step(&r, RAIN_BURST_EVENT_ACCEPTED, &a), 0);
	assert_int_equal(step(&r, RAIN_BURST_EVENT_DELIVERED, &a), 0);
	assert_false(a.send_delivered);
}

static void test_rejected_goes_home(void **state)
{
	struct rain_burst_record r = fresh();
	struct rain_burst_actions a;

	(void)state;
	step(&r, RAIN_BURST_EVENT_BIND_DONE, &a);
	assert_int_equal(step(&r, RAIN_BURST_EVENT_REJECTED, &a), 1);
	assert_true(a.hold_void);
	assert_false(a.send_withdrawn);
	assert_int_equal(rain_burst_due(&r), RAIN_BURST_DUE_RETURN);
	assert_int_equal(step(&r, RAIN_BURST_EVENT_RETURN_DONE, &a), 1);
	assert_true(rain_burst_is_done(&r));
}

static void test_cancelled_at_home(void **state)
{
	struct rain_burst_record r = fresh();
	struct rain_burst_actions a;
	struct rain_burst_event e = { .type = RAIN_BURST_EVENT_FINISHED, .outcome = RAIN_OUTCOME_CANCELLED,
				      .claimed_utok = 3 };

	(void)state;
	step(&r, RAIN_BURST_EVENT_INPUTS, &a);
	step(&r, RAIN_BURST_EVENT_ACCEPTED, &a);
	step(&r, RAIN_BURST_EVENT_STARTED, &a);
	assert_int_equal(rain_burst_step(&r, &e, 5, &a, NULL), -1); /* nobody recalled it */
	assert_int_equal(step(&r, RAIN_BURST_EVENT_JOB_OVER, &a), 1);
	assert_true(a.send_recall);
	assert_int_equal(step(&r, RAIN_BURST_EVENT_JOB_OVER, &a), 0);
	assert_int_equal(rain_burst_step(&r, &e, 5, &a, NULL), 1);
	assert_int_equal(r.state, RAIN_BURST_ENDED);
	assert_true(a.send_delivered);
}

static void test_evicted_costs_nothing(void **state)
{
	struct rain_burst_record r = fresh();
	struct rain_burst_actions a;
	struct rain_burst_event e = { .type = RAIN_BURST_EVENT_FINISHED, .outcome = RAIN_OUTCOME_EVICTED };

	(void)state;
	step(&r, RAIN_BURST_EVENT_INPUTS, &a);
	step(&r, RAIN_BURST_EVENT_ACCEPTED, &a);
	step(&r, RAIN_BURST_EVENT_STARTED, &a);
	assert_int_equal(step(&r, RAIN_BURST_EVENT_EVICT, &a), 1);
	assert_int_equal(rain_burst_step(&r, &e, 5, &a, NULL), 1);
	assert_true(a.hold_void);
	assert_int_equal(r.state, RAIN_BURST_VOID);
	assert_int_equal(r.job, RAIN_BURST_JOB_TO_RETURN);
	assert_int_equal(step(&r, RAIN_BURST_EVENT_SETTLE, &a), -1);
}

static void test_ends_of_slurm(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct rain_burst_record r = fresh();
		struct rain_burst_actions a;
		struct rain_burst_event e = { .type = RAIN_BURST_EVENT_FINISHED, .claimed_utok = 1,
					      .outcome = i ? RAIN_OUTCOME_EXITED : RAIN_OUTCOME_TIMEOUT,
					      .out_of_memory = i == 1 };

		step(&r, RAIN_BURST_EVENT_INPUTS, &a);
		step(&r, RAIN_BURST_EVENT_ACCEPTED, &a);
		step(&r, RAIN_BURST_EVENT_STARTED, &a);
		assert_int_equal(rain_burst_step(&r, &e, 5, &a, NULL), 1);
		assert_int_equal(r.timed_out, i == 0);
		assert_int_equal(r.out_of_memory, i == 1);
		assert_int_equal(rain_burst_due(&r), 0); /* not before the user has it all */
		step(&r, RAIN_BURST_EVENT_DELIVERED, &a);
		assert_int_equal(rain_burst_due(&r), i < 2 ? RAIN_BURST_DUE_END : 0);
		step(&r, RAIN_BURST_EVENT_JOB_OVER, &a);
		assert_int_equal(rain_burst_due(&r), 0);
	}
}

static void test_a_forgetful_controller(void **state)
{
	struct rain_burst_record r = fresh();
	struct rain_burst_actions a;

	(void)state;
	step(&r, RAIN_BURST_EVENT_INPUTS, &a);
	step(&r, RAIN_BURST_EVENT_ACCEPTED, &a);
	step(&r, RAIN_BURST_EVENT_STARTED, &a);
	step(&r, RAIN_BURST_EVENT_FINISHED, &a);
	assert_int_equal(step(&r, RAIN_BURST_EVENT_JOB_UNBOUND, &a), 1);
	assert_int_equal(rain_burst_due(&r), RAIN_BURST_DUE_BIND);
	assert_int_equal(step(&r, RAIN_BURST_EVENT_BIND_DONE, &a), 1);
	assert_int_equal(step(&r, RAIN_BURST_EVENT_INPUTS, &a), 0); /* the new relay */
	assert_int_equal(step(&r, RAIN_BURST_EVENT_DELIVERED, &a), 1);
	assert_int_equal(step(&r, RAIN_BURST_EVENT_JOB_OVER, &a), 1);
	assert_int_equal(step(&r, RAIN_BURST_EVENT_JOB_UNBOUND, &a), 1); /* and once more */
	assert_int_equal(step(&r, RAIN_BURST_EVENT_BIND_DONE, &a), 1);
	assert_int_equal(step(&r, RAIN_BURST_EVENT_DELIVERED, &a), 0);
	assert_int_equal(step(&r, RAIN_BURST_EVENT_JOB_OVER, &a), 1);
}

static void test_waits_no_longer_than_promised(void **state)
{
	struct rain_burst_record r = fresh();
	struct rain_burst_actions a;
	struct rain_burst_event tick = { .type = RAIN_BURST_EVENT_TICK };

	(void)state;
	assert_int_equal(rain_burst_step(&r, &tick, RAIN_BURST_ACCEPT_MS, &a, NULL), 0);
	assert_int_equal(rain_burst_step(&r, &tick, RAIN_BURST_ACCEPT_MS + 1, &a, NULL), 1);
	assert_true(a.send_withdrawn && a.hold_void);
	assert_int_equal(r.job, RAIN_BURST_JOB_TO_RETURN);
}

static void test_a_withheld_receipt_frees_the_hold(void **state)
{
	struct rain_burst_record r = fresh();
	struct rain_burst_actions a;
	struct rain_burst_event tick = { .type = RAIN_BURST_EVENT_TICK };

	(void)state;
	r.state = RAIN_BURST_ENDED;
	r.inputs_given = r.inputs_sent = true;
	r.finished_ms = 1000;
	assert_int_equal(rain_burst_step(&r, &tick, 999 + RAIN_BURST_RECEIPT_MS, &a, NULL), 0);
	assert_int_equal(rain_burst_step(&r, &tick, 1000 + RAIN_BURST_RECEIPT_MS, &a, NULL), 1);
	assert_true(a.hold_void && !a.hold_post);
	assert_int_equal(r.state, RAIN_BURST_SETTLED);
	assert_int_equal(step(&r, RAIN_BURST_EVENT_SETTLE, &a), -1);
}

static void test_numbers_go_up(void **state)
{
	struct rain_burst_record r = fresh();
	struct rain_burst_actions a;
	struct rain_burst_event e = { .type = RAIN_BURST_EVENT_STAGED, .seq = 0 };

	(void)state;
	step(&r, RAIN_BURST_EVENT_INPUTS, &a);
	step(&r, RAIN_BURST_EVENT_ACCEPTED, &a);
	assert_int_equal(rain_burst_step(&r, &e, 5, &a, NULL), -1);
	e.seq = 4;
	assert_int_equal(rain_burst_step(&r, &e, 5, &a, NULL), 1);
	assert_int_equal(rain_burst_step(&r, &e, 5, &a, NULL), -1);
}

/* --- every state that can be reached, with every event --- */

struct node {
	struct rain_burst_record r;
	bool resolved; /* the hold */
	bool requeued; /* somebody else took the job back */
	bool finished; /* the lender said it's over */
};

#define NODES_MAX 4096
static struct node nodes[NODES_MAX];
static size_t node_count;

static bool same(const struct node *a, const struct node *b)
{
	return a->r.state == b->r.state && a->r.job == b->r.job && a->r.inputs_given == b->r.inputs_given &&
	       a->r.inputs_sent == b->r.inputs_sent && a->r.recalled == b->r.recalled &&
	       a->r.delivered == b->r.delivered && a->resolved == b->resolved && a->requeued == b->requeued &&
	       a->finished == b->finished;
}

static void keep(const struct node *node)
{
	for (size_t i = 0; i < node_count; i++)
		if (same(&nodes[i], node))
			return;
	assert_true(node_count < NODES_MAX);
	nodes[node_count++] = *node;
}

static void check(const struct node *n, const struct rain_burst_actions *a)
{
	bool over = n->r.state == RAIN_BURST_SETTLED || n->r.state == RAIN_BURST_VOID;

	assert_false(a->hold_void && a->hold_post);
	assert_int_equal(n->resolved, over);
	if (n->r.inputs_sent) {
		assert_true(n->r.inputs_given && n->r.inputs_ms > 0);
		assert_true(n->r.state != RAIN_BURST_BOUND);
	} else {
		assert_true(n->r.state == RAIN_BURST_BOUND || n->r.state == RAIN_BURST_PLACED ||
			    n->r.state == RAIN_BURST_VOID);
		assert_false(n->r.recalled);
	}
	/* RAIN itself brings a job home only when it can't be running there. */
	if (n->r.job == RAIN_BURST_JOB_TO_RETURN && n->r.inputs_sent)
		assert_true(n->finished || n->requeued);
	if (n->r.job == RAIN_BURST_JOB_TO_RETURN)
		assert_true(n->r.recalled || over || n->r.state == RAIN_BURST_ENDED);
	/* Nothing that is open is forgotten. */
	if (rain_burst_is_done(&n->r))
		assert_true(over && rain_burst_due(&n->r) == 0);
}

static void visit(const struct node *from, enum rain_burst_event_type type, enum rain_outcome outcome,
		  int64_t claim)
{
	struct node n = *from;
	struct rain_burst_actions a;
	struct rain_error err = { "" };
	struct rain_burst_event e = { .type = type, .outcome = outcome, .claimed_utok = claim, .seq = n.r.seq_in + 1 };
	int changed = rain_burst_step(&n.r, &e, 1000000000, &a, &err);

	if (changed < 0) {
		assert_true(err.text[0] != '\0');
		assert_memory_equal(&n.r, &from->r, sizeof n.r);
		return;
	}
	if (a.hold_void || a.hold_post) {
		assert_false(from->resolved);
		n.resolved = true;
	}
	if (type == RAIN_BURST_EVENT_FINISHED && changed)
		n.finished = true;
	if (type == RAIN_BURST_EVENT_JOB_REQUEUED && changed)
		n.requeued = true;
	check(&n, &a);
	keep(&n);
}

static void test_all_of_it(void **state)
{
	struct node first = { .r = fresh() };

	(void)state;
	keep(&first);
	for (size_t i = 0; i < node_count; i++)
		for (int type = 0; type < RAIN_BURST_EVENTS; type++)
			for (int outcome = RAIN_OUTCOME_EXITED; outcome < RAIN_OUTCOMES; outcome++)
				for (int64_t claim = 0; claim < 2; claim++)
					visit(&nodes[i], (enum rain_burst_event_type)type,
					      (enum rain_outcome)outcome, claim);
	assert_true(node_count > 30);
	/* Wherever it is, it can come to an end. */
	for (size_t i = 0; i < node_count; i++) {
		struct node n = nodes[i];
		struct rain_burst_actions a;

		n.r.bound_ms = 1;
		step(&n.r, RAIN_BURST_EVENT_JOB_OVER, &a);
		step(&n.r, RAIN_BURST_EVENT_FINISHED, &a);
		if (n.r.state == RAIN_BURST_ENDED)
			step(&n.r, RAIN_BURST_EVENT_SETTLE, &a);
		assert_true(rain_burst_is_done(&n.r));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_good_way),
		cmocka_unit_test(test_inputs_wait_for_accepted),
		cmocka_unit_test(test_started_at_home_meanwhile),
		cmocka_unit_test(test_rejected_goes_home),
		cmocka_unit_test(test_cancelled_at_home),
		cmocka_unit_test(test_evicted_costs_nothing),
		cmocka_unit_test(test_ends_of_slurm),
		cmocka_unit_test(test_a_forgetful_controller),
		cmocka_unit_test(test_waits_no_longer_than_promised),
		cmocka_unit_test(test_a_withheld_receipt_frees_the_hold),
		cmocka_unit_test(test_numbers_go_up),
		cmocka_unit_test(test_all_of_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
