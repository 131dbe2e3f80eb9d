/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The load: DGEMM of whatever BLAS the node has, which is the one that HPL uses
 * there too.  Processes instead of threads, since not every BLAS likes to be
 * called by several threads.
 */
#include "scheduler/survey.h"

#include <cblas.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ORDER 384	    /* of the matrices: 3.4 MB together */
#define ADDS 64		    /* in a row */
#define SLICE_ROUNDS 40000  /* of ADDS: milliseconds at any clock */
#define SLICES 9

static int64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Additions of which each needs the result of the one before take a cycle each,
 * on every processor.  Registers only: an immediate might be folded away.  The
 * process' own time counts, so that others on the machine don't. */
static int64_t slice_khz(void)
{
	unsigned long sum = 1, step = 3;
	int64_t start, taken;

	__asm__ volatile("" : "+r"(step));
	start = now_ns(CLOCK_THREAD_CPUTIME_ID);
	for (int i = 0; i < SLICE_ROUNDS; i++) {
#pragma GCC unroll 64
		for (int add = 0; add < ADDS; add++) {
			sum += step;
			__asm__ volatile("" : "+r"(sum));
		}
	}
	taken = now_ns(CLOCK_THREAD_CPUTIME_ID) - start;
	return taken > 0 ? (int64_t)SLICE_ROUNDS * ADDS * 1000000 / taken : 0;
}

/* Interrupts only make a slice slower: the best one counts. */
static int64_t clock_khz(void)
{
	int64_t best = 0;

	for (int i = 0; i < SLICES; i++) {
		int64_t khz = slice_khz();

		if (khz > best)
			best = khz;
	}
	return best;
}

static int multiply(struct rain_survey_worker *worker, int seconds)
{
	double *a = malloc(sizeof(double) * ORDER * ORDER * 3), *b = a + ORDER * ORDER,
	       *c = b + ORDER * ORDER;
	int64_t start, cpu, until, rounds = 0;

	if (!a)
		return -1;
	for (int i = 0; i < ORDER * ORDER * 3; i++)
		a[i] = 1.0 / (1 + i % 97);
	/* once without counting: pages and buffers */
	cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, ORDER, ORDER, ORDER, 1, a, ORDER, b, ORDER,
		    0, c, ORDER);
	start = now_ns(CLOCK_MONOTONIC);
	cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	until = start + (int64_t)seconds * 1000000000;
	do {
		cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, ORDER, ORDER, ORDER, 1, a, ORDER, b,
			    ORDER, 0, c, ORDER);
		rounds++;
	} while (now_ns(CLOCK_MONOTONIC) < until);
	worker->wall_ns = now_ns(CLOCK_MONOTONIC) - start;
	worker->cpu_ns = now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	worker->mflops = (int64_t)((double)rounds * 2 * ORDER * ORDER * ORDER * 1000 / (double)worker->wall_ns);
	free(a);
	return 0;
}

static int work(struct rain_survey_worker *worker, pthread_barrier_t *barrier, int seconds)
{
	cpu_set_t set;
	int failed;

	CPU_ZERO(&set);
	CPU_SET((size_t)worker->cpu, &set);
	failed = sched_setaffinity(0, sizeof set, &set) < 0;
	pthread_barrier_wait(barrier);
	worker->clock_begin_khz = clock_khz();
	failed = multiply(worker, seconds) < 0 || failed;
	worker->clock_end_khz = clock_khz();
	worker->done = !failed;
	return failed;
}

static int collect(pid_t pids[], int started, int count, const struct rain_survey_worker workers[],
		   struct rain_error *err)
{
	int failed = started < count;

	/* One that is missing would leave the others at the barrier for ever. */
	for (int i = 0; failed && i < started; i++)
		kill(pids[i], SIGKILL);
	for (int i = 0; i < started; i++) {
		int status;

		while (waitpid(pids[i], &status, 0) < 0 && errno == EINTR)
			;
		failed = failed || !WIFEXITED(status) || WEXITSTATUS(status) != 0 || !workers[i].done;
	}
	return failed ? rain_error_set(err, "not every core could be put under load: can processes be "
				       "bound to all of them here?") : 0;
}

int rain_survey_load(struct rain_survey_worker workers[], int count, int seconds,
		     struct rain_error *err)
{
	struct shared {
		pthread_barrier_t barrier;
		struct rain_survey_worker workers[];
	} *shared;
	size_t size = sizeof *shared + (size_t)count * sizeof *workers;
	pid_t *pids = calloc((size_t)count, sizeof *pids);
	pthread_barrierattr_t shares;
	int started = 0, rc;

	shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!pids || shared == MAP_FAILED) {
		free(pids);
		return rain_error_set(err, "no memory to measure %d cores", count);
	}
	memcpy(shared->workers, workers, (size_t)count * sizeof *workers);
	pthread_barrierattr_init(&shares);
	pthread_barrierattr_setpshared(&shares, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&shared->barrier, &shares, (unsigned)count);
	pthread_barrierattr_destroy(&shares);
	for (; started < count; started++) {
		pids[started] = fork();
		if (pids[started] == 0)
			_exit(work(&shared->workers[started], &shared->barrier, seconds));
		if (pids[started] < 0)
			break;
	}
	rc = collect(pids, started, count, shared->workers, err);
	memcpy(workers, shared->workers, (size_t)count * sizeof *workers);
	munmap(shared, size);
	free(pids);
	return rc;
}
