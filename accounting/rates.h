/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_RATES_H
#define RAIN_ACCOUNTING_RATES_H

#include <jansson.h>
#include <stdint.h>

#include "common/error.h"

/*
 * The rates of one cluster, all versions, and what a use costs by them
 * (accounting/sql/0023-rates.sql has the rules, and the same sum in SQL). Pure.
 *
 * Of each TRES the rate in force at the given time counts, that of the partition
 * before that of all ('*'), then that of the QOS before that of all. A TRES without a
 * rate is free. The sum is exact and rounded up once.
 */
struct rain_rates;

/* Of rows {"partition", "qos", "tres", "num", "den", "since", "until"}, times in epoch
 * seconds, until null: without end. NULL with err. */
struct rain_rates *rain_rates_create(const json_t *rows, struct rain_error *err);

/* NULL is fine. */
void rain_rates_destroy(struct rain_rates *rates);

struct rain_rates_use {
	const char *partition, *qos;
	const char *tres; /* as Slurm writes it: "cpu=16,mem=64000M,gres/gpu=2"; mem in MiB */
	int64_t ms;	  /* that they were held */
	int64_t at;	  /* epoch seconds */
	/* core_ms at mflops_per_core is the use of the TRES "calibrated"; its rate when
	 * none is set is home_num/home_den. */
	int64_t core_ms, mflops_per_core, home_num, home_den;
};

/* The ratio at which the calibrated price counts. `rates` NULL: there are none. */
void rain_rates_calibrated(const struct rain_rates *rates, const struct rain_rates_use *use,
			   int64_t *num, int64_t *den);

/* In micro-tokens. mflops_per_core is not looked at when its ratio is 0. -1 with err
 * when the TRES can't be read or the price can't be counted. */
int rain_rates_price(const struct rain_rates *rates, const struct rain_rates_use *use,
		     int64_t *price, struct rain_error *err);

#endif
