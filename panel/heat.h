/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RAIN_PANEL_HEAT_H
#define RAIN_PANEL_HEAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "panel/state.h"

/*
 * How warm a node was and how fast its clock ran, hour by hour, and when it was
 * held back.  Pure; times are seconds since the epoch by the node's clock.
 */

/* One look at the sensors; a value of 0 is one that no sensor tells. */
struct rain_heat_look {
	int64_t time_s;
	uint32_t lasted_ms; /* since the look before */
	enum rain_panel_temperature temperature;
	int64_t millidegrees, clock_khz;
};

/* The sum of the looks of an hour, or of several hours. All zero: none. */
struct rain_heat_sum {
	uint32_t hour;	       /* the first one, in hours since the epoch */
	uint32_t heat_looks, clock_looks;
	int32_t coolest, hottest; /* millidegrees, when heat_looks > 0 */
	uint32_t slowest_khz, fastest_khz; /* when clock_looks > 0 */
	int64_t heat_sum;      /* millidegrees of all looks */
	int64_t clock_sum;     /* kHz of all looks */
	uint64_t seen_ms;      /* how long it was looked at */
	uint64_t hot_ms, slow_ms; /* of that, too hot; cool, but not at full speed */
	uint32_t throttles;    /* how often one of the two began */
	uint32_t reserved;
};

/* A time in which the node was too hot, or slow although cool. */
struct rain_heat_event {
	uint32_t number;  /* counts up from 1; 0: no event */
	uint32_t kind;	  /* RAIN_PANEL_TEMPERATURE_HOT or _SLOW */
	int64_t began_s;
	uint32_t lasted_s; /* so far, when it is not over */
	uint32_t is_over;
	int32_t hottest;      /* millidegrees, 0: not known */
	uint32_t slowest_khz; /* 0: not known */
};

/* Adds one look; `begins` when it is the first one that is too hot or slow. */
void rain_heat_add(struct rain_heat_sum *sum, const struct rain_heat_look *look, bool begins);

/* Adds the other's looks; `sum` keeps its hour unless it had none. */
void rain_heat_merge(struct rain_heat_sum *sum, const struct rain_heat_sum *other);

bool rain_heat_is_held_back(enum rain_panel_temperature temperature);

/* "hot" or "slow". */
const char *rain_heat_event_name(const struct rain_heat_event *event);

/* As a JSON object without a newline; what no sensor told is not there. Returns
 * its length, or what it would have been when that is not below `size`. */
#define RAIN_HEAT_JSON_MAX 384
int rain_heat_sum_json(const struct rain_heat_sum *sum, char *text, size_t size);
int rain_heat_event_json(const struct rain_heat_event *event, char *text, size_t size);

#endif
