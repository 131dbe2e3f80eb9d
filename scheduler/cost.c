/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scheduler/cost.h"

#include <inttypes.h>

typedef unsigned __int128 rain_u128;

int rain_cost_core_ms(int64_t cores, int64_t ms, int64_t *core_ms, struct rain_error *err)
{
	if (cores < 0 || ms < 0)
		return rain_error_set(err, "%" PRId64 " cores for %" PRId64
				      " ms is no amount of work: it can't be negative", cores, ms);
	if (__builtin_mul_overflow(cores, ms, core_ms))
		return rain_error_set(err, "%" PRId64 " cores for %" PRId64
				      " ms is more work than can be counted", cores, ms);
	return 0;
}

int rain_cost_price(int64_t core_ms, int64_t mflops_per_core, int64_t num, int64_t den,
		    int64_t *micro, struct rain_error *err)
{
	rain_u128 product, divisor, price;

	if (core_ms < 0)
		return rain_error_set(err, "%" PRId64 " core-milliseconds can't be priced: "
				      "negative", core_ms);
	if (mflops_per_core <= 0)
		return rain_error_set(err, "a machine whose speed isn't calibrated "
				      "(mflops-per-core = %" PRId64 ") can't price", mflops_per_core);
	if (num < 0 || den <= 0)
		return rain_error_set(err, "%" PRId64 "/%" PRId64 " is no rate", num, den);

	/* The first two factors are below 2^63 each and always fit. */
	product = (rain_u128)core_ms * (rain_u128)mflops_per_core;
	divisor = (rain_u128)den * 18000;
	if (__builtin_mul_overflow(product, (rain_u128)5, &product) ||
	    __builtin_mul_overflow(product, (rain_u128)num, &product))
		goto too_much;
	price = product / divisor + (product % divisor != 0);
	if (price > INT64_MAX)
		goto too_much;
	*micro = (int64_t)price;
	return 0;

too_much:
	return rain_error_set(err, "the price of %" PRId64 " core-milliseconds at %" PRId64
			      " MFLOP/s is more than can be counted", core_ms, mflops_per_core);
}
