/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scheduler/hpl.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 128
#define ORDER_MIN 256
#define ORDER_MAX 4000000
#define CORES_MAX 1000000
#define LINE_BYTES 512

static double operations(double n)
{
	return n * n * (n * 2 / 3 + 1.5);
}

int rain_hpl_choose(const struct rain_hpl_machine *machine, int64_t mem_percent, int64_t seconds,
		    struct rain_hpl_problem *problem, struct rain_error *err)
{
	int64_t cores, rows = 1;
	double by_memory, by_time, order;

	if (machine->nodes < 1 || machine->nodes > CORES_MAX || machine->cores_per_node < 1 ||
	    machine->cores_per_node > CORES_MAX / machine->nodes)
		return rain_error_set(err, "%" PRId64 " nodes of %" PRId64 " cores: not between 1 and %d "
				      "cores together", machine->nodes, machine->cores_per_node, CORES_MAX);
	if (machine->mem_mb_per_node < 1 || machine->mem_mb_per_node > INT64_C(1) << 40 ||
	    mem_percent < 1 || mem_percent > 90)
		return rain_error_set(err, "%" PRId64 " %% of %" PRId64 " MB of memory can't be used",
				      mem_percent, machine->mem_mb_per_node);
	if (machine->mflops_per_core < 1 || seconds < 1)
		return rain_error_set(err, "%" PRId64 " MFLOP/s for %" PRId64 " s: neither may be 0",
				      machine->mflops_per_core, seconds);
	cores = machine->nodes * machine->cores_per_node;
	for (int64_t p = 1; p <= cores / p; p++)
		if (cores % p == 0)
			rows = p;
	by_memory = sqrt((double)machine->mem_mb_per_node * 1048576.0 / 100 * (double)mem_percent *
			 (double)machine->nodes / sizeof(double));
	by_time = cbrt(1.5 * (double)machine->mflops_per_core * 1e6 * (double)cores * (double)seconds);
	order = fmin(fmin(by_memory, by_time), ORDER_MAX);
	if (order < ORDER_MIN)
		return rain_error_set(err, "a matrix of order %.0f is too small to measure anything", order);
	*problem = (struct rain_hpl_problem){
		.block = BLOCK, .rows = rows, .columns = cores / rows,
		.order = (int64_t)order - (int64_t)order % BLOCK,
	};
	return 0;
}

int rain_hpl_input(const struct rain_hpl_problem *problem, char *text, size_t size)
{
	int n = snprintf(text, size,
			 "HPL, asked by rain calibrate\n"
			 "one problem\n"
			 "HPL.out      output file name\n"
			 "6            device out (6=stdout)\n"
			 "1            number of problem sizes (N)\n"
			 "%" PRId64 " Ns\n"
			 "1            number of NBs\n"
			 "%" PRId64 " NBs\n"
			 "0            PMAP process mapping (0=row-major)\n"
			 "1            number of process grids\n"
			 "%" PRId64 " Ps\n"
			 "%" PRId64 " Qs\n"
			 "16.0         threshold\n"
			 "1            number of panel factorizations\n"
			 "2            PFACTs (2=right)\n"
			 "1            number of recursive stopping criteria\n"
			 "4            NBMINs\n"
			 "1            number of panels in recursion\n"
			 "2            NDIVs\n"
			 "1            number of recursive factorizations\n"
			 "1            RFACTs (1=Crout)\n"
			 "1            number of broadcasts\n"
			 "1            BCASTs (1=increasing ring, modified)\n"
			 "1            number of lookahead depths\n"
			 "1            DEPTHs\n"
			 "2            SWAP (2=mix)\n"
			 "64           swapping threshold\n"
			 "0            L1 (0=transposed)\n"
			 "0            U (0=transposed)\n"
			 "1            equilibration\n"
			 "8            memory alignment in doubles\n"
			 "no further problems for hpcc's other tests\n"
			 "0            number of additional problem sizes for PTRANS\n"
			 "0            values of N\n"
			 "0            number of additional block sizes for PTRANS\n"
			 "0            values of NB\n",
			 problem->order, problem->block, problem->rows, problem->columns);

	return n < 0 || (size_t)n >= size ? -1 : 0;
}

/* Words of one line, separated by spaces. */
static int split(char *line, char *words[], int max)
{
	int count = 0;

	for (char *at = line; *at;) {
		while (isspace((unsigned char)*at))
			*at++ = '\0';
		if (!*at)
			break;
		if (count == max)
			return count + 1;
		words[count++] = at;
		while (*at && !isspace((unsigned char)*at))
			at++;
	}
	return count;
}

/* 12, 9.525e+00 or 18.26, and nothing else that strtod would take. */
static bool read_number(const char *word, double *value)
{
	char *end;

	if (word[strspn(word, "0123456789.eE+-")] || !isdigit((unsigned char)*word))
		return false;
	*value = strtod(word, &end);
	return *end == '\0' && isfinite(*value);
}

static bool is_run(const char *word)
{
	return word[0] == 'W' && (word[1] == 'R' || word[1] == 'C') && isdigit((unsigned char)word[2]);
}

/* "WR11C2R4  400  64  2  2  0.13  3.183e-01": encoded variant, N, NB, P, Q, time, speed. */
static int read_run(char *words[], struct rain_hpl_result *run, struct rain_error *err)
{
	double number[6], expected;

	for (int i = 0; i < 6; i++)
		if (!read_number(words[i + 1], &number[i]))
			return rain_error_set(err, "HPL printed '%.20s' where a number belongs", words[i + 1]);
	if (number[0] < 1 || number[0] > 1e9 || number[1] < 1 || number[1] > number[0] ||
	    number[2] < 1 || number[2] > 1e7 || number[3] < 1 || number[3] > 1e7 ||
	    number[4] < 0 || number[4] > 1e9 || number[5] <= 0 || number[5] > 1e9)
		return rain_error_set(err, "HPL printed a run that can't be: N %.0f, NB %.0f, %.0f x %.0f, "
				      "%.2f s, %g Gflops", number[0], number[1], number[2], number[3],
				      number[4], number[5]);
	*run = (struct rain_hpl_result){
		.problem = {.order = (int64_t)number[0], .block = (int64_t)number[1],
			    .rows = (int64_t)number[2], .columns = (int64_t)number[3]},
		.seconds = number[4],
		.mflops = (int64_t)(number[5] * 1000 + 0.5),
	};
	/* Times are printed to hundredths of a second. */
	expected = operations(number[0]) / 1e9;
	if (number[5] * (number[4] + 0.006) < expected * 0.9 ||
	    number[5] * (number[4] - 0.006) > expected * 1.1)
		return rain_error_set(err, "HPL's speed, %g Gflops, doesn't fit its %.2f s for a matrix of "
				      "order %.0f", number[5], number[4], number[0]);
	return 0;
}

struct parser {
	struct rain_hpl_result best, last;
	bool open; /* `last` still needs its residual check */
};

static int take_line(struct parser *parser, char *line, struct rain_error *err)
{
	bool passed = strstr(line, "...... PASSED") != NULL, failed = strstr(line, "...... FAILED") != NULL;
	char *words[8];

	if (parser->open && (passed || failed) && strncmp(line, "||Ax-b||", 8) == 0) {
		if (failed)
			return rain_error_set(err, "HPL's result is wrong (its residual check FAILED): this "
					      "machine miscalculates, or its memory is bad");
		parser->open = false;
		if (parser->last.mflops > parser->best.mflops)
			parser->best = parser->last;
		return 0;
	}
	if (split(line, words, 8) != 7 || !is_run(words[0]))
		return 0;
	if (parser->open)
		return rain_error_set(err, "HPL printed a run without its residual check");
	parser->open = true;
	return read_run(words, &parser->last, err);
}

int rain_hpl_parse(const char *text, size_t size, struct rain_hpl_result *result,
		   struct rain_error *err)
{
	struct parser parser = {.open = false};
	char line[LINE_BYTES];

	while (size > 0) {
		const char *newline = memchr(text, '\n', size);
		size_t length = newline ? (size_t)(newline - text) : size;
		size_t kept = length < sizeof line ? length : sizeof line - 1;

		memcpy(line, text, kept);
		line[kept] = '\0';
		if (take_line(&parser, line, err) < 0)
			return -1;
		text += length + (newline != NULL);
		size -= length + (newline != NULL);
	}
	if (parser.open)
		return rain_error_set(err, "HPL ended before its residual check");
	if (parser.best.mflops == 0)
		return rain_error_set(err, "HPL printed no result");
	*result = parser.best;
	return 0;
}
