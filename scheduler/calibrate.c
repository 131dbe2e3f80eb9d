/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scheduler/calibrate.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUSY_BELOW 90	    /* percent of the processors' time */
#define CLOCK_BELOW 90	    /* percent of the clock that is stated, or of that at the beginning */
#define SIBLINGS_BELOW 90   /* percent of the typical speed */
#define COOL_MC 60000	    /* where the kernel states no limit */
#define NEAR_LIMIT_MC 5000

static bool has_flag(const char *flags, const char *flag)
{
	size_t length = strlen(flag);

	for (const char *at = flags; (at = strstr(at, flag)); at += length)
		if ((at == flags || at[-1] == ' ') && (at[length] == ' ' || !at[length]))
			return true;
	return false;
}

/* Fused multiply-adds of double precision that a core can begin in a cycle, times 2,
 * after Arm's software optimization guides and the Cortex-A53's and A55's halved
 * data path.  x86 as far as a flag tells: two units as wide as the flag says. */
int64_t rain_calibrate_flops_per_cycle(const char *arch, const char *flags, int64_t implementer,
				       int64_t part)
{
	static const struct {
		int64_t part, flops;
	} arm[] = {
		{0xd03, 2}, {0xd05, 4}, {0xd04, 2}, {0xd07, 4}, {0xd08, 4}, {0xd09, 4}, {0xd0a, 8},
		{0xd0b, 8}, {0xd0c, 8}, {0xd0d, 8}, {0xd41, 8}, {0xd40, 16}, {0xd49, 16}, {0xd4f, 16},
	};

	if (strcmp(arch, "x86_64") == 0) {
		if (has_flag(flags, "avx512f"))
			return 32;
		if (has_flag(flags, "avx2") && has_flag(flags, "fma"))
			return 16;
		return has_flag(flags, "avx") ? 8 : 4;
	}
	if (strcmp(arch, "aarch64") == 0 && implementer == 0x41)
		for (size_t i = 0; i < sizeof arm / sizeof *arm; i++)
			if (arm[i].part == part)
				return arm[i].flops;
	return 0;
}

int64_t rain_calibrate_peak_mflops(const struct rain_survey *survey)
{
	int64_t khz = 0;

	for (size_t i = 0; i < survey->kind_count; i++)
		khz += survey->kinds[i].cores * survey->kinds[i].clock_khz;
	return khz / 1000 * survey->flops_per_cycle;
}

int64_t rain_calibrate_dgemm_mflops(const struct rain_survey *survey)
{
	int64_t mflops = 0;

	for (size_t i = 0; i < survey->kind_count; i++)
		mflops += survey->kinds[i].cores * survey->kinds[i].dgemm_mflops;
	return mflops;
}

bool rain_calibrate_is_alike(const struct rain_survey *a, const struct rain_survey *b)
{
	if (strcmp(a->arch, b->arch) != 0 || strcmp(a->model, b->model) != 0 ||
	    a->packages != b->packages || a->cores != b->cores || a->threads != b->threads ||
	    a->kind_count != b->kind_count)
		return false;
	for (size_t i = 0; i < a->kind_count; i++)
		if (a->kinds[i].cores != b->kinds[i].cores)
			return false;
	/* Firmware keeps a little more here and less there. */
	return llabs(a->mem_mb - b->mem_mb) <= a->mem_mb / 20;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int64_t rain_calibrate_typical(const struct rain_survey surveys[], size_t count, size_t first)
{
	int64_t *speeds = calloc(count + 1, sizeof *speeds), typical;
	size_t used = 0;

	if (!speeds)
		return rain_calibrate_dgemm_mflops(&surveys[first]);
	for (size_t i = 0; i < count; i++)
		if (rain_calibrate_is_alike(&surveys[first], &surveys[i]))
			speeds[used++] = rain_calibrate_dgemm_mflops(&surveys[i]);
	qsort(speeds, used, sizeof *speeds, compare);
	typical = speeds[used / 2];
	free(speeds);
	return typical;
}

const char *rain_calibrate_verdict_name(enum rain_calibrate_verdict verdict)
{
	static const char *const names[] = {"sound", "busy", "throttled", "stuck", "differs", "count"};

	return names[verdict];
}

static bool is_below(int64_t value, int64_t of, int64_t percent)
{
	return of > 0 && value < of / 100 * percent;
}

static bool is_hot(const struct rain_survey *survey)
{
	if (survey->temp_mc == RAIN_SURVEY_UNKNOWN)
		return false;
	return survey->temp_mc >= (survey->temp_limit_mc == RAIN_SURVEY_UNKNOWN
					   ? COOL_MC
					   : survey->temp_limit_mc - NEAR_LIMIT_MC);
}

/* The kind whose clock falls furthest short of what is stated, or NULL. */
static const struct rain_survey_kind *slow_kind(const struct rain_survey *survey)
{
	for (size_t i = 0; i < survey->kind_count; i++)
		if (is_below(survey->kinds[i].clock_khz, survey->kinds[i].stated_khz, CLOCK_BELOW))
			return &survey->kinds[i];
	return NULL;
}

static void temperature(const struct rain_survey *survey, char *text, size_t size)
{
	if (survey->temp_mc == RAIN_SURVEY_UNKNOWN)
		snprintf(text, size, "its temperature is not known");
	else
		snprintf(text, size, "it has %" PRId64 " degrees C", survey->temp_mc / 1000);
}

enum rain_calibrate_verdict rain_calibrate_judge(const struct rain_survey *survey,
						 int64_t typical_mflops,
						 char sentence[static RAIN_CALIBRATE_SENTENCE])
{
	const struct rain_survey_kind *slow = slow_kind(survey);
	int64_t speed = rain_calibrate_dgemm_mflops(survey);
	bool falls = is_below(survey->clock_end_khz, survey->clock_begin_khz, CLOCK_BELOW);
	size_t size = RAIN_CALIBRATE_SENTENCE;
	char heat[64];

	*sentence = '\0';
	temperature(survey, heat, sizeof heat);
	if (survey->busy_percent < BUSY_BELOW) {
		snprintf(sentence, size, "something else ran on it: the measurement got %" PRId64 " %% of the "
			 "processors. Stop what runs there and measure again", survey->busy_percent);
		return RAIN_CALIBRATE_BUSY;
	}
	if (survey->throttled > 0 || (is_hot(survey) && (slow || falls))) {
		snprintf(sentence, size, "it slows down under load (%" PRId64 " MHz at first, %" PRId64
			 " MHz at the end; %s): cool it better", survey->clock_begin_khz / 1000,
			 survey->clock_end_khz / 1000, heat);
		return RAIN_CALIBRATE_THROTTLED;
	}
	if (slow) {
		snprintf(sentence, size, "its clock is stuck: %" PRId64 " MHz under load where %" PRId64
			 " MHz are stated, and it is not hot (%s). Look at its frequency driver and "
			 "governor, and at its power supply", slow->clock_khz / 1000,
			 slow->stated_khz / 1000, heat);
		return RAIN_CALIBRATE_STUCK;
	}
	if (is_below(speed, typical_mflops, SIBLINGS_BELOW)) {
		snprintf(sentence, size, "it is slower than its siblings: %" PRId64 " MFLOP/s where %" PRId64
			 " are typical of the same hardware (clock %" PRId64 " MHz, %s)", speed,
			 typical_mflops, survey->clock_end_khz / 1000, heat);
		return RAIN_CALIBRATE_DIFFERS;
	}
	if (survey->slurm_cpus > 0 && survey->slurm_cpus != survey->cores &&
	    survey->slurm_cpus != survey->threads) {
		snprintf(sentence, size, "Slurm believes that it has %" PRId64 " CPUs, and it has %" PRId64
			 " cores: use the NodeName line below in slurm.conf", survey->slurm_cpus,
			 survey->cores);
		return RAIN_CALIBRATE_COUNT;
	}
	return RAIN_CALIBRATE_SOUND;
}

int rain_calibrate_node_line(const struct rain_survey *survey, const char *nodes, char *line,
			     size_t size)
{
	int64_t per_socket = survey->packages > 0 ? survey->cores / survey->packages : survey->cores;
	int64_t per_core = survey->cores > 0 ? survey->threads / survey->cores : 1;
	int n;

	/* Cores of several kinds may have more threads here than there: then Slurm is
	 * told the number of CPUs alone. */
	if (per_socket * survey->packages * per_core == survey->threads)
		n = snprintf(line, size, "NodeName=%s CPUs=%" PRId64 " Boards=1 SocketsPerBoard=%" PRId64
			     " CoresPerSocket=%" PRId64 " ThreadsPerCore=%" PRId64 " RealMemory=%" PRId64,
			     nodes, survey->threads, survey->packages, per_socket, per_core, survey->mem_mb);
	else
		n = snprintf(line, size, "NodeName=%s CPUs=%" PRId64 " RealMemory=%" PRId64, nodes,
			     survey->threads, survey->mem_mb);
	return n < 0 || (size_t)n >= size ? -1 : 0;
}
