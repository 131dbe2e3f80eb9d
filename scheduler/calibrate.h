/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_SCHEDULER_CALIBRATE_H
#define RAIN_SCHEDULER_CALIBRATE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What the measurements of nodes mean.  Pure.
 *
 * All cores of a node multiply matrices at once (DGEMM); the clock is counted at
 * the beginning and at the end, so that the figures are those under load.
 */
#define RAIN_SURVEY_NAME 64
#define RAIN_SURVEY_KINDS 8
#define RAIN_SURVEY_UNKNOWN INT64_MIN

/* Cores that are alike: a node may have fast and slow ones. */
struct rain_survey_kind {
	int64_t cores;
	int64_t clock_khz;   /* counted under load, at the end */
	int64_t stated_khz;  /* the highest that the hardware states; 0: says nothing */
	int64_t dgemm_mflops; /* of one core, all of them working */
};

struct rain_survey {
	char node[RAIN_SURVEY_NAME], arch[32], model[96];
	int64_t packages, cores, threads; /* threads: of all cores together */
	int64_t l1_kb, l2_kb, l3_kb;	  /* one cache; 0: none */
	int64_t mem_mb;
	size_t kind_count;
	struct rain_survey_kind kinds[RAIN_SURVEY_KINDS]; /* slowest first, as hwloc orders them */
	int64_t clock_begin_khz, clock_end_khz;		  /* of one core, counted */
	int64_t temp_mc;	/* hottest sensor under load, in 1/1000 degree C, or RAIN_SURVEY_UNKNOWN */
	int64_t temp_limit_mc;	/* the lowest temperature at which the kernel slows it down, or … */
	int64_t throttled;	/* how often the kernel counted that meanwhile, or … */
	int64_t busy_percent;	/* of the processors' time that the measurement got */
	int64_t flops_per_cycle; /* double precision, of one core; 0: not known */
	int64_t slurm_cpus;	/* that Slurm believes it has; 0: not known */
};

/* One core of a processor, from /proc/cpuinfo: `flags` (x86) or `part` (arm, with its
 * implementer).  0 when the processor isn't known. */
int64_t rain_calibrate_flops_per_cycle(const char *arch, const char *flags, int64_t implementer,
				       int64_t part);

/* The speed that all cores could reach at the clock that was counted; 0: not known. */
int64_t rain_calibrate_peak_mflops(const struct rain_survey *survey);
/* The speed of all cores together, by DGEMM. */
int64_t rain_calibrate_dgemm_mflops(const struct rain_survey *survey);

/* Nodes with the same hardware are one type. */
bool rain_calibrate_is_alike(const struct rain_survey *a, const struct rain_survey *b);

enum rain_calibrate_verdict {
	RAIN_CALIBRATE_SOUND,
	RAIN_CALIBRATE_BUSY,	  /* something else ran on it: the figures don't count */
	RAIN_CALIBRATE_THROTTLED, /* slowed down by heat or power */
	RAIN_CALIBRATE_STUCK,	  /* cool, and still below its clock */
	RAIN_CALIBRATE_DIFFERS,	  /* slower than its siblings */
	RAIN_CALIBRATE_COUNT,	  /* Slurm believes in another number of cores */
};

const char *rain_calibrate_verdict_name(enum rain_calibrate_verdict verdict);

/* Judges one node; `typical_mflops` is the median DGEMM speed of its type.  The
 * sentence says what is wrong and what to do; empty when sound. */
#define RAIN_CALIBRATE_SENTENCE 320
enum rain_calibrate_verdict rain_calibrate_judge(const struct rain_survey *survey,
						 int64_t typical_mflops,
						 char sentence[static RAIN_CALIBRATE_SENTENCE]);

/* The median DGEMM speed of surveys[first..] that are like surveys[first]. */
int64_t rain_calibrate_typical(const struct rain_survey surveys[], size_t count, size_t first);

/* "NodeName=<nodes> CPUs=4 Boards=1 …" for slurm.conf. -1: too long. */
int rain_calibrate_node_line(const struct rain_survey *survey, const char *nodes, char *line,
			     size_t size);

#endif
