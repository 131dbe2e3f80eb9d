/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_SCHEDULER_COST_H
#define RAIN_SCHEDULER_COST_H

#include <stdint.h>

#include "common/error.h"

/*
 * What computing costs.  Pure.
 *
 * 1 token is 3600 GFLOP of calibrated capability, so a core at m MFLOP/s costs
 * m * 5/18 micro-tokens a second.  Integers only; one rounding, upwards, at the
 * very end; a value out of range is an error and never cut.
 */

/* cores * ms. -1 with err when one is negative or the product doesn't fit. */
int rain_cost_core_ms(int64_t cores, int64_t ms, int64_t *core_ms, struct rain_error *err);

/* Micro-tokens of `core_ms` core-milliseconds at `mflops_per_core`, times the
 * ratio num/den (the home rate, or a price in percent with den = 100):
 *
 *   ceil(core_ms * mflops_per_core * 5 * num / (18 * 1000 * den))
 *
 * -1 with err when core_ms or num is negative, den or mflops_per_core isn't
 * positive (0 means: not calibrated), or the result doesn't fit. */
int rain_cost_price(int64_t core_ms, int64_t mflops_per_core, int64_t num, int64_t den,
		    int64_t *micro, struct rain_error *err);

#endif
