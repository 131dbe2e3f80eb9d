/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows that need attention, in memory: read anew after each change. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "federation/mind.h"

#define KEEP_MS 60000

struct rain_live_burst *rain_burst_live(const struct rain_gateway *gateway, const char *id)
{
	struct rain_live_burst *burst = rain_mind_of(gateway)->bursts;

	while (burst && strcmp(burst->row.id, id) != 0)
		burst = burst->next;
	return burst;
}

struct rain_live_loan *rain_loan_live(const struct rain_gateway *gateway, const char *id)
{
	struct rain_live_loan *loan = rain_mind_of(gateway)->loans;

	while (loan && strcmp(loan->row.id, id) != 0)
		loan = loan->next;
	return loan;
}

struct rain_live_burst *rain_burst_of_job(const struct rain_gateway *gateway, int64_t job_id)
{
	struct rain_live_burst *burst = rain_mind_of(gateway)->bursts, *found = NULL;

	for (; burst; burst = burst->next)
		if (burst->row.job_id == job_id &&
		    (!found || burst->row.record.bound_ms > found->row.record.bound_ms))
			found = burst;
	return found;
}

static void turn_soon(struct rain_mind *mind)
{
	event_active(mind->turn, EV_TIMEOUT, 0);
}

void rain_burst_touch(struct rain_gateway *gateway, const char *id)
{
	struct rain_mind *mind = rain_mind_of(gateway);
	struct rain_live_burst *burst = rain_burst_live(gateway, id);

	if (!burst) {
		burst = calloc(1, sizeof *burst);
		if (!burst)
			return; /* the tick's look at the database finds it */
		snprintf(burst->row.id, sizeof burst->row.id, "%s", id);
		burst->next = mind->bursts;
		mind->bursts = burst;
	}
	burst->live.touched = true;
	burst->live.changed_ms = rain_clock_monotonic_ms();
	turn_soon(mind);
}

void rain_loan_touch(struct rain_gateway *gateway, const char *id)
{
	struct rain_mind *mind = rain_mind_of(gateway);
	struct rain_live_loan *loan = rain_loan_live(gateway, id);

	if (!loan) {
		loan = calloc(1, sizeof *loan);
		if (!loan)
			return;
		snprintf(loan->row.id, sizeof loan->row.id, "%s", id);
		loan->next = mind->loans;
		mind->loans = loan;
	}
	loan->live.touched = true;
	loan->live.changed_ms = rain_clock_monotonic_ms();
	turn_soon(mind);
}

static void burst_drop(struct rain_mind *mind, struct rain_live_burst *burst)
{
	struct rain_live_burst **at = &mind->bursts;

	while (*at != burst)
		at = &(*at)->next;
	*at = burst->next;
	mind->dropped_ms = rain_clock_monotonic_ms();
	rain_waiters_end(&burst->waiters);
	rain_home_stop(burst);
	rain_burst_row_release(&burst->row);
	free(burst);
}

static void loan_drop(struct rain_mind *mind, struct rain_live_loan *loan)
{
	struct rain_live_loan **at = &mind->loans;

	while (*at != loan)
		at = &(*at)->next;
	*at = loan->next;
	rain_waiters_end(&loan->waiters);
	rain_lender_stop(loan);
	rain_loan_row_release(&loan->row);
	free(loan);
}

struct reading {
	const char *id;
	struct rain_burst_row burst;
	struct rain_loan_row loan;
	int found;
};

static int read_burst(PGconn *tx, void *arg, struct rain_error *err)
{
	struct reading *reading = arg;

	rain_burst_row_release(&reading->burst);
	reading->found = rain_burst_row_load(tx, reading->id, false, &reading->burst, err);
	return reading->found < 0 ? -1 : 0;
}

static int read_loan(PGconn *tx, void *arg, struct rain_error *err)
{
	struct reading *reading = arg;

	rain_loan_row_release(&reading->loan);
	reading->found = rain_loan_row_load(tx, reading->id, false, &reading->loan, err);
	return reading->found < 0 ? -1 : 0;
}

/* Nothing left to do.  One that ended well is kept for a while: a controller
 * that comes back with an older state may show its job as waiting again. */
static bool burst_is_done(const struct rain_live_burst *burst)
{
	bool is_old = burst->row.record.state == RAIN_BURST_VOID ||
		      rain_clock_realtime_ms() - burst->row.changed_ms > KEEP_MS;

	return rain_burst_is_done(&burst->row.record) && !burst->live.busy && is_old;
}

void rain_burst_drop_when_done(struct rain_gateway *gateway, struct rain_live_burst *burst)
{
	if (!burst_is_done(burst))
		return;
	rain_stream_remove(gateway, false, burst->row.id);
	burst_drop(rain_mind_of(gateway), burst);
}

static bool loan_is_done(const struct rain_live_loan *loan)
{
	return rain_loan_is_done(&loan->row.record) && loan->row.cleaned && !loan->live.busy;
}

/* false: the database is away. */
static bool burst_turn(struct rain_gateway *gateway, struct rain_live_burst *burst)
{
	struct reading reading = { .id = burst->row.id };
	struct rain_error err;

	burst->live.touched = false;
	if (rain_store_transaction(gateway->store, read_burst, &reading, &err) < 0) {
		burst->live.touched = true;
		rain_burst_row_release(&reading.burst);
		return false;
	}
	if (!reading.found) { /* its transaction was rolled back */
		burst_drop(rain_mind_of(gateway), burst);
		return true;
	}
	rain_burst_row_release(&burst->row);
	burst->row = reading.burst;
	rain_waiters_wake(&burst->waiters);
	rain_home_work(gateway, burst);
	rain_burst_drop_when_done(gateway, burst);
	return true;
}

static bool loan_turn(struct rain_gateway *gateway, struct rain_live_loan *loan)
{
	struct reading reading = { .id = loan->row.id };
	struct rain_error err;

	loan->live.touched = false;
	if (rain_store_transaction(gateway->store, read_loan, &reading, &err) < 0) {
		loan->live.touched = true;
		rain_loan_row_release(&reading.loan);
		return false;
	}
	if (!reading.found) {
		loan_drop(rain_mind_of(gateway), loan);
		return true;
	}
	rain_loan_row_release(&loan->row);
	loan->row = reading.loan;
	rain_leases_drop(gateway, loan->row.id);
	rain_waiters_wake(&loan->waiters);
	rain_lender_work(gateway, loan);
	if (loan_is_done(loan))
		loan_drop(rain_mind_of(gateway), loan);
	return true;
}

static struct rain_live_burst *touched_burst(const struct rain_mind *mind)
{
	struct rain_live_burst *burst = mind->bursts;

	while (burst && !burst->live.touched)
		burst = burst->next;
	return burst;
}

static struct rain_live_loan *touched_loan(const struct rain_mind *mind)
{
	struct rain_live_loan *loan = mind->loans;

	while (loan && !loan->live.touched)
		loan = loan->next;
	return loan;
}

void rain_live_turn(evutil_socket_t fd, short what, void *arg)
{
	struct rain_gateway *gateway = arg;
	struct rain_mind *mind = rain_mind_of(gateway);
	struct timeval again = { 0, 300000 };
	struct rain_live_burst *burst;
	struct rain_live_loan *loan;

	(void)fd;
	(void)what;
	/* Working on one may touch others, or drop itself: look from the start. */
	while ((burst = touched_burst(mind)))
		if (!burst_turn(gateway, burst))
			break;
	while ((loan = touched_loan(mind)))
		if (!loan_turn(gateway, loan))
			break;
	if (burst || loan)
		event_add(mind->turn, &again);
	if (mind->recovered)
		rain_candidates_work(gateway);
}

void rain_live_drop_all(struct rain_mind *mind)
{
	while (mind->bursts)
		burst_drop(mind, mind->bursts);
	while (mind->loans)
		loan_drop(mind, mind->loans);
}
