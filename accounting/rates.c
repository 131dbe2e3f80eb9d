// SPDX-License-Identifier: GPL-2.0-or-later
#include "accounting/rates.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"

#define NAME_MAX_CHARS 64
#define COUNT_MAX 100000
#define RATIO_MAX INT64_C(1000000000000)
#define TIME_MAX (INT64_C(1) << 40)
#define CALIBRATED "calibrated"

typedef unsigned __int128 rain_u128;

struct rate {
	const char *partition, *qos, *tres; /* borrowed of `rows` */
	int64_t num, den, since, until;
};

struct rain_rates {
	json_t *rows;
	size_t count;
	struct rate list[];
};

static int read_rate(const json_t *row, struct rate *rate, struct rain_error *err)
{
	if (rain_json_string(row, "partition", NAME_MAX_CHARS, &rate->partition, err) < 0 ||
	    rain_json_string(row, "qos", NAME_MAX_CHARS, &rate->qos, err) < 0 ||
	    rain_json_string(row, "tres", NAME_MAX_CHARS, &rate->tres, err) < 0 ||
	    rain_json_int(row, "num", 0, RATIO_MAX, &rate->num, err) < 0 ||
	    rain_json_int(row, "den", 1, RATIO_MAX, &rate->den, err) < 0 ||
	    rain_json_int(row, "since", 0, TIME_MAX, &rate->since, err) < 0 ||
	    rain_json_int_or(row, "until", 0, TIME_MAX, TIME_MAX, &rate->until, err) < 0)
		return -1;
	return 0;
}

struct rain_rates *rain_rates_create(const json_t *rows, struct rain_error *err)
{
	size_t count = json_array_size(rows);
	struct rain_rates *rates = NULL;

	if (count > COUNT_MAX) {
		rain_error_set(err, "there are more than %d rates", COUNT_MAX);
		return NULL;
	}
	rates = calloc(1, sizeof(*rates) + count * sizeof(rates->list[0]));
	if (!rates) {
		rain_error_set(err, "no memory for %zu rates", count);
		return NULL;
	}
	rates->rows = json_deep_copy(rows);
	for (; rates->count < count; rates->count++) {
		if (read_rate(json_array_get(rates->rows, rates->count), &rates->list[rates->count], err) < 0) {
			rain_rates_destroy(rates);
			return NULL;
		}
	}
	return rates;
}

void rain_rates_destroy(struct rain_rates *rates)
{
	if (!rates)
		return;
	json_decref(rates->rows);
	free(rates);
}

/* 2 of its own, 1 of all, 0 of another. */
static int fits(const char *of, const char *name)
{
	return strcmp(of, name) == 0 ? 2 : strcmp(of, "*") == 0 ? 1 : 0;
}

static const struct rate *find(const struct rain_rates *rates, const struct rain_rates_use *use,
			       const char *tres, size_t length)
{
	const struct rate *best = NULL;
	int best_fit = 0;

	for (size_t i = 0; rates && i < rates->count; i++) {
		const struct rate *rate = &rates->list[i];
		int partition = fits(rate->partition, use->partition), qos = fits(rate->qos, use->qos);

		if (strlen(rate->tres) != length || memcmp(rate->tres, tres, length) != 0 ||
		    use->at < rate->since || use->at >= rate->until || partition == 0 || qos == 0 ||
		    3 * partition + qos <= best_fit)
			continue;
		best = rate;
		best_fit = 3 * partition + qos;
	}
	return best;
}

void rain_rates_calibrated(const struct rain_rates *rates, const struct rain_rates_use *use,
			   int64_t *num, int64_t *den)
{
	const struct rate *rate = find(rates, use, CALIBRATED, strlen(CALIBRATED));

	*num = rate ? rate->num : use->home_num;
	*den = rate ? rate->den : use->home_den;
}

/* whole + num/den, with num < den */
struct sum {
	rain_u128 whole, num, den;
};

static rain_u128 common_divisor(rain_u128 a, rain_u128 b)
{
	while (b != 0) {
		rain_u128 rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* Adds a*b*c/den. False when it can't be counted. */
static bool sum_add(struct sum *sum, int64_t a, int64_t b, int64_t c, rain_u128 den)
{
	rain_u128 num, common, mine, theirs;

	if (__builtin_mul_overflow((rain_u128)a * (rain_u128)b, (rain_u128)c, &num) ||
	    __builtin_add_overflow(sum->whole, num / den, &sum->whole) ||
	    __builtin_mul_overflow(sum->den / common_divisor(sum->den, den), den, &common) ||
	    __builtin_mul_overflow(sum->num, common / sum->den, &mine) ||
	    __builtin_mul_overflow(num % den, common / den, &theirs) ||
	    __builtin_add_overflow(mine, theirs, &num))
		return false;
	sum->whole += num / common;
	sum->num = num % common;
	sum->den = common;
	return true;
}

/* "64000M" of mem is 64000, "2" of gres/gpu is 2. -1 when it is no such number. */
static int64_t units_read(const char *text, size_t length, bool mem)
{
	static const char suffixes[] = "KMGTP";
	const char *suffix;
	int64_t units = 0;
	size_t i = 0;
	int steps;

	for (; i < length && text[i] >= '0' && text[i] <= '9'; i++)
		if (__builtin_mul_overflow(units, INT64_C(10), &units) ||
		    __builtin_add_overflow(units, text[i] - '0', &units))
			return -1;
	if (i == 0 || i + 1 < length)
		return -1;
	if (i == length)
		return units;
	suffix = memchr(suffixes, text[i], sizeof(suffixes) - 1);
	if (!suffix)
		return -1;
	steps = (int)(suffix - suffixes) + (mem ? -1 : 1);
	if (steps < 0)
		return (units + 1023) / 1024;
	for (; steps > 0; steps--)
		if (__builtin_mul_overflow(units, INT64_C(1024), &units))
			return -1;
	return units;
}

static int tres_add(struct sum *sum, const struct rain_rates *rates,
		    const struct rain_rates_use *use, struct rain_error *err)
{
	const char *next = use->tres;

	while (*next) {
		size_t length = strcspn(next, ","), name = strcspn(next, "=,");
		const struct rate *rate = find(rates, use, next, name);
		int64_t units;

		if (rate && rate->num > 0) {
			units = name < length ? units_read(next + name + 1, length - name - 1,
							   name == 3 && memcmp(next, "mem", 3) == 0)
					      : -1;
			if (units < 0)
				return rain_error_set(err, "\"%.*s\" is no amount of a TRES",
						      length > 80 ? 80 : (int)length, next);
			if (!sum_add(sum, rate->num, units, use->ms, (rain_u128)rate->den * 1000))
				return rain_error_set(err, "the price of %.*s is more than can be counted",
						      length > 80 ? 80 : (int)length, next);
		}
		next += length + (next[length] == ',');
	}
	return 0;
}

int rain_rates_price(const struct rain_rates *rates, const struct rain_rates_use *use,
		     int64_t *price, struct rain_error *err)
{
	struct sum sum = {.den = 1};
	int64_t num, den, scaled;

	rain_rates_calibrated(rates, use, &num, &den);
	if (num > 0 && use->core_ms > 0) {
		if (use->mflops_per_core <= 0)
			return rain_error_set(err, "a machine whose speed isn't calibrated can't price");
		if (__builtin_mul_overflow(use->mflops_per_core, INT64_C(5), &scaled) ||
		    !sum_add(&sum, use->core_ms, scaled, num, (rain_u128)den * 18000))
			return rain_error_set(err, "the price of the cores is more than can be counted");
	}
	if (tres_add(&sum, rates, use, err) < 0)
		return -1;
	sum.whole += sum.num > 0;
	if (sum.whole > (rain_u128)INT64_C(1000000000000000000))
		return rain_error_set(err, "the price is more than can be counted");
	*price = (int64_t)sum.whole;
	return 0;
}
