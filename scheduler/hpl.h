/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_SCHEDULER_HPL_H
#define RAIN_SCHEDULER_HPL_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/*
 * High-Performance Linpack: what to ask of it, and what its answer says.  Pure.
 *
 * HPL factors a dense matrix of order N in blocks of NB on a grid of P x Q
 * processes, which takes 2/3 N^3 + 3/2 N^2 operations (Petitet, Whaley, Dongarra,
 * Cleary: HPL 2.3).
 */

struct rain_hpl_problem {
	int64_t order; /* N */
	int64_t block; /* NB */
	int64_t rows, columns; /* P <= Q, P * Q processes */
};

struct rain_hpl_machine {
	int64_t nodes, cores_per_node;
	int64_t mem_mb_per_node;
	int64_t mflops_per_core; /* of DGEMM; bounds the time */
};

/* The largest problem whose matrix fills at most `mem_percent` of the memory and
 * which, at DGEMM's speed, takes about `seconds`; the most square grid. -1 with err
 * when a number is out of range. */
int rain_hpl_choose(const struct rain_hpl_machine *machine, int64_t mem_percent, int64_t seconds,
		    struct rain_hpl_problem *problem, struct rain_error *err);

/* The text of HPL.dat (and hpccinf.txt) for one problem, which makes HPL write to
 * stdout; the extra lines are for hpcc. -1 when `size` is too small. */
int rain_hpl_input(const struct rain_hpl_problem *problem, char *text, size_t size);

struct rain_hpl_result {
	struct rain_hpl_problem problem;
	double seconds;
	int64_t mflops; /* of the whole machine */
};

/* Reads the fastest run out of what HPL (or hpcc) printed.  Speeds come in two
 * forms, 9.525e+00 and 18.26, and whoever overlooks the exponent is wrong by
 * powers of ten: each is checked against N and the time.  -1 with err when there is
 * no run, one whose residual check failed or is missing, or one that contradicts
 * itself. */
int rain_hpl_parse(const char *text, size_t size, struct rain_hpl_result *result,
		   struct rain_error *err);

#endif
