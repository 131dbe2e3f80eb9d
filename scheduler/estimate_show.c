/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scheduler/estimate_ask.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/table.h"
#include "common/tokens.h"

static json_t *known(int64_t value)
{
	return value == RAIN_ESTIMATE_UNKNOWN ? json_null() : json_integer(value);
}

static json_t *place_encode(const struct rain_estimate_place *place)
{
	return json_pack("{s:s s:b s:b s:s s:o s:I s:I s:o s:o s:o s:o s:o}", "name", place->name, "home",
			 place->home, "fits", place->fits, "why_not", place->why_not, "start_s",
			 known(place->start), "run_expected_s", (json_int_t)place->run_expected, "run_high_s",
			 (json_int_t)place->run_high, "transfer_s", known(place->transfer), "ceiling_utok",
			 known(place->ceiling), "cost_expected_utok", known(place->cost_expected),
			 "cost_high_utok", known(place->cost_high), "balance_after_utok",
			 known(place->balance_after));
}

json_t *rain_estimate_encode(const struct rain_estimate_all *all)
{
	json_t *places = json_array(), *notes = json_array();

	for (size_t i = 0; i < all->count; i++)
		json_array_append_new(places, place_encode(&all->places[i]));
	for (size_t i = 0; i < all->note_count; i++)
		json_array_append_new(notes, json_string(all->notes[i]));
	return json_pack("{s:s s:I s:I s:I s:I s:I s:{s:s s:I s:I} s:I s:o s:o s:s s:s}", "name", all->name,
			 "array_tasks", (json_int_t)all->job.array_tasks, "nodes", (json_int_t)all->job.nodes, "cpus", (json_int_t)rain_estimate_cores(&all->job),
			 "limit_s", (json_int_t)all->job.limit, "input_bytes", (json_int_t)all->job.input_bytes,
			 "prediction", "basis", all->basis, "samples", (json_int_t)all->samples, "confidence",
			 (json_int_t)all->confidence, "now", (json_int_t)all->now, "places", places, "notes",
			 notes, "best", all->places[all->best].name, "advice", all->advice);
}

/* What the run times rest on. */
static const char *basis_text(const struct rain_estimate_all *all)
{
	if (strcmp(all->basis, "name") == 0)
		return "of the same name and size";
	if (strcmp(all->basis, "shape") == 0)
		return "of the same size";
	return "of any kind";
}

static void print_prediction(const struct rain_estimate_all *all)
{
	char limit[RAIN_ESTIMATE_TIME];

	printf("%s: %" PRId64 " node%s, %" PRId64 " CPUs, at most %s\n", all->name, all->job.nodes,
	       all->job.nodes == 1 ? "" : "s", rain_estimate_cores(&all->job),
	       rain_estimate_time(all->job.limit, limit));
	if (all->job.array_tasks > 1)
		printf("An array of %" PRId64 " tasks: each takes and costs as much; LEFT is after all of them.\n",
		       all->job.array_tasks);
	if (all->samples > 0)
		printf("Run time from your last %" PRId64 " jobs %s; %" PRId64
		       " of 100 such jobs keep within the second figure.\n",
		       all->samples, basis_text(all), all->confidence);
	else
		puts("No job of yours tells how long it will run: its limit counts.");
}

static const char *amount(int64_t utok, char text[static RAIN_TOKENS_TEXT_SIZE])
{
	return utok == RAIN_ESTIMATE_UNKNOWN ? "-" : rain_tokens_format(utok, text);
}

static void add_place(struct rain_table *table, const struct rain_estimate_place *place)
{
	char start[RAIN_ESTIMATE_TIME], run[RAIN_ESTIMATE_TIME], high[RAIN_ESTIMATE_TIME],
		transfer[RAIN_ESTIMATE_TIME], expected[RAIN_TOKENS_TEXT_SIZE], cost_high[RAIN_TOKENS_TEXT_SIZE],
		ceiling[RAIN_TOKENS_TEXT_SIZE], after[RAIN_TOKENS_TEXT_SIZE];
	const char *const cells[] = {
		place->name,
		place->home ? rain_estimate_time(place->start, start) : place->fits ? "by offer" : "-",
		rain_estimate_time(place->run_expected, run),
		rain_estimate_time(place->run_high, high),
		place->home ? "-" : rain_estimate_time(place->transfer, transfer),
		amount(place->cost_expected, expected),
		amount(place->cost_high, cost_high),
		amount(place->ceiling, ceiling),
		amount(place->balance_after, after),
	};

	rain_table_add(table, cells);
}

void rain_estimate_print(const struct rain_estimate_all *all)
{
	static const char *const headers[] = {"PLACE", ">START-IN", ">RUN", ">90%", ">INPUTS", ">TOKENS", ">90%",
					      ">CEILING", ">LEFT", NULL};
	struct rain_table *table = rain_table_create(headers);

	print_prediction(all);
	for (size_t i = 0; table && i < all->count; i++)
		add_place(table, &all->places[i]);
	if (table)
		rain_table_print(table, RAIN_TABLE_TEXT, stdout);
	rain_table_destroy(table);
	for (size_t i = 0; i < all->count; i++)
		if (all->places[i].why_not[0])
			printf("%s: %s.\n", all->places[i].name, all->places[i].why_not);
	if (!all->places[0].mflops)
		puts("This cluster is not calibrated (rain calibrate): what runs here has no price yet.");
	if (!all->start_at && all->start_text[0])
		printf("Slurm says: %s.\n", all->start_text);
	for (size_t i = 0; i < all->note_count; i++)
		printf("%s.\n", all->notes[i]);
	printf("Advice: %s.\n", all->advice);
}

void rain_estimate_print_line(const struct rain_estimate_all *all)
{
	char run[RAIN_ESTIMATE_TIME], high[RAIN_ESTIMATE_TIME];

	if (all->samples > 0)
		printf("expected to run %s (90 %%: %s); ", rain_estimate_time(all->job.expected, run),
		       rain_estimate_time(all->job.high, high));
	printf("%s\n", all->advice);
}
