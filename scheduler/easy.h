/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_SCHEDULER_EASY_H
#define RAIN_SCHEDULER_EASY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * EASY backfilling on one machine.  Pure.
 *
 * One waiting job, the head, has a reservation: the earliest time at which, by
 * the planned ends of what runs, enough processors are free.  Another job may
 * start before it only when it fits now and either ends by then or leaves the
 * head's processors alone.  The head is whoever's turn comes first; the others
 * are backfilled in the order of their keys.  Who uses it calls, whenever
 * something has changed,
 *
 *	while (rain_easy_take(easy, now, &waiting))
 *		rain_easy_start(easy, now, …);
 *
 * Jobs are known by a number of the caller's and by `seq`, their place in the
 * order of arrival, which is unique.  Times are seconds.
 */
struct rain_waiting {
	int64_t seq;
	int64_t turn;  /* the smallest is the head; the same turn: the smaller seq */
	int64_t key;   /* backfill the smallest first; the same key: the smaller seq */
	int32_t plan;  /* planned seconds, > 0 */
	int32_t procs;
	uint32_t job;
};

/* A turn that lets short jobs go first and none starve: the moment by which a job
 * should have started so as to wait at most `patience` times what it is expected to
 * run.  Only jobs submitted before that moment can ever come before it, so their
 * number is finite, and with a bounded load so is its wait. */
static inline int64_t rain_easy_deadline(int64_t submitted, int32_t expected, int32_t patience)
{
	return submitted + (int64_t)expected * patience;
}

struct rain_running {
	int64_t end;   /* planned */
	int64_t bound; /* by then it has surely ended: start + limit */
	int64_t start;
	int32_t procs;
	uint32_t job;
};

struct rain_easy {
	int32_t procs, free;
	struct rain_waiting *queue; /* in the order of backfilling */
	size_t waiting, queue_size;
	struct rain_running *running; /* by planned end */
	size_t active, running_size;

	/* Private: the head's reservation, and what part of the queue has yet
	 * to be looked at. */
	bool reserved;
	size_t head;
	int64_t shadow;
	int32_t extra;
	size_t scan, scan_end;
};

void rain_easy_init(struct rain_easy *easy, int32_t procs);
void rain_easy_release(struct rain_easy *easy);

/* A job arrives. procs must be 1..easy->procs. -1: no memory. */
int rain_easy_add(struct rain_easy *easy, const struct rain_waiting *waiting);

/* A waiting job leaves without having started here. False: it wasn't there. */
bool rain_easy_remove(struct rain_easy *easy, const struct rain_waiting *waiting);

/* Takes from the queue a job that must start now; false when there is none. */
bool rain_easy_take(struct rain_easy *easy, int64_t now, struct rain_waiting *taken);

/* True when a job from elsewhere could start now without delaying the head.
 * Call it only after rain_easy_take has said that nothing is left to start. */
bool rain_easy_fits(struct rain_easy *easy, int64_t now, int32_t procs, int32_t plan);

/* Gives processors to a job. plan: seconds that it is expected to need; limit:
 * seconds after which it ends for sure. -1: no memory. */
int rain_easy_start(struct rain_easy *easy, int64_t now, uint32_t job, int32_t procs,
		    int32_t plan, int32_t limit);

/* The job has ended; false when it wasn't running here. */
bool rain_easy_finish(struct rain_easy *easy, uint32_t job);

/* When the head can start by plan; `now` when nothing waits. Call it only after
 * rain_easy_take has returned false. */
int64_t rain_easy_reservation(struct rain_easy *easy, int64_t now);

/* When each waiting job will start if all goes by plan and nobody else comes:
 * starts[i] is for easy->queue[i], nth[i] (may be NULL) how many start before it.
 * A backfill simulation of the live queue, which leaves easy as it is. It ends early
 * when it has looked at `steps` waiting jobs (0: no bound): the jobs that haven't
 * started by then get RAIN_EASY_LATER, and *reached (may be NULL) is how far it came.
 * -1: no memory. */
#define RAIN_EASY_LATER INT64_MAX
int rain_easy_forecast(const struct rain_easy *easy, int64_t now, uint64_t steps,
		       int64_t starts[], uint32_t nth[], int64_t *reached);

/* The waiting job that has the reservation, or NULL. */
const struct rain_waiting *rain_easy_head(const struct rain_easy *easy);

#endif
