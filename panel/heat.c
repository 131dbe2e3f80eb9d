/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/heat.h"

#include <inttypes.h>
#include <stdio.h>

bool rain_heat_is_held_back(enum rain_panel_temperature temperature)
{
	return temperature == RAIN_PANEL_TEMPERATURE_HOT ||
	       temperature == RAIN_PANEL_TEMPERATURE_SLOW;
}

void rain_heat_add(struct rain_heat_sum *sum, const struct rain_heat_look *look, bool begins)
{
	struct rain_heat_sum one = {.hour = (uint32_t)(look->time_s / 3600),
				    .seen_ms = look->lasted_ms,
				    .throttles = begins};

	if (look->millidegrees != 0) {
		one.heat_looks = 1;
		one.coolest = one.hottest = (int32_t)look->millidegrees;
		one.heat_sum = look->millidegrees;
	}
	if (look->clock_khz != 0) {
		one.clock_looks = 1;
		one.slowest_khz = one.fastest_khz = (uint32_t)look->clock_khz;
		one.clock_sum = look->clock_khz;
	}
	if (look->temperature == RAIN_PANEL_TEMPERATURE_HOT)
		one.hot_ms = look->lasted_ms;
	else if (look->temperature == RAIN_PANEL_TEMPERATURE_SLOW)
		one.slow_ms = look->lasted_ms;
	rain_heat_merge(sum, &one);
}

void rain_heat_merge(struct rain_heat_sum *sum, const struct rain_heat_sum *other)
{
	if (sum->hour == 0)
		sum->hour = other->hour;
	if (other->heat_looks > 0) {
		if (sum->heat_looks == 0 || other->coolest < sum->coolest)
			sum->coolest = other->coolest;
		if (sum->heat_looks == 0 || other->hottest > sum->hottest)
			sum->hottest = other->hottest;
	}
	if (other->clock_looks > 0) {
		if (sum->clock_looks == 0 || other->slowest_khz < sum->slowest_khz)
			sum->slowest_khz = other->slowest_khz;
		if (sum->clock_looks == 0 || other->fastest_khz > sum->fastest_khz)
			sum->fastest_khz = other->fastest_khz;
	}
	sum->heat_looks += other->heat_looks;
	sum->clock_looks += other->clock_looks;
	sum->heat_sum += other->heat_sum;
	sum->clock_sum += other->clock_sum;
	sum->seen_ms += other->seen_ms;
	sum->hot_ms += other->hot_ms;
	sum->slow_ms += other->slow_ms;
	sum->throttles += other->throttles;
}

const char *rain_heat_event_name(const struct rain_heat_event *event)
{
	return event->kind == RAIN_PANEL_TEMPERATURE_HOT ? "hot" : "slow";
}

int rain_heat_sum_json(const struct rain_heat_sum *sum, char *text, size_t size)
{
	char heat[128] = "", clock[128] = "";

	if (sum->heat_looks > 0)
		snprintf(heat, sizeof(heat),
			 "\"coolest_mdeg\":%" PRId32 ",\"mean_mdeg\":%" PRId64
			 ",\"hottest_mdeg\":%" PRId32 ",",
			 sum->coolest, sum->heat_sum / sum->heat_looks, sum->hottest);
	if (sum->clock_looks > 0)
		snprintf(clock, sizeof(clock),
			 "\"slowest_khz\":%" PRIu32 ",\"mean_khz\":%" PRId64
			 ",\"fastest_khz\":%" PRIu32 ",",
			 sum->slowest_khz, sum->clock_sum / sum->clock_looks, sum->fastest_khz);
	return snprintf(text, size,
			"{\"at\":%" PRId64 ",%s%s\"seen_ms\":%" PRIu64 ",\"hot_ms\":%" PRIu64
			",\"slow_ms\":%" PRIu64 ",\"throttles\":%" PRIu32 "}",
			(int64_t)sum->hour * 3600, heat, clock, sum->seen_ms, sum->hot_ms,
			sum->slow_ms, sum->throttles);
}

int rain_heat_event_json(const struct rain_heat_event *event, char *text, size_t size)
{
	char heat[48] = "", clock[48] = "";

	if (event->hottest != 0)
		snprintf(heat, sizeof(heat), ",\"hottest_mdeg\":%" PRId32, event->hottest);
	if (event->slowest_khz != 0)
		snprintf(clock, sizeof(clock), ",\"slowest_khz\":%" PRIu32, event->slowest_khz);
	return snprintf(text, size,
			"{\"at\":%" PRId64 ",\"kind\":\"%s\",\"lasted_s\":%" PRIu32
			",\"over\":%s%s%s}",
			event->began_s, rain_heat_event_name(event), event->lasted_s,
			event->is_over ? "true" : "false", heat, clock);
}
