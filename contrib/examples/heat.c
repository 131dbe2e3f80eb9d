// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Heat in a square plate: Jacobi's method on an n x n grid, rows shared out
 * over the ranks, neighbours exchanged each step.  The top edge is kept at
 * 100 degrees, the others at 0.
 *
 *   mpicc -O2 -o heat heat.c && srun --mpi=pmix ./heat heat.in
 *
 * heat.in holds "size N" and "steps N".
 */
#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct problem {
	int size, steps;
};

struct plate {
	int rank, ranks, rows, size;
	double *now, *next; /* rows + 2 rows of size columns: one halo row each side */
};

static int problem_read(const char *path, struct problem *problem)
{
	FILE *file = fopen(path, "r");
	char key[16];
	int value;

	if (!file) {
		perror(path);
		return -1;
	}
	while (fscanf(file, "%15s %d", key, &value) == 2) {
		if (strcmp(key, "size") == 0)
			problem->size = value;
		else if (strcmp(key, "steps") == 0)
			problem->steps = value;
	}
	fclose(file);
	if (problem->size < 3 || problem->size > 20000 || problem->steps < 1) {
		fprintf(stderr, "%s: needs a size from 3 to 20000 and at least one step\n", path);
		return -1;
	}
	return 0;
}

static void places_print(const struct plate *plate)
{
	char host[MPI_MAX_PROCESSOR_NAME] = "", *hosts = NULL;
	int length;

	MPI_Get_processor_name(host, &length);
	if (plate->rank == 0)
		hosts = calloc((size_t)plate->ranks, sizeof(host));
	MPI_Gather(host, sizeof(host), MPI_CHAR, hosts, sizeof(host), MPI_CHAR, 0, MPI_COMM_WORLD);
	for (int i = 0; hosts && i < plate->ranks; i++)
		printf("%srank %d on %s%s", i % 4 ? ", " : "", i, hosts + i * sizeof(host),
		       i % 4 == 3 || i + 1 == plate->ranks ? "\n" : "");
	free(hosts);
}

static void halo_exchange(struct plate *plate)
{
	int up = plate->rank > 0 ? plate->rank - 1 : MPI_PROC_NULL;
	int down = plate->rank + 1 < plate->ranks ? plate->rank + 1 : MPI_PROC_NULL;
	int n = plate->size;
	double *first = plate->now + n, *last = plate->now + (size_t)plate->rows * n;

	MPI_Sendrecv(first, n, MPI_DOUBLE, up, 0, last + n, n, MPI_DOUBLE, down, 0, MPI_COMM_WORLD,
		     MPI_STATUS_IGNORE);
	MPI_Sendrecv(last, n, MPI_DOUBLE, down, 1, plate->now, n, MPI_DOUBLE, up, 1,
		     MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

/* One step; returns the largest change anywhere in the plate. */
static double step(struct plate *plate)
{
	double change = 0, largest;
	int n = plate->size;

	halo_exchange(plate);
	for (int row = 1; row <= plate->rows; row++) {
		double *to = plate->next + (size_t)row * n;
		const double *at = plate->now + (size_t)row * n;

		to[0] = to[n - 1] = 0;
		for (int i = 1; i < n - 1; i++) {
			to[i] = (at[i - 1] + at[i + 1] + at[i - n] + at[i + n]) / 4;
			change = fmax(change, fabs(to[i] - at[i]));
		}
	}
	double *swap = plate->now;
	plate->now = plate->next;
	plate->next = swap;
	if (plate->rank == 0)
		for (int i = 0; i < n; i++)
			plate->now[i] = plate->next[i]; /* the hot edge stays hot */
	MPI_Allreduce(&change, &largest, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
	return largest;
}

static double mean(const struct plate *plate)
{
	double sum = 0, total;

	for (size_t i = (size_t)plate->size; i < (size_t)(plate->rows + 1) * plate->size; i++)
		sum += plate->now[i];
	MPI_Allreduce(&sum, &total, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
	return total / plate->size / plate->size;
}

int main(int argc, char *argv[])
{
	struct problem problem = {.size = 256, .steps = 400};
	struct plate plate = {0};
	double change = 0, average;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &plate.rank);
	MPI_Comm_size(MPI_COMM_WORLD, &plate.ranks);
	if (argc > 1 && problem_read(argv[1], &problem) < 0)
		MPI_Abort(MPI_COMM_WORLD, 2);
	plate.size = problem.size;
	plate.rows = problem.size / plate.ranks + (plate.rank < problem.size % plate.ranks);
	plate.now = calloc((size_t)(plate.rows + 2) * plate.size, sizeof(double));
	plate.next = calloc((size_t)(plate.rows + 2) * plate.size, sizeof(double));
	if (!plate.now || !plate.next)
		MPI_Abort(MPI_COMM_WORLD, 3);
	places_print(&plate);
	for (int i = 0; plate.rank == 0 && i < plate.size; i++)
		plate.now[i] = plate.next[i] = 100;
	for (int i = 1; i <= problem.steps; i++) {
		change = step(&plate);
		if (plate.rank == 0 && (i % (problem.steps < 8 ? 1 : problem.steps / 8) == 0)) {
			printf("step %d of %d: largest change %.6f\n", i, problem.steps, change);
			fflush(stdout);
		}
	}
	average = mean(&plate);
	if (plate.rank == 0)
		printf("%d ranks, plate %d x %d: mean temperature %.6f\n", plate.ranks, plate.size,
		       plate.size, average);
	free(plate.now);
	free(plate.next);
	MPI_Finalize();
	return 0;
}
