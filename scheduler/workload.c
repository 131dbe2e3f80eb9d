/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scheduler/workload.h"

#include <math.h>
#include <stdlib.h>

/* Parameters of Lublin and Feitelson for all jobs together. */
#define SERIAL 0.244
#define POWER_OF_TWO 0.576
#define SIZE_LOW 0.8
#define SIZE_FIRST_STAGE 0.86
#define SHORT_ALPHA 4.2
#define SHORT_BETA 0.94
#define LONG_ALPHA 312
#define LONG_BETA 0.03
#define SHORT_SLOPE -0.0054
#define SHORT_BASE 0.78
#define RUN_LOG_MAX 12 /* e^12 s = 45 h */
#define DAY_ALPHA 8.1737
#define DAY_BETA 3.9631
#define DAY_STARTS 11 /* half hours after midnight, the model's cyclic day */
#define BUCKETS 48
#define BUCKET_SECONDS 1800

#define SAMPLES 4000 /* to find the mean work of a job */
#define REPEATS 0.7  /* how often a user submits the like of the last job */

struct user {
	int32_t procs, run, limit; /* the last job; 0: none */
};

struct rain_workload {
	struct rain_workload_spec spec;
	uint64_t random;
	double clock, gap; /* seconds; mean seconds between jobs at mean weight */
	int64_t made;
	double weights[BUCKETS]; /* mean 1 */
	uint32_t user;		 /* whose session it is */
	struct user *users;
};

static uint64_t draw(struct rain_workload *w)
{
	uint64_t z = w->random += 0x9e3779b97f4a7c15u; /* splitmix64 */

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* In (0, 1). */
static double uniform(struct rain_workload *w)
{
	return ((double)(draw(w) >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(struct rain_workload *w)
{
	return sqrt(-2 * log(uniform(w))) * cos(6.283185307179586 * uniform(w));
}

/* Marsaglia and Tsang 2000; alpha >= 1. */
static double gamma_draw(struct rain_workload *w, double alpha, double beta)
{
	double d = alpha - 1.0 / 3, c = 1 / sqrt(9 * d);

	for (;;) {
		double x = normal(w), v = 1 + c * x;

		v = v * v * v;
		if (v > 0 && log(uniform(w)) < 0.5 * x * x + d - d * v + d * log(v))
			return d * v * beta;
	}
}

static int32_t draw_procs(struct rain_workload *w)
{
	double high = log2(w->spec.procs), middle = high - 2.5, power, kind = uniform(w);
	double procs;

	if (middle < SIZE_LOW)
		middle = (SIZE_LOW + high) / 2;
	if (kind <= SERIAL || w->spec.procs == 1)
		return 1;
	if (uniform(w) <= SIZE_FIRST_STAGE)
		power = SIZE_LOW + (middle - SIZE_LOW) * uniform(w);
	else
		power = middle + (high - middle) * uniform(w);
	if (kind <= SERIAL + POWER_OF_TWO)
		power = floor(power + 0.5);
	procs = floor(exp2(power) + 0.5);
	if (procs < 1)
		return 1;
	return procs > w->spec.procs ? w->spec.procs : (int32_t)procs;
}

static int32_t draw_run(struct rain_workload *w, int32_t procs)
{
	double is_short = SHORT_SLOPE * procs + SHORT_BASE, power;

	if (is_short < 0)
		is_short = 0;
	do {
		power = uniform(w) <= is_short ? gamma_draw(w, SHORT_ALPHA, SHORT_BETA)
					       : gamma_draw(w, LONG_ALPHA, LONG_BETA);
	} while (power > RUN_LOG_MAX);
	return power <= 0 ? 1 : (int32_t)exp(power);
}

/* What the user asks for: the next round time above, or one further up. */
static int32_t draw_limit(struct rain_workload *w, int32_t run)
{
	static const int32_t round_times[] = {300,   600,   900,    1800,   3600,   7200,   14400,
					      21600, 43200, 64800,  86400,  129600, 172800};
	size_t count = sizeof round_times / sizeof *round_times, at = 0;

	while (at < count - 1 && round_times[at] < run)
		at++;
	while (at < count - 1 && uniform(w) < 0.45)
		at++;
	return round_times[at] > run ? round_times[at] : run;
}

static void draw_job(struct rain_workload *w, struct user *job)
{
	if (job->procs && uniform(w) < REPEATS) {
		/* Much the same again: same shape, about the same time. */
		double run = job->run * exp(0.3 * normal(w));

		job->run = run < 1 ? 1 : run > job->limit ? job->limit : (int32_t)run;
		return;
	}
	job->procs = draw_procs(w);
	job->run = draw_run(w, job->procs);
	job->limit = draw_limit(w, job->run);
}

/* The share of a day's jobs that each half hour gets: the gamma density at its
 * middle, in the model's cyclic day. */
static void set_weights(struct rain_workload *w)
{
	double total = 0;

	for (int i = 0; i < BUCKETS; i++) {
		double x = DAY_STARTS + i;

		w->weights[(DAY_STARTS + i) % BUCKETS] =
			exp((DAY_ALPHA - 1) * log(x) - x / DAY_BETA - lgamma(DAY_ALPHA) -
			    DAY_ALPHA * log(DAY_BETA));
	}
	for (int i = 0; i < BUCKETS; i++)
		total += w->weights[i];
	for (int i = 0; i < BUCKETS; i++)
		w->weights[i] *= BUCKETS / total;
}

static double mean_work(struct rain_workload *w)
{
	double total = 0;

	w->random = 0x5241494eu; /* the same for all seeds: a property of the model */
	for (int i = 0; i < SAMPLES; i++) {
		struct user job = {0};

		draw_job(w, &job);
		total += (double)job.run * job.procs;
	}
	return total / SAMPLES;
}

void rain_workload_rewind(struct rain_workload *w)
{
	w->random = w->spec.seed * 0xd1342543de82ef95u + 1;
	w->clock = 0;
	w->made = 0;
	w->user = 0;
	for (uint32_t i = 0; i < w->spec.users; i++)
		w->users[i] = (struct user){0};
}

struct rain_workload *rain_workload_create(const struct rain_workload_spec *spec,
					   struct rain_error *err)
{
	struct rain_workload *w;

	if (spec->procs < 1 || spec->users < 1 || !(spec->load > 0) || spec->load > 100 ||
	    (spec->jobs <= 0 && !(spec->days > 0))) {
		rain_error_set(err, "a generated workload needs processors, users, a load above 0 "
			       "(at most 100) and a number of jobs or days");
		return NULL;
	}
	w = calloc(1, sizeof *w);
	if (w)
		w->users = calloc(spec->users, sizeof *w->users);
	if (!w || !w->users) {
		free(w);
		rain_error_set(err, "no memory for a workload of %u users", spec->users);
		return NULL;
	}
	w->spec = *spec;
	set_weights(w);
	w->gap = mean_work(w) / (spec->load * spec->procs);
	rain_workload_rewind(w);
	return w;
}

/* Passes time until the exponentially drawn amount of arrival weight is used up. */
static void pass_time(struct rain_workload *w)
{
	double left = -log(uniform(w)) * w->gap;

	for (;;) {
		double bucket = floor(w->clock / BUCKET_SECONDS);
		double weight = w->weights[(int64_t)bucket % BUCKETS];
		double until = (bucket + 1) * BUCKET_SECONDS - w->clock;

		if (until * weight >= left) {
			w->clock += left / weight;
			return;
		}
		left -= until * weight;
		w->clock = (bucket + 1) * BUCKET_SECONDS;
	}
}

int rain_workload_next(void *workload, struct rain_arrival *arrival)
{
	struct rain_workload *w = workload;
	struct user *user;

	if (w->spec.jobs > 0 && w->made >= w->spec.jobs)
		return 0;
	pass_time(w);
	if (w->spec.days > 0 && w->clock >= w->spec.days * 86400)
		return 0;
	if (w->made == 0 || uniform(w) > REPEATS)
		w->user = (uint32_t)(draw(w) % w->spec.users);
	user = &w->users[w->user];
	draw_job(w, user);
	*arrival = (struct rain_arrival){
		.submit = (int64_t)w->clock, .run = user->run, .limit = user->limit,
		.procs = user->procs, .user = w->user, .id = (uint32_t)w->made,
	};
	w->made++;
	return 1;
}

void rain_workload_destroy(struct rain_workload *w)
{
	if (!w)
		return;
	free(w->users);
	free(w);
}
