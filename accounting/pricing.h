/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_ACCOUNTING_PRICING_H
#define RAIN_ACCOUNTING_PRICING_H

#include <stdint.h>

#include "accounting/rates.h"
#include "accounting/record.h"
#include "common/config.h"
#include "common/error.h"

/* The calibrated speed (MFLOP/s) of one core of `nodes` (a host list) by the
 * node types of the configuration.  -1 with err when the list is malformed, a
 * node has no type or its type isn't calibrated, or the nodes differ in speed:
 * a record doesn't say how many cores each of them gave. */
int rain_pricing_speed(const struct rain_config *config, const char *nodes, int64_t *mflops,
		       struct rain_error *err);

/* What this cluster charges its own user for a run, in micro-tokens: the rates in
 * force when it started, the home rate standing for the calibrated speed where none
 * is set for that.  0 for runs that a burst's hold pays.  Nothing is asked of the
 * calibration where it makes no difference.  `rates` NULL: there are none. */
int rain_pricing_price(const struct rain_config *config, const struct rain_rates *rates,
		       const struct rain_record *record, enum rain_record_place place,
		       int64_t *price, struct rain_error *err);

#endif
